"""What a file says of how it came about, in the parts that a report shows. It is believed where it is of its form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from crantcli.core.ledger import Ledger
from crantcli.core.rows.steps import STEPS


class DataState(NamedTuple):
    """A version of what is on a server.

    Attributes
    ----------
    what : str
        Data stack and table, or the table of annotations.
    version : str
        Number of the materialization, or "live"; "" where there is none.
    time : str
        As ISO 8601 has it; "" where it is not told.
    """

    what: str
    version: str
    time: str


class InputFile(NamedTuple):
    """A file that was read: its base name, and its fingerprint."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Origin:
    """How a file came about.

    Attributes
    ----------
    crantcli, command, kind : str
        Version of the program, its command, and what a row of the file stands for.
    options : dict of str to str
    files : tuple of InputFile
    states : tuple of DataState
        Of servers, of those inputs that came from one.
    ledger : Ledger or None
    run : tuple
        The same for all files of one run.
    shows : bool
        It is a picture of a matrix.
    quantity : str
        What the numbers of a matrix are; "" where that is not told.
    """

    crantcli: str
    command: str
    kind: str
    options: Mapping[str, str]
    files: tuple[InputFile, ...]
    states: tuple[DataState, ...]
    ledger: Ledger | None
    run: tuple[str, ...]
    shows: bool
    quantity: str


def read_origin(record: Mapping[str, Any]) -> Origin:
    """Read the provenance of a file.

    Raises
    ------
    ValueError
        Where it is not of the form that we write, or its ledger does not add up.
    """
    try:
        return _read(record)
    except (AttributeError, KeyError, TypeError, AssertionError) as error:
        told = "its ledger does not add up" if isinstance(error, AssertionError) else "its provenance is damaged"
        raise ValueError(told) from None


def _read(record: Mapping[str, Any]) -> Origin:
    options = {str(name): _words(value) for name, value in record["options"].items()}
    inputs = record["inputs"]
    files = tuple(InputFile(str(item["name"]), str(item["sha256"])) for item in inputs if "sha256" in item)
    states = tuple(
        DataState(str(item["name"]), _words(item["materialization"]), _words(item.get("time", "")))
        for item in inputs
        if "materialization" in item
    )
    ledger = _ledger(record["ledger"]) if "ledger" in record else None
    picture = record.get("picture")
    quantity = record.get("weights") or record.get("cells") or ""
    run = tuple(repr(record.get(name)) for name in ("command", "kind", "options", "inputs", "ledger"))
    return Origin(
        str(record["crantcli"]), str(record["command"]), str(record.get("kind", "")), options, files, states, ledger,
        run, isinstance(picture, Mapping) and "matrix" in picture, _words(quantity),
    )  # fmt: skip


def _ledger(told: Mapping[str, Any]) -> Ledger:
    """A ledger that adds up."""
    removed = told["removed"]
    numbers = [told["read"], told["kept"], told.get("merged", 0), *removed.values()]
    if not all(type(number) is int and number >= 0 for number in numbers) or not set(removed) <= set(STEPS):
        raise TypeError
    found = Ledger(str(told["unit"]), told["read"], dict(removed), told["kept"], told.get("merged", 0))
    found.check()
    return found


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
