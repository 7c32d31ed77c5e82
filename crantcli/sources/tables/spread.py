"""Tables whose rows are read in many places: what can be read so, and how the engine is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crantcli.core.rows.where import is_plain_number
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError
from crantcli.schema import Kind, Names
from crantcli.sources.tables.files import literal_path
from crantcli.sources.tables.inference import TextIds
from crantcli.sources.tables.kinds import Decision
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.text import P, join_names

#: Of a copy for Spark: rows of a group.
_GROUP = "245760"


def refuse_matrix(engine: Engine, name: str) -> None:
    """Refuse an .npz file where a spread engine would have to read it.

    Raises
    ------
    UsageError
    """
    if engine.spread:
        raise _no_rows(name, "is an .npz matrix")


def _no_rows(name: str, what: str) -> UsageError:
    return UsageError(
        f"{P.engine('spark')} reads tables of synapses and edges, and {name} {what}; leave {P.engine} out"
    )


def is_copied(part: Part, given: ReadOptions) -> bool:
    """Whether a spread engine reads a copy of the rows, made as they are read here, and not the files."""
    return part.text or not part.files or given.fill_down or given.undirected


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
            raise _no_rows(part.name, f"is read as {decision.kind.value}")
        if is_copied(part, given):
            continue
        _refuse_labels(part, [decision.roles.get("neuropil", ""), *Names(part.columns).all(given.named)])
        _refuse_widened(engine, part)
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


def _refuse_labels(part: Part, columns: Sequence[str]) -> None:
    """Refuse labels that are floats, or lists: as text Spark writes them otherwise, and -0.0 is 0.0 there."""
    for column in columns:
        kind = part.columns.get(column, "")
        if kind in ("FLOAT", "DOUBLE") or kind.endswith("]"):
            raise UsageError(
                f"{P.engine('spark')}: {part.name}, column {column} holds {kind} values, which Spark writes in another "
                f"way where they are labels; leave {P.engine} out, or write the column as integers or text"
            )


def _refuse_widened(engine: Engine, part: Part) -> None:
    """Refuse columns of several files that are of one type in one and of another in the next, where Spark misreads one.

    It reads 32 bits of an unsigned integer or a decimal as a plain integer, where other files make the column a float.
    """
    if len(part.files) < 2:
        return
    files = ", ".join(map(literal_path, part.files))
    told: dict[str, set[str]] = {}
    for column, kind in engine.execute(f"SELECT DISTINCT name, duckdb_type FROM parquet_schema([{files}])"):
        told.setdefault(str(column), set()).add(str(kind))
    for column, kinds in told.items():
        if column in part.columns and len(kinds) > 1 and any(kind.startswith(("U", "DECIMAL")) for kind in kinds):
            raise UsageError(
                f"{P.engine('spark')}: {part.name} and further files, column {column} holds "
                f"{join_names(sorted(kinds))}, which Spark does not tell apart; leave {P.engine} out, or write the "
                "files with one type"
            )


def _in_text(part: Part, column: str) -> UsageError:
    return UsageError(
        f"{P.engine('spark')}: {part.name}, column {column} holds numbers as text, and Spark reads some of them in "
        f"another way, such as 12.0 and 1_000; leave {P.engine} out, or write the column as numbers"
    )


def scans_of(
    engine: Engine,
    selects: Sequence[str],
    found: Sequence[Part],
    ids: Sequence[Mapping[str, TextIds]],
    given: ReadOptions,
) -> tuple[list[str], list[Part]]:
    """Queries with canonical columns as a spread engine can be asked them, and the parts that they read.

    What stands in Parquet files is read there. All else is copied to such a file first, as it is read here, which all
    workers have to find under its path.

    Parameters
    ----------
    engine : Engine
    selects : sequence of str
        The queries.
    found : sequence of Part
        What each of them reads.
    ids : sequence of mapping of str to TextIds
        What is known of IDs in columns of text, of each.
    given : ReadOptions

    Raises
    ------
    UsageError
        Where IDs are written in a way that the engine does not read.
    """
    if not engine.spread:
        return list(selects), list(found)
    asked, read = [], []
    for select, part, columns in zip(selects, found, ids, strict=True):
        if is_copied(part, given):
            select, part = _copied(engine, select, part.name)
        else:
            pointed = next((column for column, told in columns.items() if told.pointed), None)
            if pointed is not None:
                raise _in_text(part, pointed)
        asked.append(select)
        read.append(part)
    return asked, read


def _copied(engine: Engine, select: str, name: str) -> tuple[str, Part]:
    """A query for the rows of another one, and the part that it reads."""
    path = engine.scratch / f"{engine.name('copied')}.parquet"
    engine.copy(select, str(path), {"FORMAT": "parquet", "ROW_GROUP_SIZE": _GROUP})
    relation = f"read_parquet([{literal_path(path)}], hive_partitioning = false)"
    query = f"SELECT * FROM {relation}"
    return query, Part(relation, dict(engine.columns(query)), name, files={str(path): name})


def let_scan(engine: Engine, relation: str, selects: Sequence[str], found: Sequence[Part]) -> None:
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
    """
    if not engine.spread:
        return
    from crantcli.engine.spark.engine import SparkEngine
    from crantcli.engine.spark.scan import Scan

    assert isinstance(engine, SparkEngine)
    scans = [
        Scan(part.relation, part.columns, tuple(part.files), part.name, part.constants, part.called) for part in found
    ]
    engine.scan(relation, selects, scans)
