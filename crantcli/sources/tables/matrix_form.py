"""Whether a table without a pair of ID columns is a matrix: what speaks for it, and what against it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crantcli.errors import DataError
from crantcli.schema import (
    ANNOTATION_IDS,
    AXES,
    CORNER,
    LIKELY_MEASURES,
    MEASURES,
    PAIRS,
    TOTALS,
    WEIGHTS,
    fold,
    is_id_column,
    is_index_name,
)
from crantcli.sources.tables.columns import EMPTY_CELLS, is_number
from crantcli.text import P, join_names

if TYPE_CHECKING:
    from crantcli.sources.tables.columns import Columns
    from crantcli.sources.tables.read_options import ReadOptions


#: Columns of a wide text table whose values are looked at.
_LOOKED_AT = 50


def may_name_rows(columns: Columns) -> bool:
    """Whether the first column may hold the labels of the rows.

    A column of numbers that is called like the others holds weights, and then the labels are elsewhere.
    """
    first, *rest = columns.types
    if columns.numbers(first) is False:
        return True
    corner = is_id_column(first) or fold(first) == fold(CORNER)
    return not _is_whole(first) and bool(rest) and (corner or all(map(_is_whole, rest)))


def _is_whole(name: str) -> bool:
    return re.fullmatch(r"-?[0-9]+", name) is not None


def matrix_reasons(
    columns: Columns, given: ReadOptions, known: bool, dropped: Sequence[str] = ()
) -> tuple[str, tuple[str, ...]]:
    """The column of row labels, and why the table is a matrix; `known` where an option or the file says so.

    `dropped` are columns that numbered the rows, and are left out of `columns`.

    Raises
    ------
    DataError
        Where nothing tells that it is one.
    """
    names = list(columns.types)
    index = _label_column(columns)
    targets = [name for name in names if name != index]
    ours = fold(index) == fold(CORNER)
    if not targets and columns.index == index:
        return index, ("a DataFrame without columns: an adjacency without neurons on one side",)
    if known or ours:
        return index, (f"the first header cell is {CORNER}" if ours else "said by an option or by the file itself",)
    _refuse_words(names, index, targets)
    for name in targets[:_LOOKED_AT]:
        if columns.numbers(name) is False:
            word = next((value for value in columns.values(name) if not is_number(value)), "")
            raise _no_matrix(names, f"column {name} holds {str(word)[:40]!r}, which is no number")
    if not targets:
        raise _no_matrix(names, "there is one column only")
    labels = [str(value) for value in columns.values(index) if value is not None]
    labels = [label for label in labels if fold(label) not in TOTALS and label.casefold() not in EMPTY_CELLS]
    targets = [name for name in targets if fold(name) not in TOTALS] or targets
    if len(set(labels)) < len(labels):
        raise _no_matrix(names, f"column {index!r} holds a label twice")
    reasons = _evidence(index, labels, targets, given)
    if not reasons:
        raise _no_matrix(names, f"nothing tells that {join_names(targets, 3)} are neurons")
    if dropped and not may_name_rows(columns):
        raise _no_matrix(names, f"column {dropped[-1]!r} numbers the rows, and no other column names them")
    return index, tuple(reasons)


def _label_column(columns: Columns) -> str:
    """The index of a DataFrame, which Parquet has last; else the first column."""
    if columns.index is not None:
        return columns.index
    corners = (name for name in columns.types if is_index_name(name) or fold(name) == fold(CORNER))
    return next(corners, next(iter(columns.types)))


def _no_matrix(names: Sequence[str], why: str) -> DataError:
    return DataError(
        f"no kind of table has the columns {join_names(names)} ({why}); name the ID columns with {P.pre_col} and "
        f"{P.post_col} and the weight with {P.weight_col}, or say {P.kind('adjacency')} if rows and columns are neurons"
    )


def _refuse_words(names: Sequence[str], index: str, targets: Sequence[str]) -> None:
    """A header with a word for an ID pair or a weight, or with names of measures, is that of no matrix."""
    words = {fold(name) for pair in PAIRS for name in pair} | {fold(name) for name in WEIGHTS}
    word = next((name for name in targets if fold(name) in words), None)
    if word is not None:
        raise _no_matrix(names, f"{word} is no neuron")
    lower = {name.casefold() for name in targets}
    for name in targets:
        parts = tokens(name)
        triple = parts[-1:] and parts[-1] in AXES and {name[:-1].casefold() + axis for axis in AXES} <= lower
        whole = len(parts) == 1 and parts[0] in AXES
        if triple or whole or set(parts) & (MEASURES - {*AXES}):
            raise _no_matrix(names, f"{name} is a measure and no neuron")


def tokens(name: str) -> list[str]:
    """The words of a name, in lower case: `somaVolume_um3` has soma, volume and um."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [re.sub(r"(?<=[a-zµ])[0-9]+$", "", part) for part in re.split(r"[\W_]+", spaced.casefold()) if part]


def _evidence(index: str, labels: list[str], targets: list[str], given: ReadOptions) -> list[str]:
    """What tells that the names of the columns are labels like those of the rows."""
    numbered = bool(labels) and all(map(_is_whole, labels))
    columns_numbered = all(map(_is_whole, targets))
    both = set(labels) & set(targets)
    counted = any(targets == [str(n) for n in range(start, start + len(targets))] for start in (0, 1))
    if counted and labels and not set(targets) <= set(labels) and not set(labels) <= set(targets):
        raise DataError(
            f"columns {join_names(targets, 3)} number the columns, and the rows are called {join_names(labels, 3)}: "
            f"which neurons they are does not stand in the table; write it with their names, or say "
            f"{P.kind('adjacency')} if these are the names"
        )
    reasons = []
    if numbered and not (columns_numbered and _same_magnitude(labels, targets)):
        return []
    if both and 2 * len(both) >= min(len(set(labels)), len(targets)):
        reasons.append(f"{len(both):,} labels are names of rows and of columns")
    if numbered and columns_numbered:
        reasons.append("the columns are called by numbers like those of the rows")
    corner = {fold(name) for name in (*ANNOTATION_IDS, CORNER)}
    corner |= {fold(name) for pair in PAIRS for name in pair}
    likely = not any(set(tokens(name)) & LIKELY_MEASURES for name in targets)
    if likely and (fold(index) in corner or is_index_name(index, possible=True)):
        reasons.append(
            "the first header cell is empty" if is_index_name(index) else f"the first header cell is {index!r}"
        )
    if given.annotated is not None and given.annotated(targets):
        reasons.append("all columns are called by neurons of the annotations")
    return reasons


def _same_magnitude(labels: Sequence[str], targets: Sequence[str]) -> bool:
    """As many digits, give or take one."""
    lengths = [len(label.lstrip("-")) for label in labels]
    low, high = min(lengths) - 1, max(lengths) + 1
    return all(low <= len(name.lstrip("-")) <= high for name in targets)
