"""Views of a matrix that refuse to be edited, instead of forgetting the edit.

Arrays that cannot be written to are not enough: pandas takes a column that is set, a value of another type or a new
name into the frame at hand, which is gone with the next look at the matrix.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NoReturn

from crantcli.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array


def _refuse(*_: object, **__: object) -> NoReturn:
    raise UsageError("this is a read-only view of a matrix; take a copy (.copy()) to edit that")


def read_only_frame(values: Any, index: pd.Index[Any], columns: pd.Index[Any]) -> pd.DataFrame:
    """A frame over an array that cannot be written to; what is made of it, such as a copy, is a frame like any other.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        Not writeable. It is not copied.
    index, columns : Index
    """
    frame: pd.DataFrame = _frame_class()(values, index=index.view(), columns=columns.view(), copy=False)
    return frame


def locked(labels: list[str]) -> pd.Index[Any]:
    """An index whose values cannot be written to."""
    import pandas as pd

    index = pd.Index(labels)
    if index.dtype == object:  # newer kinds of text cannot be written to anyway
        index.values.flags.writeable = False
    return index


@functools.cache
def _frame_class() -> Any:
    """The class, which is made when pandas is needed anyway."""
    import pandas as pd

    class AnyFrame(type):
        """Comparing two frames asks whether one is an instance of the other's class: plain frames are of this one."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, pd.DataFrame)

    def reading(name: str) -> property:
        """`loc` and its like, without what sets values."""

        def indexer(self: pd.DataFrame) -> Any:
            plain: Any = getattr(super(ReadOnlyFrame, self), name)
            return _reading_class(plain.__class__)(plain.name, self)

        return property(indexer)

    class ReadOnlyFrame(pd.DataFrame, metaclass=AnyFrame):
        @property
        def _constructor(self) -> type[pd.DataFrame]:
            return pd.DataFrame

        def __setattr__(self, name: str, value: object) -> None:
            if name.startswith("_") or name in ("attrs", "flags"):
                super().__setattr__(name, value)
            else:
                _refuse()

        def __reduce__(self) -> Any:
            return self.copy().__reduce__()

    # The last is what all methods end with that can work in place.
    for name in ("__setitem__", "__delitem__", "insert", "pop", "isetitem", "_update_inplace"):
        setattr(ReadOnlyFrame, name, _refuse)
    for name in ("loc", "iloc", "at", "iat"):
        setattr(ReadOnlyFrame, name, reading(name))
    return ReadOnlyFrame


@functools.cache
def _reading_class(indexer: Any) -> Any:
    return type(indexer.__name__, (indexer,), {"__setitem__": _refuse})


def read_only_sparse(weights: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> csr_array:
    """A sparse matrix whose arrays cannot be written to, and which takes no new entries."""
    found: csr_array = _sparse_class()((weights, indices, indptr), shape=shape)
    # After scipy has made one integer type of both kinds of indices, for which it copies one of them.
    for name in ("data", "indices", "indptr"):
        array = getattr(found, name).view()
        array.flags.writeable = False
        setattr(found, name, array)
    return found


@functools.cache
def _sparse_class() -> Any:
    from scipy.sparse import csr_array

    class ReadOnlySparse(csr_array):
        def __setitem__(self, key: Any, value: Any) -> None:
            # What is calculated from it is of the same class, with arrays of its own.
            if not self.data.flags.writeable:
                _refuse()
            super().__setitem__(key, value)

    return ReadOnlySparse
