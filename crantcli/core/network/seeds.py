"""Sets of neurons by name that a network is asked about: read, found in the annotations, found in the network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.absent import some
from crantcli.errors import ArgumentTypeError, DataError, UsageError
from crantcli.ids import (
    Criteria,
    LiteralId,
    NamedNeurons,
    Selection,
    Selector,
    parse_id,
    parse_selectors,
    python_selectors,
)
from crantcli.schema import NeuronId
from crantcli.text import Param, join_names, plural

if TYPE_CHECKING:
    import numpy as np

#: NAME=SELECTOR.
_NAME = re.compile(r"\s*([^\s=!~,\"'@:][^=!~,\"'@:]*?)\s*=\s*(\S.*)", re.DOTALL)


@dataclass(frozen=True)
class SeedSet:
    """Neurons that are taken together.

    Attributes
    ----------
    name : str or None
        None where there is one set without a name.
    ids : tuple of int or str
    typed : tuple of LiteralId
        Those that were named one by one, and not by their labels or in a file.
    parameter : Param
        What names them.
    """

    name: str | None
    ids: tuple[NeuronId, ...]
    typed: tuple[LiteralId, ...]
    parameter: Param

    def says(self, note: str) -> str:
        """A note with the name of the set before it."""
        return note if self.name is None else f"{self.name}: {note}"


def parse_seeds(values: Iterable[str], ignore_case: bool = False) -> dict[str, tuple[Selector, ...]]:
    """Read sets of neurons as they are typed: a selector, or `NAME=SELECTOR`.

    What follows the first `=` is a selector by itself where it is `@FILE`, `-` or a criterion. `NAME=WORD,...` is a
    criterion where the annotations have a column NAME, else these are IDs.
    """
    found: dict[str, tuple[Selector, ...]] = {}
    for value in values:
        name, chosen = _parse_set(value, ignore_case)
        found[name] = (*found.get(name, ()), *chosen)
    return found


def _parse_set(value: str, ignore_case: bool) -> tuple[str, tuple[Selector, ...]]:
    """A set's name, "" where it has none, and its selectors."""
    whole = parse_selectors([value], ignore_case)
    match = _NAME.fullmatch(value)
    if match is None:
        return "", whole
    name, rest = match.groups()
    start, more, _ = rest.partition(" and ")
    if isinstance(parse_selectors([start])[0], Criteria):
        return name, parse_selectors([rest], ignore_case)
    if more:  # COLUMN=VALUE and COLUMN=VALUE
        return "", whole
    chosen = parse_selectors([rest], ignore_case)
    ids = tuple(one for one in chosen if isinstance(one, LiteralId))
    if not ids:
        return name, chosen
    (criterion,) = whole
    assert isinstance(criterion, Criteria)
    return name, (NamedNeurons(criterion.criteria, ids),)


def seed_sets(given: Any, parameter: Param, purpose: str) -> dict[str, tuple[Selector, ...]]:
    """Sets of neurons as a caller from Python gives them; "" is the name of the only one that has none.

    Raises
    ------
    UsageError, ArgumentTypeError
        Where no neurons are named, or a name is no text; `purpose` says what they are for.
    """
    if given is None:
        raise UsageError(f"{parameter.metavar('SELECTOR')}: name the neurons that {purpose}")
    if not isinstance(given, Mapping):
        return {"": python_selectors(given)}
    if not given:
        raise UsageError(f"{parameter}: an empty mapping names no set of neurons")
    for name in given:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"{parameter}: {name!r} is no name of a set; give text")
    return {name: python_selectors(chosen) for name, chosen in given.items()}


def has_names(sets: Mapping[str, Sequence[Selector]]) -> bool:
    """Whether only the annotations tell a set's name from a criterion."""
    return any(isinstance(one, NamedNeurons) for chosen in sets.values() for one in chosen)


def selection_name(parameter: str, name: str) -> str:
    """What the selection of a set is called among all those of a question."""
    return f"{parameter} {name}" if name else parameter


def named_sets(
    seeds: Mapping[str, Sequence[Selector]],
    selected: Mapping[str, Selection | None],
    annotations: Annotations | None,
    parameter: Param,
) -> list[SeedSet]:
    """The sets of neurons: `NAME=ID` is one where the annotations have no column of this name.

    Raises
    ------
    UsageError
        Where some have a name and others have none.
    """
    columns = None if annotations is None else annotations.columns
    found: list[SeedSet] = []
    unnamed: list[SeedSet] = []
    for name, chosen in seeds.items():
        criteria = [isinstance(one, NamedNeurons) and one.is_criterion(columns) for one in chosen]
        if any(criteria) and not all(criteria):
            raise UsageError(f"{parameter(name)}: the annotations have a column {name}; give the set another name")
        own = selected[name]
        ids = () if own is None else own.ids
        if name and not all(criteria):
            found.append(SeedSet(name, ids, _typed(chosen, columns), parameter))
        else:
            unnamed.append(SeedSet(None, ids, _typed(chosen, columns), parameter))
    if unnamed and found:
        raise UsageError(
            f"{parameter}: some sets have names ({join_names([str(one.name) for one in found])}), and others have "
            f"none; give each as {parameter.metavar('NAME=SELECTOR')}"
        )
    if not unnamed:
        return found
    ids = tuple(dict.fromkeys(neuron for one in unnamed for neuron in one.ids))
    return [SeedSet(None, ids, tuple(each for one in unnamed for each in one.typed), parameter)]


def _typed(chosen: Sequence[Selector], columns: Iterable[str] | None) -> tuple[LiteralId, ...]:
    """IDs that were named one by one."""
    found = [one for one in chosen if isinstance(one, LiteralId)]
    for one in chosen:
        if isinstance(one, NamedNeurons) and not one.is_criterion(columns):
            found += one.ids
    return tuple(found)


def one_set(chosen: Sequence[Selector], selected: Selection | None, parameter: Param) -> SeedSet:
    """Neurons that one parameter names, without a name of their own."""
    return SeedSet(None, () if selected is None else selected.ids, _typed(chosen, None), parameter)


def positions(
    engine: SqlEngine, table: Relation, neurons: str, ids: Sequence[NeuronId]
) -> tuple[np.ndarray[Any, Any], list[NeuronId]]:
    """Where neurons stand in the network, ascending, and those that do not.

    Parameters
    ----------
    neurons : str
        A table `id, position` of the network's neurons.
    """
    asked = engine.id_table("asked", ids, table.id_type)
    found = engine.arrays(f"SELECT n.position FROM {neurons} AS n JOIN {asked} AS a USING (id) ORDER BY 1")
    lost = engine.execute(
        f"SELECT id FROM {asked} WHERE id NOT IN (SELECT id FROM {neurons}) ORDER BY {asked}.position"
    )
    return found["position"].astype("int64"), [row[0] for row in lost]


def located(
    engine: SqlEngine, table: Relation, neurons: str, chosen: SeedSet, what: str, fate: str, notes: list[str]
) -> np.ndarray[Any, Any]:
    """Where the neurons of a set stand in the network, ascending.

    Parameters
    ----------
    neurons : str
        A table `id, position` of the network's neurons.
    what : str
        What they are, in the plural.
    fate : str
        What becomes of those that are in the table and have no edge that counts.
    notes : list of str
        Gets what is to be said of them.

    Raises
    ------
    DataError
        Where none has an edge, or one that was named by its ID is not in the table.
    """
    found, absent = positions(engine, table, neurons, chosen.ids)
    if absent:
        unknown = _unknown(engine, table, absent)
        wrong = {parse_id(one.value, table.id_type) for one in chosen.typed} & set(unknown)
        which = [neuron for neuron in unknown if neuron in wrong] if wrong else unknown
        if wrong or (unknown and not len(found)):
            text = f"{chosen.parameter}: {len(which):,} of {len(chosen.ids):,} are not in the table: {some(which)}"
            raise DataError(chosen.says(text))
        if not len(found):
            number = plural(len(chosen.ids), "neuron")
            raise DataError(
                chosen.says(f"{chosen.parameter}: none of {number} has an edge that counts: {some(absent)}")
            )
        of_all = f"{len(absent):,} of {len(chosen.ids):,} {what}"
        notes.append(chosen.says(f"{of_all} have no edge that counts, such as {some(absent)}; {fate}"))
    if not len(found):
        raise DataError(chosen.says(f"{chosen.parameter}: no neuron is named"))
    return found


def _unknown(engine: SqlEngine, table: Relation, ids: Sequence[NeuronId]) -> list[NeuronId]:
    """Those of some neurons that stand nowhere in the table, in their order."""
    asked = engine.id_table("asked", ids, table.id_type)
    rows = f"SELECT pre AS id FROM {table.relation} UNION ALL SELECT post FROM {table.relation}"
    if table.silent is not None:
        rows += f" UNION ALL SELECT id FROM {table.silent}"
    there = {row[0] for row in engine.execute(f"SELECT DISTINCT id FROM ({rows}) WHERE id IN (SELECT id FROM {asked})")}
    return [neuron for neuron in ids if neuron not in there]
