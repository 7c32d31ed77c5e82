"""Tables whose rows are read in many places: what can be read so, and how the engine is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crantcli.core.rows.where import is_plain_number
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError
from crantcli.schema import Kind, Names
from crantcli.sources.tables.files import Source
from crantcli.sources.tables.inference import TextIds
from crantcli.sources.tables.kinds import Decision
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.text import P

#: Formats that are read here only, in words.
_ELSEWHERE = {
    "arrow": "a Feather or Arrow file", "csv": "a text file", "iceberg": "an Iceberg table",
    "npz": "an .npz matrix", "xlsx": "an Excel sheet",
}  # fmt: skip


def refuse_elsewhere(engine: Engine, sources: Sequence[Source], given: ReadOptions) -> None:
    """Refuse what a spread engine does not read as this one does, and options that ask for more than it can.

    Raises
    ------
    UsageError
    """
    if not engine.spread:
        return
    alone = f"{P.engine('spark')} reads Parquet files and Delta Lake tables"
    if not sources:
        raise UsageError(f"{alone}, and this is a DataFrame; leave {P.engine} out")
    for source in sources:
        if source.format not in ("parquet", "delta"):
            what = _ELSEWHERE.get(source.format, f"a {source.format} file")
            raise UsageError(
                f"{alone}, and {source.name} is {what}; write it as .parquet first, or leave the option out"
            )
        if engine.scratch in source.path.parents:
            raise UsageError(f"{alone} where they lie, and {source.name} comes through a pipe; give the file itself")
    for name, wanted in (("fill_down", given.fill_down), ("undirected", given.undirected)):
        if wanted:
            raise UsageError(
                f"{getattr(P, name)(True)} cannot be asked of {P.engine('spark')}; leave one of the two out"
            )


def refuse_kinds(engine: Engine, matched: Sequence[tuple[Part, Decision]], given: ReadOptions) -> None:
    """Refuse kinds of tables, and conditions on rows, that a spread engine does not know.

    Raises
    ------
    UsageError
    """
    if not engine.spread:
        return
    for part, decision in matched:
        if decision.kind not in (Kind.SYNAPSES, Kind.EDGES):
            raise UsageError(
                f"{P.engine('spark')} reads tables of synapses and edges, and {part.name} is read as "
                f"{decision.kind.value}; leave {P.engine} out"
            )
        numbers = [decision.roles.get(role, "") for role in ("weight", "size")]
        for column in (*numbers, *Names(part.columns).all([] if given.value is None else [given.value])):
            if part.columns.get(column, "").startswith("VARCHAR"):
                raise _in_text(part, column)
        for condition in given.where:
            column = Names(part.columns).get(condition.column) or decision.roles.get(condition.column, "")
            plain = bool(condition.values) and all(map(is_plain_number, condition.values))
            kind = part.columns.get(column, "")
            if (kind in ("FLOAT", "DOUBLE") and condition.values and not plain) or (kind == "VARCHAR" and plain):
                raise UsageError(
                    f"{P.where} {condition}: {part.name}, column {column}: numbers as text are written and read in "
                    f"another way by Spark; leave {P.engine('spark')} out"
                )


def _in_text(part: Part, column: str) -> UsageError:
    return UsageError(
        f"{P.engine('spark')}: {part.name}, column {column} holds numbers as text, and Spark reads some of them in "
        f"another way, such as 12.0 and 1_000; leave {P.engine} out, or write the column as numbers"
    )


def let_scan(
    engine: Engine, relation: str, selects: Sequence[str], found: Sequence[Part], ids: Sequence[Mapping[str, TextIds]]
) -> None:
    """Let a spread engine read a table's files from here on.

    Parameters
    ----------
    engine : Engine
    relation : str
        A view of the table.
    selects : sequence of str
        The queries that it joins.
    found : sequence of Part
        What each of them reads.
    ids : sequence of mapping of str to TextIds
        What is known of IDs in columns of text, of each.

    Raises
    ------
    UsageError
        Where IDs are written in a way that the engine does not read.
    """
    if not engine.spread:
        return
    for part, columns in zip(found, ids, strict=True):
        for column, told in columns.items():
            if told.pointed:
                raise _in_text(part, column)
    from crantcli.engine.spark.engine import Scan, SparkEngine

    assert isinstance(engine, SparkEngine)
    scans = [Scan(part.relation, part.columns, tuple(part.files), part.name, part.constants) for part in found]
    engine.scan(relation, selects, scans)
