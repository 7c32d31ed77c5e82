"""Large text tables are read once, into Parquet: every later look at a column then costs a fraction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from crantcli.core.sql import quote
from crantcli.engine.batches import no_room
from crantcli.engine.duckdb import Engine
from crantcli.sources.tables.blocks import NotInBlocksError, copy_of_blocks
from crantcli.sources.tables.delimited import TextFile
from crantcli.sources.tables.files import Source, literal_path
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.streams import LATER_FROM, whole

#: Bytes of text, packed or not, from which it pays; what is unpacked later is unpacked while it is read into Parquet.
CONVERT_FROM = LATER_FROM

#: Rows of which a column's values are looked at to tell whether it may be one of integers.
_SAMPLE = 1000

#: Columns of integers, at most: each has a bit.
_MOST = 62


def converted(engine: Engine, part: Part, needed: Collection[str]) -> Part:
    """A part with the same values, in Parquet: plain integers in columns of nothing else, and all others as text.

    Small ones, and those that are no text, are left as they are. The order of rows and files stays, so that messages
    name the same places. Columns that are not needed cannot be read any more.
    """
    size = sum(_size(piece.source) for piece in part.pieces.values())
    if not part.pieces or size < CONVERT_FROM or part.condition != "TRUE":
        return whole_part(part)
    names = [name for name in part.columns if name in needed]
    integers = _integers_at_first(engine, part, names)[:_MOST]
    files = [engine.scratch / f"{engine.name('converted')}.parquet" for _ in part.pieces]
    copy = _copy_of_blocks
    while True:
        try:
            pieces = zip(part.pieces.values(), files, strict=True)
            odd = set().union(*(copy(engine, piece, file, names, integers) for piece, file in pieces))
        except NotInBlocksError:
            whole_part(part)
            copy = _copy_by_engine
            continue
        if not odd:
            break
        integers = [name for name in integers if name not in odd]
    listed = ", ".join(map(literal_path, files))
    relation = f"read_parquet([{listed}], hive_partitioning = false)"
    called = dict(zip(map(str, files), (part.files[path] for path in part.pieces), strict=True))
    engine.reading.update(called)
    found = engine.execute(
        "SELECT path_in_schema, CAST(sum(stats_null_count) AS BIGINT), CAST(sum(num_values) AS BIGINT) "
        f"FROM parquet_metadata([{listed}]) GROUP BY path_in_schema HAVING bool_and(stats_null_count IS NOT NULL)"
    )
    nulls = {name: number for name, number, _ in found if name in integers}
    rows = engine.execute(f"SELECT CAST(sum(num_rows) AS BIGINT) FROM parquet_file_metadata([{listed}])")[0][0]
    return replace(
        part,
        relation=relation,
        columns={name: "BIGINT" if name in integers else kind for name, kind in part.columns.items()},
        rows=int(rows or 0),
        null_free={name for name, number in nulls.items() if number == 0},
        nulls=nulls,
        files=called,
        pieces={},
        head="",
        stored=True,
    )


def whole_part(part: Part) -> Part:
    """The same, with all text of its files where the engine looks for it."""
    for piece in part.pieces.values():
        whole(piece.source)
    return replace(part, head="") if part.head else part


def _size(source: Source) -> int:
    """Bytes of a file, as it was given."""
    return (source.packed.path if source.packed is not None else source.path).stat().st_size


#: A further column of numbers, whose bits tell which values of a row are no integers.
_ODD = "crantcli odd"


def _plain(name: str) -> str:
    """A condition that holds for what is written as an integer is, and for nothing."""
    column = quote(name)
    return f"({column} IS NULL OR TRY_CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR) IS NOT DISTINCT FROM {column})"


def _integers_at_first(engine: Engine, part: Part, names: list[str]) -> list[str]:
    """Columns that hold integers only in the first rows, and not nothing."""
    tests = [f"bool_and({_plain(name)}) AND count({quote(name)}) > 0" for name in names]
    found = engine.execute(f"SELECT {', '.join(tests)} FROM (SELECT * FROM {part.first_rows} LIMIT {_SAMPLE})")[0]
    return [name for name, plain in zip(names, found, strict=True) if plain]


def _copy_of_blocks(engine: Engine, piece: TextFile, file: Path, names: list[str], integers: list[str]) -> set[str]:
    with no_room(engine.scratch):
        return copy_of_blocks(piece, file, names, integers, engine.threads)


def _copy_by_engine(engine: Engine, piece: TextFile, file: Path, names: list[str], integers: list[str]) -> set[str]:
    """The same by the engine's own reader, for which a row that does not fit the header is an error."""
    chosen = [f"TRY_CAST({quote(n)} AS BIGINT) AS {quote(n)}" if n in integers else quote(n) for n in names]
    bits = [f"CASE WHEN {_plain(name)} THEN 0 ELSE {1 << place} END" for place, name in enumerate(integers)]
    odd = " + ".join(f"CAST({bit} AS BIGINT)" for bit in bits) or "CAST(0 AS BIGINT)"
    query = f"SELECT {', '.join(chosen)}, {odd} AS {quote(_ODD)} FROM {piece.relation()}"
    file.unlink(missing_ok=True)
    engine.copy(query, str(file), {"FORMAT": "parquet", "ROW_GROUP_SIZE": "245760", "COMPRESSION": "uncompressed"})
    found = engine.execute(f"SELECT coalesce(bit_or({quote(_ODD)}), 0) FROM read_parquet({literal_path(file)})")[0][0]
    return {name for place, name in enumerate(integers) if found >> place & 1}
