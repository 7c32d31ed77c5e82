"""What a table sums up to, and of a comparison its largest changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from crantcli.core.report.history import Number
from crantcli.core.report.night import Excerpt
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.sources.tables.access import engine_files
from crantcli.sources.tables.expand import expand
from crantcli.sources.tables.parts import parts
from crantcli.sources.tables.streams import prepared

#: Rows of a comparison that are shown, and columns of them.
_SHOWN, _COLUMNS = 20, 16

#: Pairs of columns whose difference a comparison is about, and what a table of neurons says of them.
_COMPARED = (("old", "new"), ("weight_a", "weight_b"))
_NEURONS = ("neuron", "change", "old_ids", "new_ids")


class TableTotals(NamedTuple):
    """What a table sums up to.

    Attributes
    ----------
    figures : dict of str to number
    excerpt : Excerpt or None
    """

    figures: dict[str, Number]
    excerpt: Excerpt | None


def table_totals(path: Path, described: Mapping[str, Any]) -> TableTotals:
    """Sum up a table.

    Parameters
    ----------
    path : Path
    described : mapping
        What `describe` says of it.

    Returns
    -------
    TableTotals
        Distinct labels of both sides, where the table is known to have them, and the sum of its weights, where these
        are whole numbers. Of a table of comparison the largest changes.
    """
    columns, roles = described["columns"], described.get("roles", {})
    pair = next((pair for pair in _COMPARED if set(pair) <= set(columns)), None)
    neurons = set(_NEURONS) <= set(columns)
    if not pair and not neurons and not {"pre", "post"} <= set(roles):
        return TableTotals({}, None)
    with Engine(files=engine_files(str(path))) as engine:
        relation = parts(engine, [prepared(engine, expand([str(path)], engine)[0])])[0].relation
        if neurons:
            return _changed_neurons(engine, relation, columns)
        if pair:
            return TableTotals({}, _largest(engine, relation, columns, pair))
        return TableTotals(_sums(engine, relation, roles), None)


def _sums(engine: Engine, relation: str, roles: Mapping[str, str]) -> dict[str, Number]:
    asked = [f"count(DISTINCT {quote(roles[side])})" for side in ("pre", "post")]
    if "weight" in roles:
        text = f"CAST({quote(roles['weight'])} AS VARCHAR)"
        whole = f"regexp_full_match({text}, '[+-]?[0-9]{{1,18}}')"
        asked += [
            f"count(*) FILTER (NOT {whole})",
            f"coalesce(sum(TRY_CAST({text} AS BIGINT)) FILTER ({whole}), 0)",
        ]
    pre, post, *weight = engine.execute(f"SELECT {', '.join(asked)} FROM {relation}")[0]
    found: dict[str, Number] = {"distinct pre": int(pre), "distinct post": int(post)}
    return found | ({"sum of weights": int(weight[1])} if weight and not weight[0] else {})


def _largest(engine: Engine, relation: str, columns: Sequence[str], pair: tuple[str, str]) -> Excerpt:
    """The rows whose two numbers differ most; those that differ alike in the order of their text."""
    before, after = (f"TRY_CAST({quote(name)} AS DOUBLE)" for name in pair)
    return _excerpt(engine, relation, columns, f"abs({after} - {before})", "largest changes first")


def _changed_neurons(engine: Engine, relation: str, columns: Sequence[str]) -> TableTotals:
    counted = engine.execute(
        f"SELECT CAST(change AS VARCHAR) AS change, count(*) FROM {relation} GROUP BY ALL ORDER BY change"
    )
    figures: dict[str, Number] = {f"neurons {change}": int(number) for change, number in counted}
    changed = f"(SELECT * FROM {relation} WHERE change <> 'same')"
    return TableTotals(figures, _excerpt(engine, changed, columns, "0", "neurons that are not the same"))


def _excerpt(engine: Engine, relation: str, columns: Sequence[str], size: str, what: str) -> Excerpt:
    """The rows that are largest by a size; those of one size in the order of their text."""
    shown = tuple(columns[:_COLUMNS])
    names = ", ".join(f"c{number}" for number in range(len(shown)))
    texts = ", ".join(f"CAST({quote(name)} AS VARCHAR) AS c{number}" for number, name in enumerate(shown))
    rows = engine.execute(
        f"SELECT {names} FROM (SELECT {texts}, {size} AS size FROM {relation}) "
        f"ORDER BY size DESC NULLS LAST, {names} LIMIT {_SHOWN}"
    )
    total = int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0])
    return Excerpt(shown, [tuple(row) for row in rows], total, what)
