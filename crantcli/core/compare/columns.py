"""By which columns groups are compared: those of the annotations, and those of the tables themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.groups import own_column
from crantcli.errors import DataError, UsageError
from crantcli.schema import Names
from crantcli.text import P, join_names


@dataclass(frozen=True)
class ComparedColumns:
    """Columns by which groups are compared.

    Attributes
    ----------
    labels : tuple of str
        Names of columns of the annotations.
    own : tuple of tuple of str
        For each table, those of its own columns that are meant, by their canonical names.
    """

    labels: tuple[str, ...]
    own: tuple[tuple[str, ...], ...]


#: Of one table, whose neurons are compared as they are.
NO_COLUMNS = ComparedColumns((), ((),))


def compared_columns(
    tables: Sequence[tuple[str, Relation, Annotations | None]], by: Sequence[str], notes: list[str]
) -> ComparedColumns:
    """Find the columns that are named; one that the annotations have is that of the annotations.

    Parameters
    ----------
    tables : sequence of (str, Relation, Annotations or None)
        What each is called in messages, and what labels its neurons.

    Raises
    ------
    UsageError
        For a name that no table has, where there are no annotations.
    DataError
        For one that only some of the tables have, and no annotations.
    """
    labels: list[str] = []
    own: list[list[str]] = []
    for name in by:
        found = [own_column(name, table) for _, table, _ in tables]
        having = [called for (called, _, _), column in zip(tables, found, strict=True) if column is not None]
        if any(_annotated(name, annotations) for _, _, annotations in tables) or not having:
            if having:
                notes.append(f"{P.by(name)}: {name} is that of the annotations; {' and '.join(having)} has one, too")
            labels.append(name)
            continue
        lacking = [called for called, _, _ in tables if called not in having]
        if lacking:
            raise DataError(f"{P.by(name)}: {lacking[0]} has no column {name}, and {having[0]} has; both need it")
        own.append([str(column) for column in found])
    if labels and all(annotations is None for _, _, annotations in tables):
        told = f"the table has no column {labels[0]}, and there are no annotations"
        raise UsageError(f"{P.by(','.join(by))}: {told}; {P.annotations.metavar('FILE')} gives some")
    each = tuple(tuple(columns[place] for columns in own) for place in range(len(tables)))
    for columns in each:
        if len(set(columns)) < len(columns):
            raise UsageError(f"{P.by(','.join(by))}: a column is named twice ({join_names(list(columns))})")
    return ComparedColumns(tuple(labels), each)


def _annotated(name: str, annotations: Annotations | None) -> bool:
    return annotations is not None and (name == "type" or Names(annotations.columns).get(name) is not None)


def own_values(engine: SqlEngine, tables: Sequence[Relation], columns: ComparedColumns) -> list[list[str]]:
    """For each table, its own columns as `own_0, ...`: as text where they are text in one table only."""
    texts = []
    for table, own in zip(tables, columns.own, strict=True):
        kinds = dict(engine.columns(f"SELECT {sql.columns(own)} FROM {table.relation}")) if own else {}
        texts.append([kinds[name].startswith(("VARCHAR", "ENUM")) for name in own])
    alike = [len(set(both)) == 1 for both in zip(*texts, strict=True)]
    return [
        [
            f"{sql.quote(name) if alike[place] else f'CAST({sql.quote(name)} AS VARCHAR)'} AS own_{place}"
            for place, name in enumerate(own)
        ]
        for own in columns.own
    ]
