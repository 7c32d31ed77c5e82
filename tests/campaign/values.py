"""Whether an answer is right: the file is read once more by pyarrow, numpy, gzip and csv, whole and strictly, and the
naive oracle of the tests answers.

Judged are `connectivity` (also with a threshold, a smallest size, neurons by type or from a file, by type, and as
fractions), `counts`, `adjacency` and `synapses`, wherever the columns are still there under their names and their cells
can be read in one way only: IDs that are whole numbers or words, numbers, empty cells. A command that has no oracle is
judged against itself on a new and whole file with the rows that were read; that is done for damage to bytes.

Not judged is what the rules of reading decide from evidence: other names of columns, tables that lost one, numbers with
marks in them, text where numbers should be; nor Parquet files whose statistics are not those of their values.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import oracle

#: What a column is to the oracle; those that may be absent have a question mark.
ROLES = {
    "syn": {"id": "id?", "pre_pt_root_id": "pre", "post_pt_root_id": "post", "size": "size?"},
    "edge": {"pre": "pre", "post": "post", "weight": "weight"},
    "type": {"root_id": "root_id", "cell_type": "cell_type"},
    "tot": {"neuron_id": "neuron_id", "pre_synapses": "output", "post_synapses": "input"},
}
_IDS = {"id", "pre", "post", "root_id", "neuron_id"}
_OTHERS = {"side", "pre", "post", *(f"ctr_pt_position_{axis}" for axis in "xyz")}
_NUMBERS = {"size", "weight", "output", "input"}
_BLANKS = "".join(map(chr, (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029,
                            0x202F, 0x205F, 0x3000, 0xFEFF)))  # fmt: skip
_SURROGATES = re.compile("[\ud800-\udfff]")
#: An ID that is a number, and would be written so.
_INTEGER = re.compile("0|-?[1-9][0-9]{0,18}")
_WHOLE, _NUMBER = re.compile(r"[+-]?\d{1,19}", re.ASCII), re.compile(r"[+-]?\d+\.\d+", re.ASCII)
_POWER = re.compile(r"\de[+-]\d+\Z")
_NULLS = ("NA", "N/A", "nan", "NaN", "NAN", "null", "NULL", "None", "<NA>")


class NotJudgedError(Exception):
    """What is right here, the rules of reading decide."""


class UnreadableError(Exception):
    """A strict reader refuses the file."""


# Files, read strictly


def columns_of(path: Path, wanted: Collection[str] | None = None) -> dict[str, list[Any]]:
    """The columns of a table, or those of them that are wanted: values of Parquet and Feather, text of CSV."""
    data = path.read_bytes()
    try:
        if ".parquet" in path.name or ".feather" in path.name:
            table = _strictly(pa.BufferReader(data), ".parquet" in path.name, wanted)
            return _distinct(table.column_names, [column.to_pylist() for column in table.columns])
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", "surrogateescape")
    except (pa.ArrowException, OSError, EOFError, ValueError, MemoryError) as error:
        raise UnreadableError(str(error)) from error
    except NotJudgedError:
        raise
    except Exception as error:  # zlib's own
        raise UnreadableError(str(error)) from error
    if "\r" in text:
        raise NotJudgedError
    mark = "\t" if ".tsv" in path.name else ","
    try:
        names, *rows = [row for row in csv.reader(io.StringIO(text), delimiter=mark, strict=True) if row]
    except (csv.Error, ValueError) as error:
        raise NotJudgedError from error
    if any(len(row) != len(names) for row in rows) or text.startswith("#") or "\n\n" in text or not rows:
        raise NotJudgedError
    return _distinct(names, [list(column) for column in zip(*rows, strict=True)])


def _strictly(source: pa.BufferReader, parquet: bool, wanted: Collection[str] | None) -> pa.Table:
    file = pq.ParquetFile(source) if parquet else pa.ipc.open_file(source)
    names = (file.schema_arrow if parquet else file.schema).names
    chosen = [name for name in names if wanted is None or name in wanted]
    table = file.read(chosen) if parquet else file.read_all().select(chosen)
    table.validate(full=True)
    if parquet:
        _check_statistics(file, names, chosen)
    return table


def _check_statistics(file: pq.ParquetFile, names: Sequence[str], chosen: Sequence[str]) -> None:
    """Readers may skip rows for what the footer says of them, and no checksum covers that."""
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, chosen)
        for name in chosen:
            told = file.metadata.row_group(group).column(names.index(name)).statistics
            column = [value for value in table.column(name).to_pylist() if value is not None]
            if told is None:
                continue
            if told.has_null_count and told.null_count != table.num_rows - len(column):
                raise NotJudgedError
            try:
                if told.has_min_max and column and (told.min > min(column) or told.max < max(column)):
                    raise NotJudgedError
            except TypeError:
                continue


def _distinct(names: Sequence[str], columns: Sequence[list[Any]]) -> dict[str, list[Any]]:
    if len({name.strip().lower() for name in names}) != len(names):
        raise NotJudgedError
    return dict(zip(names, columns, strict=True))


def rows_of(path: Path, kind: str, sizes: bool = True) -> list[dict[str, Any]]:
    """Rows of a table for the oracle, with sizes or without; IDs are text."""
    if kind == "npz":
        return _cells_of(path)
    roles = {name: role for name, role in ROLES[kind].items() if sizes or role != "size?"}
    binary = ".parquet" in path.name or ".feather" in path.name
    found = columns_of(path, roles if binary else None)
    made: dict[str, list[Any]] = {}
    for name, role in roles.items():
        plain = role.removesuffix("?")
        if name in found:
            made[plain] = _ids(found[name]) if plain in _IDS else [_cell(value, plain) for value in found[name]]
        elif plain == role:
            raise NotJudgedError
    if set(names_of(path) if binary else found) - set(ROLES[kind]) - _OTHERS:
        raise NotJudgedError
    return [dict(zip(made, values, strict=True)) for values in zip(*made.values(), strict=True)]


def names_of(path: Path) -> list[str]:
    """Names of the columns of a Parquet or Feather file."""
    schema = pq.read_schema(path) if ".parquet" in path.name else pa.ipc.open_file(path).schema
    return list(schema.names)


def _ids(column: list[Any]) -> list[str | None]:
    """IDs of a column: numbers as such where all are written as numbers are, else what stands there."""
    if any(isinstance(value, str) and not value.isascii() and _SURROGATES.search(value) for value in column):
        raise UnreadableError("it is not UTF-8")
    if all(value is None or (isinstance(value, int) and not isinstance(value, bool)) for value in column):
        return [None if value is None else str(value) for value in column]
    if not all(value is None or isinstance(value, str) for value in column):
        raise NotJudgedError
    cells = [(value or "").strip(_BLANKS) for value in column]
    if all(cell == "" or cell in _NULLS or _INTEGER.fullmatch(cell) for cell in cells):
        return [None if cell == "" or cell in _NULLS else str(int(cell)) for cell in cells]
    if any(cell in _NULLS or cell == "-0" for cell in cells):
        raise NotJudgedError
    return [cell or None for cell in cells]


def _cell(value: Any, role: str) -> Any:
    """A label, or a number."""
    if role not in _NUMBERS:
        if value is not None and not isinstance(value, str):
            raise NotJudgedError
        return (value or "").strip(_BLANKS) or None
    if isinstance(value, bool) or not (value is None or isinstance(value, int | float | str)):
        raise NotJudgedError
    if isinstance(value, str):
        text = value.strip(" ")
        if _WHOLE.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return float(text)
        if text and text not in _NULLS:
            raise NotJudgedError
        return None
    if value != value:
        raise NotJudgedError
    return value


def _cells_of(path: Path) -> list[dict[str, Any]]:
    """The entries of a matrix, as edges."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise UnreadableError("checksum")
        with np.load(path) as arrays:
            pre, post = arrays["pre"].tolist(), arrays["post"].tolist()
            rows = np.repeat(np.arange(len(pre)), np.diff(arrays["indptr"])).tolist()
            entries = zip(rows, arrays["indices"].tolist(), arrays["data"].tolist(), strict=True)
            return [{"pre": str(pre[row]), "post": str(post[at]), "weight": weight} for row, at, weight in entries]
    except UnreadableError:
        raise
    except Exception as error:
        raise UnreadableError(str(error)) from error


# Answers


def answered(path: Path) -> list[tuple[Any, ...]]:
    """Rows of a table that the command wrote, header first; of a matrix its header and rows."""
    if path.suffix == ".csv":
        return [tuple(row) for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))]
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            pre, post = arrays["pre"].tolist(), arrays["post"].tolist()
            cells = np.zeros((len(pre), len(post)), arrays["data"].dtype)
            cells[np.repeat(np.arange(len(pre)), np.diff(arrays["indptr"])), arrays["indices"]] = arrays["data"]
        return [("pre/post", *post), *((name, *row) for name, row in zip(pre, cells.tolist(), strict=True))]
    table = pq.read_table(path) if path.suffix == ".parquet" else pyarrow.feather.read_table(str(path))
    return [tuple(table.column_names), *zip(*(column.to_pylist() for column in table.columns), strict=True)]


def _plain(row: Iterable[Any]) -> tuple[str, ...]:
    """IDs and words as they are, numbers so that 5 and 5.0 are one, and fractions as far as sums agree."""
    return tuple("" if value is None else _number(value) for value in row)


def _number(value: Any) -> str:
    text = str(value)
    if isinstance(value, float) or _NUMBER.fullmatch(text) or _POWER.search(text):
        try:
            return f"{float(text):.9g}" if not float(text).is_integer() else str(int(float(text)))
        except ValueError:
            return text
    return text


# What is right


def after(words: Sequence[str], flag: str) -> str | None:
    """The value of an option."""
    return words[words.index(flag) + 1] if flag in words else None


def expected(words: Sequence[str], folder: Path, kinds: dict[str, str]) -> list[tuple[str, ...]]:
    """Rows of the right answer, sorted, without a header; of a matrix its entries."""
    kind = kinds[words[1]]
    least = after(words, "--min-size")
    rows = rows_of(folder / words[1], kind, least is not None)
    threshold = int(after(words, "-t") or 1)
    rules = oracle.Rules("--no-clean" not in words, None if least is None else int(least), threshold)
    if least is not None and not all("size" in row for row in rows):
        raise NotJudgedError
    if kind != "syn" and any(row["weight"] is None or row["weight"] < 0 for row in rows):
        raise NotJudgedError
    annotated: list[dict[str, Any]] = []
    annotations = after(words, "-a")
    if annotations:
        annotated = rows_of(folder / annotations, "type")
    chosen = oracle.Chosen(either=_neurons(after(words, "-n"), folder, annotated))
    if words[0] == "synapses":
        names = ["pre", "post"] if "--columns" in words else ["id", "pre", "post"]
        kept, _ = oracle.synapses(rows, chosen, rules)
        if any(name not in row for row in kept for name in names):
            raise NotJudgedError
        return sorted(_plain(row[name] for name in names) for row in kept)
    edges = oracle.synapse_edges if kind == "syn" else oracle.table_edges
    weights, _ = edges(rows, chosen, rules)
    if words[0] == "counts":
        return sorted(_plain(row) for row in oracle.counts(weights))
    if words[0] == "adjacency":
        return sorted(_plain((*pair, weight)) for pair, weight in weights.items())
    if "--by" in words:
        found, numbers, _ = oracle.by_type(weights, oracle.types(annotated))
        return sorted(_plain((*pair, weight, *numbers[pair])) for pair, weight in found.items())
    totals = after(words, "--totals")
    if totals:
        whole = {row["neuron_id"]: row["input"] for row in rows_of(folder / totals, "tot")}
        if len(whole) < 1 or any(not whole.get(post) for _, post in weights):
            raise NotJudgedError
        parts = oracle.fractions(weights, "input", whole)
        return sorted(_plain((*pair, weight, float(parts[pair]))) for pair, weight in weights.items())
    return sorted(_plain((*pair, weight)) for pair, weight in weights.items())


def _neurons(given: str | None, folder: Path, annotated: list[dict[str, Any]]) -> list[str] | None:
    if given is None:
        return None
    if given.startswith("@"):
        return [row["root_id"] for row in rows_of(folder / given[1:], "type") if row["root_id"] is not None]
    wanted = given.partition("=")[2].split(",")
    return [neuron for neuron, row in oracle.annotated(annotated).items() if row["cell_type"] in wanted]


def got(words: Sequence[str], folder: Path) -> list[tuple[str, ...]]:
    """What the command wrote, in the form of `expected`."""
    header, *rows = answered(folder / str(after(words, "-o")))
    if words[0] == "adjacency":
        return sorted(
            _plain((row[0], post, cell))
            for row in rows
            for post, cell in zip(header[1:], row[1:], strict=True)
            if float(cell)
        )
    if words[0] == "synapses":
        names = ["pre_pt_root_id", "post_pt_root_id"]
        names = names if "--columns" in words else ["id", *names]
        places = [header.index(name) for name in names]
        return sorted(_plain(row[place] for place in places) for row in rows)
    width = 5 if words[0] == "counts" or "--by" in words else 4 if "--totals" in words else 3
    return sorted(_plain(row[:width]) for row in rows)


ORACLE = {"connectivity", "counts", "adjacency", "synapses"}


def fault_of_values(words: Sequence[str], folder: Path, kinds: dict[str, str]) -> str | None:
    """What is wrong with an answer; None where it is right.

    Raises
    ------
    NotJudgedError
        Where that cannot be told.
    """
    try:
        right = expected(words, folder, kinds)
    except UnreadableError as error:
        return f"an answer from a file that a strict reader refuses: {error}"
    except oracle.ConflictError as error:
        return f"an answer from rows that cannot both be right: {error}"
    answer = got(words, folder)
    if answer == right:
        return None
    more, less = sorted(set(answer) - set(right)), sorted(set(right) - set(answer))
    return f"wrong values: {len(answer)} rows for {len(right)}; {more[:3]} for {less[:3]}"


def fault_against_itself(
    words: Sequence[str], name: str, kind: str, folder: Path, run: Callable[[list[str]], int | None]
) -> str | None:
    """What is wrong with an answer of a command that has no oracle, seen from that on a new and whole file."""
    some = words[0] != "sort" and name.endswith((".parquet", ".feather"))  # the others read every column
    try:
        columns = columns_of(folder / name, ROLES[kind] if some else None)
    except UnreadableError as error:
        return f"an answer from a file that a strict reader refuses: {error}"
    again = f"whole.{name.partition('.')[2]}"
    if ".parquet" in name:
        pq.write_table(pa.table(columns), folder / again)
    elif ".feather" in name:
        pyarrow.feather.write_feather(pa.table(columns), str(folder / again))
    else:
        mark = "\t" if ".tsv" in name else ","
        lines = [columns, *zip(*columns.values(), strict=True)]
        text = "".join(mark.join(line) + "\n" for line in lines).encode("utf-8", "surrogateescape")
        (folder / again).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    output = str(after(words, "-o"))
    first = answered(folder / output)
    (folder / output).rename(folder / "first")
    if run([word.replace(name, again) for word in words]) != 0:
        return "the same rows in a whole file are refused"
    return None if answered(folder / output) == first else "the same rows in a whole file give another answer"
