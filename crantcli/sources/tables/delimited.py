"""Text files: how their first lines say what separates fields, whether there is a header, and where it stands."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from crantcli.core.sql import quote, text
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.remote.objects import is_address, read_object
from crantcli.schema import BLANKS, is_word
from crantcli.sources.tables.files import Source, literal_path
from crantcli.sources.tables.gzipped import is_gzip
from crantcli.sources.tables.streams import whole
from crantcli.text import P, join_names, plural

#: What may separate fields; a blank stands for any run of blanks.
DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar", " ": "blanks"}
_SPELLED = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "bar": "|",
    "pipe": "|",
    "space": " ",
    "blank": " ",
}

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")

#: Lines that are looked at, as long as they have this many characters together or fewer.
_LINES, _CHARACTERS = 25, 2**18
#: Characters of the name of a column.
_LONGEST_NAME = 2**17
#: A line that is longer than this is none: a quote was not closed.
_LONGEST = 2**25


@dataclass(frozen=True)
class TextForm:
    """How a text file is to be read.

    Attributes
    ----------
    columns : tuple of str
        Names of all fields of a line; "" for one that is left out.
    delimiter : str
    skip : int
        Lines before the header, or before the first row where there is no header.
    has_header : bool
        The names stand in the file.
    gzipped : bool
    """

    columns: tuple[str, ...]
    delimiter: str
    skip: int = 0
    has_header: bool = True
    gzipped: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return tuple(name for name in self.columns if name)

    @property
    def held(self) -> list[str]:
        """A name for each field of a line, also for those that are left out."""
        return [name or f"left out {place}" for place, name in enumerate(self.columns)]


def parse_delimiter(value: str) -> str:
    """What `--delimiter` says: the character, or a word for it.

    Raises
    ------
    UsageError
    """
    found = _SPELLED.get(value.lower(), value)
    if len(found) != 1 or found in '"\r\n' or found.isalnum():
        raise UsageError(f"{P.delimiter} {value!r}: one mark, such as , ; | : or a word: tab, space")
    return found


def parse_header(value: str) -> tuple[str, ...]:
    """What `--header` says: names joined by commas, or `@FILE` with them on one line or one a line.

    A line of such a file may be `NAME,TYPE`, as the dumps of CAVE have it.

    Raises
    ------
    UsageError
        Where there is no such file.
    DataError
        Where there is no name in it.
    """
    if not value.startswith("@"):
        return tuple(name.strip() for name in value.split(","))
    path = Path(value[1:])
    if is_address(value[1:]):
        content = read_object(value[1:])
        opened: IO[bytes] = io.BytesIO(gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)
    elif path.is_file():
        opened = _opened(Source(path, "csv", path.name), is_gzip(path))
    else:
        raise UsageError(f"{P.header} {value}: there is no file {path}")
    with opened as file:
        lines = [line.strip() for line in _decoded(file, path.name) if line.strip()]
    if not lines:
        raise DataError(f"{P.header} {value}: no name stands in there")
    if len(lines) > 1:
        return tuple(next(csv.reader([line]))[0].strip() for line in lines)
    mark = next((mark for mark in DELIMITERS if mark in lines[0]), ",")
    return tuple(name.strip() for name in next(csv.reader([lines[0]], delimiter=mark, skipinitialspace=True)))


def text_form(
    source: Source,
    header: Sequence[str] = (),
    delimiter: str | None = None,
    named: Sequence[str | None] = (),
    table: bool = True,
) -> tuple[TextForm, list[str]]:
    """Look at the first lines of a text file.

    Parameters
    ----------
    source : Source
        Text in UTF-8 (see `staged`).
    header : sequence of str
        Names that the user gives; "" leaves a column out.
    delimiter : str, optional
        What the user says that it is.
    named : sequence of str or None
        Columns that options name: a line that has one is a header.
    table : bool
        False for a list of IDs, which needs no header.

    Returns
    -------
    tuple
        The form, and what the user should be told.

    Raises
    ------
    DataError
        Where it cannot be told what separates fields, or whether the first line is a header.
    """
    gzipped = is_gzip(source.start)
    try:
        with _opened(source, gzipped) as file:
            skip, lines, cut = _first_lines(_decoded(file, source.name))
    except (OSError, EOFError) as error:
        raise DataError(f"{source.name}: cannot be read ({error}); is it damaged?") from None
    if not lines:
        raise DataError(f"{source.name}: is empty; a table needs a header line")
    _refuse_open_quote(source.name, lines, skip)
    head = "".join(lines)
    mark = delimiter or _delimiter(source.name, head, cut, header, skip)
    records = _records(head, mark, cut)
    first = [field.strip(BLANKS) for field in records[0]]
    notes = [f"{source.name}: {plural(skip, 'line')} before the table, empty or of comment, skipped"] if skip else []
    if header:
        if len(header) != len(first):
            raise DataError(
                f"{P.header} names {plural(len(header), 'column')}, and {source.name} has {len(first)}; leave a name "
                "empty to leave a column out"
            )
        return TextForm(_different(source.name, header), mark, skip, False, gzipped), notes
    if table:
        _refuse_headerless(source.name, records, named)
    return TextForm(_names(source.name, first), mark, skip, True, gzipped), notes


def _refuse_open_quote(name: str, lines: list[str], skip: int) -> None:
    """Stop at a header of which a quote is not closed within the lines that are looked at, or that has no end."""
    quotes = 0
    for line in lines:
        quotes += line.count('"')
        if quotes % 2 == 0:
            break
    else:
        raise DataError(f"{name}, line {skip + 1}: a quote is opened and not closed; mend the header")
    if any(len(field) > _LONGEST_NAME for field in re.split(r"[,;\t|]", lines[0])):
        raise DataError(
            f"{name}, line {skip + 1}: the name of a column is longer than any name is; is a quote not closed?"
        )


def _opened(source: Source, gzipped: bool) -> IO[bytes]:
    return gzip.open(source.start, "rb") if gzipped else source.start.open("rb")  # type: ignore[return-value]


def _decoded(file: IO[bytes], name: str) -> Iterator[str]:
    """Lines of UTF-8 text, without a byte order mark.

    Raises
    ------
    DataError
        Where a line is no UTF-8.
    """
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        if number == 1 and line.startswith(codecs.BOM_UTF8):
            line = line[len(codecs.BOM_UTF8) :]
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise DataError(f"{name}, line {number}: is not UTF-8 text; save the table as CSV in UTF-8") from None


def _first_lines(lines: Iterator[str]) -> tuple[int, list[str], bool]:
    """Lines before the table, the first ones of it, and whether there are more."""
    found: list[str] = []
    skip = length = 0
    for line in lines:
        if not found and (not line.strip(BLANKS) or line.lstrip(BLANKS).startswith("#")):
            skip += 1
            continue
        found.append(line)
        length += len(line)
        if len(found) >= _LINES or (length >= _CHARACTERS and len(found) > 2):
            return skip, found, next(lines, None) is not None
    return skip, found, False


def _records(head: str, mark: str, cut: bool) -> list[list[str]]:
    """The fields of the first lines; a line that may have been cut in a quoted field is left out."""
    if mark == " ":
        lines = (line.strip() + "\n" for line in head.splitlines())
        reader = csv.reader(lines, delimiter=" ", skipinitialspace=True)
    else:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=mark)
    csv.field_size_limit(_LONGEST)
    try:
        records = [record for record in reader if record]
    except csv.Error:
        records = [line.split(mark) for line in head.splitlines() if line]
    return records[:-1] if cut and len(records) > 2 else records


def _delimiter(name: str, head: str, cut: bool, header: Sequence[str], skip: int) -> str:
    """What separates fields: what gives all of the first lines the same number of them.

    Raises
    ------
    DataError
        Where that is not one alone.
    """
    split = {mark: _records(head, mark, cut) for mark in DELIMITERS if mark in head}
    even = [mark for mark, records in split.items() if len({len(record) for record in records}) == 1 < len(records[0])]
    if len(even) > 1:
        fitting = [mark for mark in even if len(split[mark][0]) == len(header)] if header else _best(even, split)
        if len(fitting) != 1:
            told = " and ".join(DELIMITERS[mark] for mark in even)
            raise DataError(f"{name}: fields may be separated by {told}; say which with {P.delimiter}")
        return fitting[0]
    if even:
        return even[0]
    uneven = [mark for mark, records in split.items() if len(records[0]) > 1]
    if not uneven:
        marks = [mark for mark, records in split.items() if mark != " " and any(len(fields) > 1 for fields in records)]
        if marks:
            raise DataError(
                f"{name}: its first line has one field, and others have more ({DELIMITERS[marks[0]]} between them); a "
                "table needs a header line of as many"
            )
        return ","
    mark = (_best(uneven, split) or uneven)[0]
    _refuse_ragged(name, split[mark], skip)
    return mark


def _best(marks: Sequence[str], split: Mapping[str, list[list[str]]]) -> list[str]:
    """The marks under which the largest share of the first line's fields are known names, if any are."""
    shares = {}
    for mark in marks:
        fields = [field.strip(BLANKS) for field in split[mark][0]]
        shares[mark] = sum(map(is_word, fields)) / len(fields)
    most = max(shares.values())
    return [mark for mark, share in shares.items() if share == most > 0]


def _refuse_ragged(name: str, records: list[list[str]], skip: int) -> None:
    expected = len(records[0])
    row_names = len(records) > 2 and {len(record) for record in records[1:]} == {expected + 1}
    advice = f"mend the row, or say what separates fields with {P.delimiter}"
    if row_names:
        advice = f"if R wrote row names there, write it again with col.names = NA, or give the names with {P.header}"
    number, record = next((n, record) for n, record in enumerate(records, 1) if len(record) != expected)
    raise DataError(
        f"{name}, line {skip + number}: {len(record)} columns instead of the {expected} of the header; {advice}"
    )


def _refuse_headerless(name: str, records: list[list[str]], named: Sequence[str | None]) -> None:
    """Stop where the first line is a row like those below it."""
    first = [field.strip(BLANKS) for field in records[0]]
    numbers = all(_NUMBER.fullmatch(field) for field in first)
    if not numbers:
        if any(is_word(field) or field in named for field in first) or not all(first) or len(records) < 2:
            return
        for place, field in enumerate(first):
            below = {_form(row[place]) for row in records[1:] if place < len(row)} - {""}
            if below != {_form(field)}:
                return
    raise DataError(
        f"{name}: its first line ({join_names(first, 4)}) is like the lines below it and no header; give the names of "
        f"the columns with {P.header.metavar('NAME,NAME,...', '@FILE')}"
    )


def _form(field: str) -> str:
    field = field.strip(BLANKS)
    return "" if not field else "number" if _NUMBER.fullmatch(field) else "word"


def _names(file: str, first: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns, of which one may have none: pandas calls an index that it reads back so."""
    names = list(first)
    if "" in names:
        unnamed = "Unnamed: 0" if "Unnamed: 0" not in names else "Unnamed: 0.1"
        names = [name or unnamed for name in names]
    return _different(file, names)


def _different(file: str, names: Iterable[str]) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for name in names:
        if name and name.lower() in seen:
            raise DataError(f"{file}: columns {seen[name.lower()]!r} and {name!r} are called the same; rename one")
        seen[name.lower()] = name
    return tuple(names)


def text_relation(sources: Sequence[Source], form: TextForm) -> str:
    """A FROM expression that reads text files as text, refusing rows that do not fit the header."""
    files = ", ".join(literal_path(source.path) for source in sources)
    names = ", ".join(f"{quote(name)}: 'VARCHAR'" for name in form.held)
    return (
        f"read_csv([{files}], auto_detect = false, header = {str(form.has_header).lower()}, skip = {form.skip}, "
        f"delim = {text(form.delimiter)}, quote = '\"', escape = '\"', columns = {{{names}}}, null_padding = false, "
        f"nullstr = '', max_line_size = {_LONGEST}, hive_partitioning = false, "
        f"compression = '{'gzip' if form.gzipped else 'none'}')"
    )


@dataclass(frozen=True)
class TextFile:
    """One text file, and how it is to be read."""

    source: Source
    form: TextForm

    def relation(self) -> str:
        """What reads it alone, as `text_relation` does."""
        return text_relation([self.source], self.form)


def staged(engine: Engine, source: Source, delimiter: str | None = None) -> Source:
    """The same text where the engine can read it: UTF-16 as UTF-8, and blanks between fields as commas.

    Line for line, so that their numbers stay.
    """
    gzipped = is_gzip(source.start)
    try:
        with _opened(source, gzipped) as file:
            start = file.read(2)
        encoding = "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else None
        if encoding:
            source = _transcoded(engine, whole(source), gzipped)
            gzipped = False
        if delimiter is None:
            with _opened(source, gzipped) as file:
                _, lines, cut = _first_lines(_decoded(file, source.name))
            head = "".join(lines)
            split = {mark: _records(head, mark, cut) for mark in DELIMITERS if mark in head} if lines else {}
            even = [mark for mark, records in split.items() if len({*map(len, records)}) == 1 < len(records[0])]
            if even != [" "]:
                return source
        elif delimiter != " ":
            return source
        return _with_commas(engine, whole(source), gzipped)
    except (OSError, EOFError) as error:
        raise DataError(f"{source.name}: cannot be read ({error}); is it damaged?") from None


def _copy(engine: Engine, source: Source) -> Source:
    return Source(engine.scratch / f"{engine.name('text')}.csv", "csv", source.name, source.record())


def _transcoded(engine: Engine, source: Source, gzipped: bool) -> Source:
    target = _copy(engine, source)
    with _opened(source, gzipped) as file, target.path.open("w", encoding="utf-8", newline="") as out:
        reader = io.TextIOWrapper(file, encoding="utf-16", newline="")
        try:
            while block := reader.read(2**20):
                out.write(block)
        except UnicodeDecodeError:
            raise DataError(f"{source.name}: is no UTF-16 text, as it begins; save the table as CSV in UTF-8") from None
    return target


def _with_commas(engine: Engine, source: Source, gzipped: bool) -> Source:
    target = _copy(engine, source)
    with _opened(source, gzipped) as file, target.path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        for line in _decoded(file, source.name):
            if line.lstrip(BLANKS).startswith("#"):
                out.write(line.rstrip("\r\n") + "\n")
                continue
            writer.writerow(next(csv.reader([line.strip()], delimiter=" ", skipinitialspace=True), []))
    return target
