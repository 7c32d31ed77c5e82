"""Adjacencies read back as edges: wide tables, and the `.npz` files that we write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantcli.core.sql import quote
from crantcli.core.table import Table
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.schema import CORNER, INDEX_COLUMNS, KEY, IdType, Kind, listed
from crantcli.sources.files import Source
from crantcli.sources.inference import as_number, inspect_ids, not_number
from crantcli.sources.npz import read_matrix
from crantcli.sources.reader import Part, float_message
from crantcli.sources.recorded import Recorded, read_recorded

if TYPE_CHECKING:
    import numpy as np


def open_wide(engine: Engine, part: Part, asked_for: bool) -> Table:
    """Open a wide table: one column of presynaptic IDs, then one column per postsynaptic neuron.

    Raises
    ------
    DataError
        Where the table does not look like one, unless the user says that it is.
    """
    names = list(part.columns)
    # Written by pandas, the index comes last.
    index = part.index or next((name for name in names if name in (*INDEX_COLUMNS, CORNER, "pre")), names[0])
    targets = [name for name in names if name != index]
    if not asked_for:
        _check_looks(engine, part, index, targets)
    kind = part.columns[index]
    if kind in ("FLOAT", "DOUBLE"):
        raise DataError(float_message(index, part.name))
    labels = engine.table("labels", f"SELECT unnest(CAST({_list(targets)} AS VARCHAR[])) AS label")
    in_text = inspect_ids(engine, part, [index]) if kind.startswith("VARCHAR") else {}
    of_columns = inspect_ids(engine, Part(labels, {"label": "VARCHAR"}, f"{part.name}, header"), ["label"])["label"]
    integer = of_columns.integer and (index not in in_text or in_text[index].integer)
    id_type: IdType = "BIGINT" if integer else "VARCHAR"
    pre = in_text[index].expression("source", id_type) if index in in_text else f"CAST(source AS {id_type})"
    cells = engine.view(
        "weights",
        f"SELECT {pre} AS pre, {of_columns.expression('label', id_type)} AS post, cell AS weight "
        f"FROM {_cells(engine, part, index, targets)}",
    )
    whole = engine.execute(f"SELECT coalesce(bool_and(weight = trunc(weight)), true) FROM {cells}")[0][0]
    kept = f"SELECT pre, post, CAST(weight AS {'BIGINT' if whole else 'DOUBLE'}) AS weight FROM {cells}"
    axes = engine.view(
        "axes",
        f"SELECT 'pre' AS side, {pre} AS id FROM (SELECT {quote(index)} AS source FROM {part.relation}) "
        f"UNION ALL SELECT 'post', {of_columns.expression('label', id_type)} FROM {labels}",
    )
    return _table(engine, engine.view("source", kept), id_type, bool(whole), axes, part.recorded[0], part.records)


def _cells(engine: Engine, part: Part, index: str, targets: list[str]) -> str:
    """A table `source, label, cell` of the cells that are neither empty nor 0.

    The cells are first put below each other as they are, and then looked at as one column: a test for each of
    thousands of columns takes the engine minutes.
    """
    kinds = {part.columns[name] for name in targets}
    in_text = any(kind.startswith("VARCHAR") for kind in kinds)
    common = "VARCHAR" if in_text else "DOUBLE"
    picked = ", ".join(
        quote(name) if len(kinds) == 1 else f"CAST({quote(name)} AS {common}) AS {quote(name)}" for name in targets
    )
    on = ", ".join(quote(name) for name in targets)
    # "our source" cannot clash with a neuron's name that anybody would use.
    below = (
        f'(UNPIVOT (SELECT {quote(index)} AS "our source", {picked} FROM {part.relation}) ON {on} '
        "INTO NAME label VALUE cell)"
    )
    if not targets:  # an empty result
        below = f"(SELECT {quote(index)} AS \"our source\", '' AS label, 0.0 AS cell FROM {part.relation} LIMIT 0)"
    zero = "cell <> '0'" if in_text else "cell <> 0"
    found = engine.table("cells", f'SELECT "our source" AS source, label, cell FROM {below} WHERE {zero}')
    if in_text:
        wrong = engine.execute(f"SELECT source, label, cell FROM {found} WHERE {not_number('cell')} LIMIT 1")
        if wrong:
            source, label, value = wrong[0]
            raise DataError(
                f"{part.name}, column {label}, row of {source}: {value!r} is not a number, "
                "and an adjacency holds numbers"
            )
    number = as_number("cell", "DOUBLE") if in_text else "CAST(cell AS DOUBLE)"
    return (
        f"(SELECT * FROM (SELECT source, label, {number} AS cell FROM {found}) "
        "WHERE cell IS NOT NULL AND cell <> 0 AND NOT isnan(cell))"
    )


def _list(values: list[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"


def _check_looks(engine: Engine, part: Part, index: str, targets: list[str]) -> None:
    """Whether the columns after the first can be neurons: numbers, or names that stand in the first column too."""
    ours = index == CORNER or part.recorded[0].command == "adjacency"
    if ours or (targets and index in (*INDEX_COLUMNS, part.index)):
        return
    numbered = targets and all(name.lstrip("-").isdigit() for name in targets)
    if targets and not numbered:
        first = engine.execute(f"SELECT DISTINCT CAST({quote(index)} AS VARCHAR) FROM {part.relation} LIMIT 100000")
        numbered = set(targets) <= {str(row[0]) for row in first}
    if not numbered:
        raise DataError(
            f"{part.name}: no kind of table has the columns {listed(list(part.columns))}; name the ID columns with "
            "--pre-col and --post-col, or say --kind adjacency"
        )


def _table(
    engine: Engine,
    relation: str,
    id_type: IdType,
    whole: bool,
    axes: str,
    recorded: Recorded,
    records: list[dict[str, Any]],
) -> Table:
    return Table(
        kind=Kind.ADJACENCY,
        relation=relation,
        id_type=id_type,
        rows=int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0]),
        null_rows=None,
        whole_weights=whole,
        coverage=recorded.coverage,
        filters=recorded.filters,
        inputs=tuple(records),
        silent=axes,
    )


def open_npz(engine: Engine, source: Source) -> Table:
    """Open an adjacency in the form that `output.matrices` writes.

    Raises
    ------
    DataError
        Where the file is damaged, or has no neuron IDs.
    """
    import numpy as np

    arrays = read_matrix(source.path, source.name)
    pre, post = arrays["pre"], arrays["post"]
    integer = all(np.issubdtype(ids.dtype, np.integer) for ids in (pre, post))
    if not integer:
        pre, post = pre.astype(str), post.astype(str)
    id_type: IdType = "BIGINT" if integer else "VARCHAR"
    rows = np.repeat(np.arange(len(pre)), np.diff(arrays["indptr"]))
    weights = arrays["data"]
    whole = bool(np.issubdtype(weights.dtype, np.integer) or np.all(weights == np.trunc(weights)))
    entries = _load(engine, {"i": rows, "j": arrays["indices"].astype(np.int64), "weight": weights})
    axes = [engine.id_table(side, ids.tolist(), id_type) for side, ids in (("rows", pre), ("columns", post))]
    relation = engine.view(
        "source",
        f"SELECT r.id AS pre, c.id AS post, CAST(e.weight AS {'BIGINT' if whole else 'DOUBLE'}) AS weight "
        f"FROM {entries} AS e JOIN {axes[0]} AS r ON e.i = r.position JOIN {axes[1]} AS c ON e.j = c.position "
        "WHERE e.weight <> 0",
    )
    silent = engine.view("axes", f"SELECT 'pre' AS side, id FROM {axes[0]} UNION ALL SELECT 'post', id FROM {axes[1]}")
    metadata = {KEY: str(arrays[KEY].item())} if KEY in arrays else {}
    return _table(engine, relation, id_type, whole, silent, read_recorded(metadata), [source.record()])


def _load(engine: Engine, arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    """Keep arrays as a table of the engine."""
    name = engine.register("arrays", arrays)
    return engine.table("entries", f"SELECT * FROM {name}")
