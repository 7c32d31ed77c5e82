"""Parquet files as Spark reads them: columns that mean the same to both engines, by the names that they have here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crantcli.engine.spark.text import identifier
from crantcli.engine.spark.types import as_path, read_as
from crantcli.errors import DataError


@dataclass(frozen=True)
class Scan:
    """Parquet files with the same columns.

    Attributes
    ----------
    reading : str
        What reads them, as query text.
    columns : mapping of str to str
        Names and types of their columns.
    paths : tuple of str
    name : str
        What to call them in messages.
    constants : mapping of str to mapping of str to (str or None)
        Path -> columns that do not stand in the file, and their one value there, as text.
    called : mapping of str to mapping of str to str
        Path -> columns that stand in the file, and what they are called there; a file that is not told of has all.
    """

    reading: str
    columns: Mapping[str, str]
    paths: tuple[str, ...]
    name: str
    constants: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    called: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def unread_columns(source: Scan) -> dict[str, str]:
    """Columns that Spark is not let read, since it decodes them in another way, and their types."""
    return {column: kind for column, kind in source.columns.items() if read_as(kind) is None}


def scanned(spark: Any, source: Scan, places: Mapping[str, str]) -> Any:
    """The rows of all files, as a DataFrame of Spark.

    Parameters
    ----------
    spark : SparkSession
    source : Scan
    places : mapping of str to str
        Path of each file -> where Spark finds it.

    Raises
    ------
    DataError
        Where Spark would pass over some of the files.
    """
    everything = {column: column for column in source.columns}
    groups: dict[Any, list[str]] = {}
    for path in source.paths:
        values, called = source.constants.get(path, {}), source.called.get(path, everything)
        groups.setdefault((tuple(values.items()), tuple(called.items())), []).append(places[path])
    frames = [
        _of_one_layout(spark, source, dict(values), dict(called), found) for (values, called), found in groups.items()
    ]
    return functools.reduce(lambda whole, frame: whole.unionByName(frame), frames)


def _of_one_layout(
    spark: Any, source: Scan, values: Mapping[str, str | None], called: Mapping[str, str], places: Sequence[str]
) -> Any:
    """Files in which columns have the same names, and those that do not stand in them the same value, or none."""
    from pyspark.sql.functions import lit

    told = {column: read for column, kind in source.columns.items() if (read := read_as(kind)) is not None}
    stored = {column: kind for column, kind in told.items() if column in called and column not in values}
    schema = ", ".join(f"{identifier(called[column])} {kind}" for column, kind in stored.items())
    frame = spark.read.schema(schema).parquet(*map(as_path, places))
    found = len(frame.inputFiles())
    if found != len(places):
        # It leaves out files whose names begin with a dot or an underscore, and says nothing.
        raise DataError(
            f"{source.name}: Spark reads {found} of {len(places)} files; it passes over names that begin with _ or a "
            "dot, so rename them"
        )
    made = [
        frame[identifier(called[column])].alias(column)
        if column in stored
        else lit(values.get(column)).cast(kind).alias(column)
        for column, kind in told.items()
    ]
    return frame.select(*made)
