"""Matrices by neuropil, and the ways to choose among them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.errors import DataError, UsageError
from crantcli.text import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class AllNeuropils:
    """All neuropils of a collection, "other" included, but for some.

    Examples
    --------
    >>> All.minus("fan_shaped_body", "other")
    All.minus('fan_shaped_body', 'other')
    """

    without: tuple[str, ...] = ()

    def minus(self, *names: str | Iterable[str]) -> AllNeuropils:
        """All but these too, given one by one or as a list."""
        more = [name for given in names for name in ([given] if isinstance(given, str) else given)]
        return AllNeuropils((*self.without, *more))

    def of(self, names: Iterable[str], known: Iterable[str] = ()) -> list[str]:
        """Those of the names that are chosen.

        Raises
        ------
        DataError (a ValueError)
            Where a name that is taken away is neither among them nor otherwise known.
        """
        there = list(names)
        everything = list(dict.fromkeys([*there, *known]))
        for name in self.without:
            if name not in everything:
                likely = did_you_mean(name, everything, "neuropils")
                raise DataError(f"All.minus({name!r}): there is no such neuropil ({likely})")
        return [name for name in there if name not in self.without]

    def __repr__(self) -> str:
        """As it is typed."""
        return f"All.minus({', '.join(map(repr, self.without))})" if self.without else "All"


#: Chooses every neuropil of a collection; `All.minus(...)` leaves some out.
All = AllNeuropils()


class NeuropilCollection(dict[str, Any]):
    """Nested matrices by neuropil: a dict, whose keys are attributes too.

    Parameters
    ----------
    matrices : mapping of str to NestedMatrix or DirectedNestedMatrix, optional
    counts : mapping of str to (synapses, pairs, neurons), optional
        What every neuropil holds, those without a matrix included.

    Examples
    --------
    >>> matrices = NestedMatrix.from_synapses_by_neuropil(synapses, annotations, meshes="meshes")  # doctest: +SKIP
    >>> matrices.ellipsoid_body.sum_type_matrix  # doctest: +SKIP
    >>> matrices.plot(All.minus("other"), output_path="figures/{name}.pdf")  # doctest: +SKIP
    """

    def __init__(
        self, matrices: Mapping[str, Any] | None = None, counts: Mapping[str, tuple[int, int, int]] | None = None
    ) -> None:
        super().__init__(matrices or {})
        self._counts = dict(counts or {})

    def __getattr__(self, name: str) -> Any:
        """A matrix by the name of its neuropil."""
        if name.startswith("_") or name not in self:
            raise AttributeError(f"no neuropil {name} in this collection ({did_you_mean(name, self, 'neuropils')})")
        return self[name]

    def __dir__(self) -> list[str]:
        """Neuropils among the attributes, for those who press Tab."""
        return sorted({*super().__dir__(), *(name for name in self if name.isidentifier())})

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles keep the counts."""
        return NeuropilCollection, (dict(self), self._counts)

    @property
    def summary(self) -> pd.DataFrame:
        """Synapses, pairs of neurons and neurons of every neuropil, those without a matrix included.

        Synapses in several meshes count in each. Index: `neuropil`; columns `synapses`, `pairs`, `neurons`, int64.
        """
        import pandas as pd

        columns = ["synapses", "pairs", "neurons"]
        frame = pd.DataFrame(list(self._counts.values()), columns=columns, dtype="int64")
        return frame.set_axis(pd.Index(list(self._counts), name="neuropil", dtype="str"))

    def plot(self, name: str | AllNeuropils, **kwargs: Any) -> tuple[Figure, Axes] | dict[str, tuple[Figure, Axes]]:
        """Draw one matrix, or several.

        Parameters
        ----------
        name : str, All or All.minus(...)
        **kwargs
            For the `plot` of each matrix. With several, `output_path` is a folder, or has `{name}` in it; names become
            safe file names. Titles are the names unless `title` is given.

        Returns
        -------
        tuple of Figure and Axes, or dict of str to such tuples
            A dict for All.

        Raises
        ------
        DataError (a ValueError)
            Where there is no such neuropil.
        UsageError (a ValueError)
            Where one file is named for several pictures.
        """
        if isinstance(name, AllNeuropils):
            # What holds no synapses has no matrix, and can be taken away all the same.
            return self._plot_all(name.of(self, [*self._counts, "other"]), **kwargs)
        if name not in self and name in self._counts:
            raise DataError(f"no matrix of {name!r}: no synapses are left in it")
        if name not in self:
            raise DataError(f"no neuropil {name!r} in this collection ({did_you_mean(str(name), self, 'neuropils')})")
        drawn: tuple[Figure, Axes] = self[name].plot(**{"title": name, **kwargs})
        return drawn

    def _plot_all(
        self, names: list[str], output_path: str | os.PathLike[str] | None = None, **kwargs: Any
    ) -> dict[str, tuple[Figure, Axes]]:
        from crantcli.core import question
        from crantcli.core.filenames import safe_file_names
        from crantcli.output.writers import known_suffixes

        stems = safe_file_names(names)
        paths: dict[str, Path] = {}
        if output_path is not None:
            pattern = os.fspath(output_path)
            if "{name}" in pattern:
                paths = {name: Path(pattern.replace("{name}", stems[name])) for name in names}
            elif Path(pattern).suffix.lower() in known_suffixes(question.Figure):
                raise UsageError(f"output_path {pattern}: several pictures need a folder, or {{name}} in the name")
            else:
                paths = {name: Path(pattern) / f"{stems[name]}.png" for name in names}
        return {name: self[name].plot(**{"title": name, "output_path": paths.get(name), **kwargs}) for name in names}
