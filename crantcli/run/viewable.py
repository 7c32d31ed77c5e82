"""Says of a source that no page can show what it is, and what can be shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from crantcli.errors import CrantError, DataError, UsageError
from crantcli.schema import PAIRS, Names
from crantcli.sources.tables.others import neurons_column, place_words, table_words
from crantcli.sources.tables.part import Part

#: What a page can show.
VIEWABLE = (
    "a page shows matrices (.npz, wide tables), edges, synapses, what crantcli compare has written, and folders of "
    "crantcli neuropil"
)


def not_viewable(error: CrantError, source: Any, found: Sequence[Part]) -> CrantError:
    """The error for a source that was refused; that itself where it says what to do.

    Parameters
    ----------
    error : CrantError
        Why it was refused.
    source : paths
        As given.
    found : sequence of Part
        Its tables, as far as it has some.
    """
    if not isinstance(error, DataError | UsageError):
        return error
    given = [source] if isinstance(source, str | os.PathLike) else source if isinstance(source, list | tuple) else []
    names = [os.fspath(name) for name in given]
    words = table_words(found[0]) if len(found) == 1 else "" if found else place_words(names)
    if words:
        name = found[0].name if found else os.path.basename(os.path.normpath(names[0]))
        return DataError(f"{name}: is {words}; {VIEWABLE}")
    column = neurons_column(found[0]) if len(found) == 1 else None
    if column is not None:
        looks = f"looks like a table of neurons, such as annotations, with a row for each (column {column})"
        return DataError(f"{found[0].name}: {looks}; {VIEWABLE}. As a matrix it is refused: {error.message}")
    columns = [Names(part.columns) for part in found]
    if any(names_of.get(pre) and names_of.get(post) for names_of in columns for pre, post in PAIRS):
        return error  # it is edges or synapses, once a question is answered that the message asks
    if isinstance(error, UsageError) and not any(map(os.path.exists, names)):
        return error
    return DataError(f"{error.message}; {VIEWABLE}")
