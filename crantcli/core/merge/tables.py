"""Tables of parts put together: edges, rows of synapses, and counts per neuron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.merge.agreement import PartAnswer, joined_completeness, joined_ledger, joined_record
from crantcli.core.question import Table
from crantcli.core.questions.base import Results
from crantcli.core.sql import quote
from crantcli.errors import DataError
from crantcli.text import P

#: Columns of counts that are numbers of neurons or synapses: those of a neuron's parts add up.
_COUNTED = ("pre", "post", "pre_synapses", "post_synapses")

#: Columns on the way, of names that no column of a table of counts has.
_PLACE, _POSITION, _SILENT, _ROWS = (quote(f"c:{name}") for name in ("place", "position", "silent", "rows"))

#: What goes before a question of sums per group, which cannot be told from those of parts.
_EDGES_FIRST = (
    "numbers of different neurons do not add up. Put the edges of the parts together instead, and add those up: "
    "crantcli connectivity of each part, crantcli merge, and crantcli connectivity of that with the same groups"
)


def merged_table(
    engine: SqlEngine, answers: Sequence[PartAnswer], relation: str, columns: Mapping[str, str]
) -> tuple[Results, dict[str, Any]]:
    """Tables of parts as the one that the whole would have given.

    Parameters
    ----------
    engine : SqlEngine
    answers : sequence of PartAnswer
        In the order of their parts.
    relation : str
        The rows of all of them, in that order.
    columns : mapping of str to str
        Their columns and types.

    Returns
    -------
    Results, dict
        And the provenance.

    Raises
    ------
    DataError
        For answers of parts that do not make up that of the whole.
    """
    first = answers[0].record
    command = first.get("command")
    facts: dict[str, Any] = {}
    if command == "connectivity":
        table, what = _edges(first, relation, columns, answers), "edges"
    elif command in ("synapses", "sort"):
        table, what = concatenated(relation, columns, answers), str(first["kind"])
    elif command == "counts":
        table, what, facts = _counts(engine, first, relation, columns)
    else:
        raise DataError(
            f"{answers[0].name}: what crantcli {command} makes of parts cannot be put together; merge the edges of the "
            f"parts, which crantcli connectivity makes, and give these to {command}"
        )
    units: dict[str, Any] = {name: first[name] for name in ("units", "voxel_size_nm") if name in first}
    completeness = joined_completeness(answers)
    results = Results(
        {"": table}, str(first["kind"]), table.rows, joined_ledger(answers), completeness, table.rows, what,
        units=units, units_advice=f"tell the next command with {P.coordinates} and {P.voxel_size}, or write .parquet",
        details={"parts": answers[0].part.of},
    )  # fmt: skip
    return results, {**joined_record(answers, table.rows), **facts}


def _edges(first: Mapping[str, Any], relation: str, columns: Mapping[str, str], answers: Sequence[PartAnswer]) -> Table:
    """Edges: a pair is in the part of its presynaptic neuron alone."""
    options = first["options"]
    if first["kind"] == "groups" or options.get("by") == "type":
        raise DataError(
            f"{answers[0].name}: holds sums per {'group' if first['kind'] == 'groups' else 'type'}, and {_EDGES_FIRST}"
        )
    if options.get("top") is not None and options.get("upstream"):
        raise DataError(
            f"{answers[0].name}: holds the strongest inputs of each part, which need not be those of the whole; make "
            f"it with {P.upstream(False)}, or without {P.top}, which goes with the merged edges"
        )
    names = list(columns)
    keys = [name for name in ("pre", "post", "neuropil") if name in names[: names.index("weight")]]
    query = f"SELECT {sql.columns(names)} FROM {relation} ORDER BY weight DESC, {sql.columns(keys)}"
    return Table(query, tuple(names), _rows(answers))


def concatenated(relation: str, columns: Mapping[str, str], answers: Sequence[PartAnswer]) -> Table:
    """Rows that are in the order of presynaptic neurons, as the parts are.

    Raises
    ------
    DataError
        Where answers are of several parts each that do not stand together.
    """
    numbers = [number for answer in answers for number in answer.part.numbers]
    if any(one > other for one, other in pairwise(numbers)):
        raise DataError(
            f"{answers[0].name} is of {answers[0].part.words}, between which others lie; rows are put together in the "
            "order of the parts. Make one answer of each part"
        )
    return Table(f"SELECT {sql.columns(columns)} FROM {relation}", tuple(columns), _rows(answers))


def _rows(answers: Sequence[PartAnswer]) -> int:
    return sum(int(answer.record["rows"]) for answer in answers)


def _counts(
    engine: SqlEngine, first: Mapping[str, Any], relation: str, columns: Mapping[str, str]
) -> tuple[Table, str, dict[str, Any]]:
    """Counts per neuron: its outputs are in one part, its inputs in all, and no partner is counted in two of them."""
    keys = [name for name in columns if name not in (*_COUNTED, "pre_weight", "post_weight")]
    neuron = [name for name in ("neuron_id", "current_id") if name in keys]
    groups = [name for name in keys if name not in neuron]
    added = [*_COUNTED]
    if "pre_weight" in columns:
        weight = str(first["options"].get("weight", "count"))
        if weight.startswith("mean:") or columns["post_weight"] not in ("BIGINT", "HUGEINT"):
            raise DataError(
                f"means, and sums of numbers that are not whole, cannot be added up over parts as one run would; make "
                f"counts without {P.weight(weight)}, or of the whole table"
            )
        added += ["pre_weight", "post_weight"]
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in added)
    of_neuron, of_row = sql.columns(neuron), sql.columns(keys)
    numbered = engine.table("numbered", f"SELECT *, {sql.row_numbers()} AS {_PLACE} FROM {relation}")
    summed = engine.table(
        "summed",
        f"SELECT {of_row}, {sums}, min({_PLACE}) AS {_PLACE} FROM {numbered} GROUP BY {of_row}",
    )
    # Where a neuron that was asked for has nothing in one part, it has a row without a group there.
    told = engine.table(
        "told",
        f"SELECT * FROM (SELECT *, (pre = 0 AND post = 0) AS {_SILENT}, count(*) OVER (PARTITION BY {of_neuron}) "
        f"AS {_ROWS}, min({_PLACE}) OVER (PARTITION BY {of_neuron}) AS {_POSITION} FROM {summed}) "
        f"WHERE NOT ({_SILENT} AND {_ROWS} > 1)",
    )
    silent, least, number = engine.execute(
        f"SELECT count(*) FILTER ({_SILENT}), min(neuron_id) FILTER ({_SILENT}), count(*) FROM {told}"
    )[0]
    chosen = "neurons" in first.get("selection", {})
    order = [_POSITION if chosen else "neuron_id", *map(quote, groups)]
    query = f"SELECT {sql.columns(columns)} FROM {told} ORDER BY {', '.join(order)}"
    facts = {"silent": int(silent), **({"first_silent": str(least)} if silent else {})}
    return Table(query, tuple(columns), int(number)), "groups of partners" if groups else "neurons", facts
