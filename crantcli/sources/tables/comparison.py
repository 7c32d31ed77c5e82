"""Reads what `compare` has written as edges whose weight is the difference, with its columns beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crantcli.core.compare.written import ComparisonForm, ends_of, form_of
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.schema import Kind
from crantcli.sources.tables.convert import whole_part
from crantcli.sources.tables.inference import as_number, first_not_numeric, numeric_types
from crantcli.sources.tables.kinds import Decision
from crantcli.sources.tables.part import INTEGERS, Part
from crantcli.sources.tables.read_options import ReadOptions

#: Our own column, which no table of ours has.
DIFFERENCE = "crantcli difference"


def comparison(
    engine: Engine, found: Sequence[Part], given: ReadOptions
) -> tuple[Part, Decision, ComparisonForm] | None:
    """A comparison, its roles and its form; None where this is another table, or was not asked for.

    Raises
    ------
    DataError
        Where a column of numbers holds something else.
    """
    if not given.comparison or given.settled or len(found) != 1:
        return None
    (part,) = found
    form = form_of(part.columns)
    return None if form is None else (*_as_edges(engine, whole_part(part), form), form)


def _as_edges(engine: Engine, part: Part, form: ComparisonForm) -> tuple[Part, Decision]:
    """The part with all that a table of edges needs, and what its columns are."""
    kinds = {name: _kind(engine, part, name) for name in form.columns}
    numbers = {name: _number(part, name, kind) for name, kind in kinds.items()}
    made = {"pre": "pre", "post": "post"}
    added = [f"{numbers[form.b]} - {numbers[form.a]} AS {quote(DIFFERENCE)}"]
    if form.groups:
        for end, names in zip(("pre", "post"), ends_of(part.columns), strict=True):
            labels = ", ".join(f"coalesce(CAST({quote(name)} AS VARCHAR), '')" for name in names)
            made[end] = f"crantcli {end}"
            added.append(f"concat_ws(', ', {labels}) AS {quote(made[end])}")
    replaced = ", ".join(f"{number} AS {quote(name)}" for name, number in numbers.items())
    whole = kinds[form.a] == kinds[form.b] == "BIGINT"
    types = {DIFFERENCE: "BIGINT" if whole else "DOUBLE"}
    if form.groups:
        types |= dict.fromkeys(made.values(), "VARCHAR")
    edges = replace(
        part,
        relation=f"(SELECT * REPLACE ({replaced}), {', '.join(added)} FROM {part.relation})",
        columns={**part.columns, **kinds, **types},
        # A group may be called NA.
        null_text="" if form.groups else part.null_text,
        stored=False,
        pieces={},
    )
    roles = {"pre": made["pre"], "post": made["post"], "weight": DIFFERENCE}
    reasons = (f"the columns of a comparison ({', '.join(form.needed)})",)
    return edges, Decision(Kind.EDGES, roles, reasons=reasons)


def _kind(engine: Engine, part: Part, name: str) -> str:
    """The type of a column of numbers.

    Raises
    ------
    DataError
        Where it holds something else.
    """
    kind = part.columns[name]
    if not kind.startswith("VARCHAR"):
        return "BIGINT" if kind in INTEGERS else "DOUBLE"
    found = numeric_types(engine, part.relation, [name])[name]
    if found != "VARCHAR":
        return found
    place, value = first_not_numeric(engine, part, name)
    if place:
        raise DataError(f"{place}: {value!r} is not a number ({name} of a comparison)")
    return "DOUBLE"


def _number(part: Part, name: str, kind: str) -> str:
    column = quote(name)
    return as_number(column, kind) if part.columns[name].startswith("VARCHAR") else f"CAST({column} AS {kind})"
