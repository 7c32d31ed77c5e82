"""Text that is read in blocks of lines, by several threads.

That is text without a quote, whose lines end with a newline alone: nothing but a delimiter or a newline ends a field,
and every reader takes it for the same. Other text is left to the engine's own reader.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crantcli.core.parallel import in_order
from crantcli.sources.tables.gzipped import blocks_of_text

if TYPE_CHECKING:
    import pyarrow as pa

    from crantcli.sources.tables.delimited import TextFile

#: Bytes of lines that are read at once.
_BLOCK = 2**21

#: Rows of a row group.
_GROUP = 245_760


class NotInBlocksError(Exception):
    """Text that is not read so."""


def copy_of_blocks(
    piece: TextFile, target: Path, names: Sequence[str], integers: Collection[str], threads: int
) -> set[str]:
    """Copy columns of a text file into a Parquet file.

    Parameters
    ----------
    piece : TextFile
    target : Path
    names : sequence of str
        Columns, in their order.
    integers : collection of str
        Those that become int64; the others stay text. What is empty becomes null.
    threads : int

    Returns
    -------
    set of str
        Columns of `integers` in which something else stands, or an integer that is written in another way than str(int)
        does; the copy is of no use then.

    Raises
    ------
    NotInBlocksError
        Where there is a quote, a carriage return, an empty line, a row of more or fewer fields, or no UTF-8.
    OSError
        Where the copy cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.int64() if name in integers else pa.string()) for name in names])
    read = partial(_read, piece=piece, schema=schema)
    odd: set[str] = set()
    # It is read soon, and by us alone, so that packing it would cost more than it saves.
    with pq.ParquetWriter(target, schema, compression="none", use_dictionary=False) as writer:
        held: list[pa.Table] = []
        for table, found in in_order(read, _lines(piece, target.parent), threads):
            odd |= found
            held = [] if odd else [*held, table]
            if sum(map(len, held)) >= _GROUP:
                writer.write_table(pa.concat_tables(held), row_group_size=_GROUP)
                held = []
        if held:
            writer.write_table(pa.concat_tables(held), row_group_size=_GROUP)
    return odd


def _lines(piece: TextFile, scratch: Path) -> Iterator[bytes]:
    """Whole lines below the header, some megabytes at a time."""
    form = piece.form
    if form.gzipped:
        raise NotInBlocksError
    above = form.skip + form.has_header
    for lines in _whole_lines(blocks_of_text(piece.source, scratch)):
        while above and lines:
            line, _, lines = lines.partition(b"\n")
            if line.count(b'"') % 2:
                raise NotInBlocksError
            above -= 1
        if lines:
            yield lines


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same text, in pieces of some megabytes that end where a line does."""
    held: list[bytes | memoryview] = []
    size = 0
    for block in blocks:
        cut = block.rfind(b"\n") + 1
        size += len(block)
        if size < _BLOCK or not cut:
            if size > 2 * _BLOCK + len(block):
                raise NotInBlocksError
            held.append(block)
            continue
        view = memoryview(block)
        yield b"".join([*held, view[:cut]])
        held, size = [view[cut:]], len(block) - cut
    if last := b"".join(held):
        yield last


def _read(lines: bytes, piece: TextFile, schema: pa.Schema) -> tuple[pa.Table, set[str]]:
    """Rows of a table, and the columns of integers in which something else stands."""
    import pyarrow as pa

    table = _parsed(lines, piece, schema.names)
    numbers = {field.name: as_integers(table[field.name]) for field in schema if field.type == pa.int64()}
    odd = {name for name, column in numbers.items() if column is None}
    if odd:
        return table, odd
    return pa.table([numbers.get(name, table[name]) for name in schema.names], schema=schema), odd


def _parsed(lines: bytes, piece: TextFile, names: Sequence[str]) -> pa.Table:
    """Columns of text, null where nothing stands."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    # What some readers take for more than the text of a field.
    if any(mark in lines for mark in (b'"', b"\r", b"\0")):
        raise NotInBlocksError
    form = piece.form
    try:
        if not lines.isascii() and "\ufeff" in lines.decode():
            raise NotInBlocksError
        table = csv.read_csv(
            pa.BufferReader(lines),
            csv.ReadOptions(column_names=form.held, use_threads=False, block_size=len(lines) + 1),
            csv.ParseOptions(delimiter=form.delimiter, quote_char=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=names,
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=False,
            ),
            # It takes the memory of the last block again, where Arrow's own asks for more.
            memory_pool=pa.system_memory_pool(),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        raise NotInBlocksError from None
    ends = np.count_nonzero(np.frombuffer(lines, np.uint8) == ord("\n")) + (not lines.endswith(b"\n"))
    if len(table) != ends:  # empty lines, which are rows to some
        raise NotInBlocksError
    return table


def as_integers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Text as int64, null where it is null; None where a value is no integer, or not written as str(int) does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        numbers = pc.cast(column, pa.int64(), memory_pool=pa.system_memory_pool())
    except pa.ArrowInvalid:
        return None
    return None if any(map(_zero_leads, column.chunks)) else numbers


def _zero_leads(texts: pa.StringArray) -> bool:
    """Whether a text of two or more begins with a zero, or with a minus and a zero.

    Nothing else that Arrow takes for an integer is written in another way than str(int) does; 0x1F is such a text.
    """
    import numpy as np

    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    starts = bounds[:-1][np.diff(bounds) > 1]
    if not len(starts):
        return False
    characters = np.frombuffer(data, np.uint8)
    first = characters[starts]
    signed = starts[first == ord("-")]
    return bool((first == ord("0")).any() or (characters[signed + 1] == ord("0")).any())
