"""Turns the columns of one part of a source into canonical ones, and refuses what cannot be relied on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import StoredFile
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.sources.tables.metadata import FileMetadata

if TYPE_CHECKING:
    from crantcli.sources.tables.delimited import TextFile

LARGE_INTEGERS = ("UBIGINT", "HUGEINT", "UHUGEINT")
INTEGERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT",
}  # fmt: skip

#: Types of neuron IDs that can be read straight from a file.
_IDS = {*INTEGERS, "VARCHAR"}

#: Types whose values are the same to whoever reads the file.
_PLAIN_NUMBERS = {*INTEGERS, "FLOAT", "DOUBLE"} - {*LARGE_INTEGERS}


@dataclass
class Part:
    """Files of one format and layout, read by one FROM expression.

    Attributes
    ----------
    text : bool
        Every column is text whose types are for us to find (CSV).
    rows : int or None
        Where the format tells.
    null_free : set of str
        Columns known to have no nulls.
    files : dict of str to str
        Path -> what to call the file in messages.
    floats : dict of str to str
        Columns that hold floats in one of the files -> that file. Beside integers they would become floats.
    index : str or None
        The column that was the index of a DataFrame.
    nulls : dict of str to int
        Columns -> their nulls, where the format tells.
    notes : list of str
        What the user should be told of the files.
    base, condition : str
        Where rows are left out: all rows, and which of them are in `relation`.
    together : str
        The folder or pattern that named the files, which are one table.
    null_text : str or None
        Words, joined by commas, that stand for a missing ID; "" for none, None for the usual ones.
    mixed : dict of str to str
        Columns of a DataFrame that are text for want of a type, and why: they hold no IDs.
    stored : bool
        All rows are those of Parquet files, as they stand there.
    pieces : dict of str to TextFile
        Path of each text file -> the file.
    head : str
        A FROM expression with the first rows, where `relation` cannot be read before `whole_part` was called.
    recorded_paths : list of str
        The file of each of `recorded`, where there are several.
    constants : dict of str to dict of str to (str or None)
        Path -> columns that do not stand in the file, and their one value there, as text.
    called : dict of str to dict of str to str
        Path -> columns that stand in the file, and what they are called there; a file that is not told of has all.
    """

    relation: str
    columns: dict[str, str]
    name: str
    text: bool = False
    rows: int | None = None
    null_free: set[str] = field(default_factory=set)
    recorded: list[FileMetadata] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    floats: dict[str, str] = field(default_factory=dict)
    index: str | None = None
    nulls: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    base: str = ""
    condition: str = "TRUE"
    together: str = ""
    mixed: dict[str, str] = field(default_factory=dict)
    null_text: str | None = None
    stored: bool = False
    pieces: dict[str, TextFile] = field(default_factory=dict)
    head: str = ""
    recorded_paths: list[str] = field(default_factory=list)
    constants: dict[str, dict[str, str | None]] = field(default_factory=dict)
    called: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def recorded_names(self) -> list[str]:
        """What to call the file of each of `recorded` in messages."""
        names = [self.files.get(path, self.name) for path in self.recorded_paths]
        return names or [self.name] * len(self.recorded)

    @property
    def text_ids(self) -> frozenset[str]:
        """Columns whose IDs are text, whatever they look like."""
        return frozenset().union(*(record.text_ids for record in self.recorded))

    @property
    def first_rows(self) -> str:
        """A FROM expression with the first rows, or with all."""
        return self.head or self.relation

    def filtered(self, condition: str) -> Part:
        """The rows that meet a condition."""
        relation = f"(SELECT * FROM {self.relation} WHERE {condition})"
        return replace(
            self, relation=relation, base=self.relation, condition=condition, rows=None, nulls={}, stored=False, head=""
        )

    def stored_files(self, roles: Mapping[str, str], coordinates: Mapping[str, str]) -> list[StoredFile]:
        """The files, where all rows are theirs, and neuron IDs stand in them as integers or text; else nothing.

        Parameters
        ----------
        roles, coordinates : mapping of str to str
            Which column plays which part.
        """
        if not self.stored or not all(self.columns[roles[side]] in _IDS for side in ("pre", "post")):
            return []
        known = {role: roles[role] for role in ("pre", "post", "id", "size") if role in roles}
        known |= {name: column for name, column in coordinates.items() if self.columns[column] in _PLAIN_NUMBERS}
        return [StoredFile(path, name, known) for path, name in self.files.items()]


def float_message(column: str, file: str) -> str:
    """What to say of IDs that are stored as floats."""
    return (
        f"{file}, column {column}: IDs are stored as floating-point numbers, which cannot hold them exactly; "
        "export the table again with this column as integers or text"
    )


def check_id_type(part: Part, column: str) -> None:
    """Refuse a column whose type cannot hold IDs."""
    kind = part.columns[column]
    if part.rows == 0:  # there is no ID that could have lost digits
        return
    if column in part.mixed:
        raise DataError(
            f"the {part.name} has a column of mixed or unknown types: {column} ({part.mixed[column]}); "
            "IDs are integers or text"
        )
    if kind in ("FLOAT", "DOUBLE") or column in part.floats:
        raise DataError(float_message(column, part.floats.get(column, part.name)))
    if re.fullmatch(r"DECIMAL\(\d+,\s*0\)", kind):
        return
    if kind not in INTEGERS and kind != '"NULL"' and not kind.startswith(("VARCHAR", "ENUM")):
        word = _type_word(kind)
        raise DataError(
            f"{part.name}, column {column}: IDs are integers or text, and it holds {type_words(kind)}{word}"
        )


def fits_int64(engine: Engine, part: Part, column: str) -> bool:
    """Whether all values of a column of integers are int64."""
    if part.columns[column] not in LARGE_INTEGERS and not part.columns[column].startswith("DECIMAL"):
        return True
    largest = engine.execute(f"SELECT max({quote(column)}) FROM {part.relation}")[0][0]
    return largest is None or int(largest) < 2**63


#: Types that hold no ID, in the words of a user.
_TYPE_WORDS = (
    ("BOOLEAN", "booleans (true, false)"), ("DATE", "dates"), ("TIMESTAMP", "dates with times"), ("TIME", "times"),
    ("STRUCT", "structs"), ("MAP", "maps"), ("BLOB", "bytes"), ("INTERVAL", "durations"), ("UUID", "UUIDs"),
    ("DECIMAL", "decimal fractions"), ("UNION", "values of several types"),
)  # fmt: skip


def _type_word(kind: str) -> str:
    """The name of a type, where it is one that users know."""
    return f" ({kind.split('(')[0].lower()})"


def type_words(kind: str) -> str:
    """A column's type in the words of a user."""
    if kind.endswith("]"):
        return "lists"
    return next((words for name, words in _TYPE_WORDS if kind.startswith(name)), "values of an unknown type")
