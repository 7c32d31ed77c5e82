"""What annotations say about neurons, as expressions that join with a table."""

from __future__ import annotations

from collections.abc import Sequence

from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Annotations, Relation, annotation_column
from crantcli.core.sql import all_of, joined, text
from crantcli.errors import DataError, UsageError
from crantcli.schema import IdType, Names
from crantcli.text import P, did_you_mean, join_names


def typed(annotations: Annotations | None, purpose: str) -> tuple[Annotations, str]:
    """The annotations and their column of cell types.

    Raises
    ------
    UsageError
        Where there are no annotations; `purpose` says what needs them.
    DataError
        Where they have no column of types.
    """
    if annotations is None:
        raise UsageError(
            f"{purpose} needs the neurons' types: {P.annotations.metavar('FILE')}, or a data set that has annotations"
        )
    if annotations.type_column is None:
        raise DataError(
            "the annotations have no column for the cell type (cell_type, type, primary_type, celltype); "
            f"name it with {P.cell_type_column}"
        )
    return annotations, annotations.type_column


def key(id_type: IdType) -> str:
    """The annotation table's ID as an expression of another table's ID type; null where it cannot be one.

    Text such as 007, 1.5 or 1e3, which the engine would make an integer of, is a name.
    """
    if id_type != "BIGINT":
        return "CAST(id AS VARCHAR)"
    number = "TRY_CAST(id AS BIGINT)"
    return f"CASE WHEN CAST({number} AS VARCHAR) = CAST(id AS VARCHAR) THEN {number} END"


def words(column: str, listed: bool) -> str:
    """An annotation column as a label: lists joined, everything as text, blank text as none."""
    name = annotation_column(column)
    written = joined(name, ";") if listed else f"CAST({name} AS VARCHAR)"
    return f"nullif(trim({written}), '')"


def label(column: str, annotations: Annotations) -> str:
    """A column of these annotations as a label."""
    return words(column, column in annotations.list_columns)


def types_view(engine: SqlEngine, table: Relation, annotations: Annotations, column: str) -> str:
    """`id, label` of the typed neurons, IDs as the table has them."""
    return engine.view(
        "types",
        f"SELECT {key(table.id_type)} AS id, {label(column, annotations)} AS label "
        f"FROM {annotations.relation} WHERE {label(column, annotations)} IS NOT NULL",
    )


def label_columns(annotations: Annotations | None, by: Sequence[str]) -> tuple[str, ...]:
    """The columns of annotations that are named; `type` is that of cell types, where none is called so.

    Raises
    ------
    UsageError
        Where there are no annotations, or a column is named twice.
    DataError
        Where they have no such column.
    """
    asked = P.by(",".join(by))
    if annotations is None:
        raise UsageError(f"{asked} needs labels: {P.annotations.metavar('FILE')}, or a data set that has annotations")
    found = []
    for name in by:
        column = Names(annotations.columns).get(name)
        if column is None and name == "type":
            column = typed(annotations, asked)[1]
        if column is None:
            raise DataError(f"{asked}: no column {name} in the annotations ({did_you_mean(name, annotations.columns)})")
        found.append(column)
    if len(set(found)) < len(found):
        raise UsageError(f"{asked}: a column is named twice ({join_names(found)})")
    return tuple(found)


#: Between the labels of several columns, where they are one: no delimiter of tables.
_JOINT = ":"


def joint(labels: Sequence[str]) -> str:
    """Labels, as query text, joined to one; null where one of them is."""
    return f" || {text(_JOINT)} || ".join(labels)


def refuse_joint_twins(engine: SqlEngine, labelled: str, columns: Sequence[str]) -> None:
    """Refuse labels that are joined to the same text, though they differ.

    Parameters
    ----------
    labelled : str
        A relation with one row, and its `label`, for each group.
    columns : sequence of str

    Raises
    ------
    DataError
    """
    if len(columns) < 2:
        return
    twins = engine.execute(
        f"SELECT label FROM {labelled} WHERE label IS NOT NULL GROUP BY label HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    )
    if twins:
        raise DataError(
            f"{P.by(','.join(columns))}: labels of two groups, joined by {_JOINT}, are both {twins[0][0]}; a label has "
            f"a {_JOINT} of its own; give the columns in another order, or rename it"
        )


def labelled_neurons(
    engine: SqlEngine, id_type: IdType, annotations: Annotations, columns: Sequence[str], where: str = "TRUE"
) -> str:
    """A table `id, label_0, label_1, ...` of the neurons that have a label in each of these columns.

    `where` is a condition on `id`.
    """
    listed = ", ".join(f"{label(column, annotations)} AS label_{number}" for number, column in enumerate(columns))
    there = all_of([f"{name} IS NOT NULL" for name in ("id", *(f"label_{number}" for number in range(len(columns))))])
    return engine.table(
        "labelled",
        f"SELECT * FROM (SELECT {key(id_type)} AS id, {listed} FROM {annotations.relation}) WHERE {there} AND {where}",
    )
