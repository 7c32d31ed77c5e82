"""How alike neurons are in their partners: cosines of connectivity vectors, the most similar ones, trees, matches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from crantcli.checks import check_choice, check_names, check_switches, whole_number
from crantcli.core.engine import SqlEngine
from crantcli.core.question import Figure, Matrix, Output, Summary, Table
from crantcli.core.questions.base import (
    Describe,
    Given,
    Inputs,
    Needs,
    Question,
    Results,
    Scope,
    Selectors,
    as_names,
    normalize_selectors,
)
from crantcli.core.relation import Completeness
from crantcli.core.rows.weights import Signs, Weighing, Weight
from crantcli.core.similar.answers import Likeness, MatchedLikeness, likeness, matched_likeness
from crantcli.core.similar.trees import Linkage
from crantcli.core.similar.vectors import Compared
from crantcli.errors import ArgumentTypeError, UsageError
from crantcli.ids import Criteria, Selection, parse_selectors
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.ids import Selector

#: Matches of each neuron that are told where it is not said how many.
MATCHES = 5

#: Outputs for which a tree is made.
OF_TREES = ("clusters", "order", "tree", "plot")


@dataclass(frozen=True)
class Similar(Question):
    """How alike neurons are in their partners.

    The cosine of the angle between connectivity vectors: synapses from, or onto, each partner.

    Attributes
    ----------
    neurons : neurons or None
        Whose vectors are compared; None for all.
    of : {"input", "output", "joined", "weighted"}
        Inputs, outputs, both laid end to end, or the cosines of both weighted by all synapses of the neurons that are
        compared: (cos_in W_in + cos_out W_out) / (W_in + W_out).
    by : tuple of str
        Columns of the annotations by which partners are grouped; else each neuron is a partner of its own.
    rows_by : tuple of str
        Columns by which neurons are grouped: their vectors are added up, as for whole types.
    top : int or None
        The most similar ones of each, as a table, instead of a matrix; None for a matrix (of `match`: 5).
    cluster : {"average", "ward", "complete", "single"} or None
        How clusters are merged; None is average.
    cut : int, float or None
        Number of clusters, or the height where the tree is cut.
    match : str or None
        "COLUMN=A,B": the most similar neurons of B for each of A.
    pair : str or None
        With `match`, the column that tells who is whose partner. Partners of vectors are matched by it, too, unless
        `by` groups them.
    sum_duplicates, ignore_case : bool
    weight, min_fraction, signs
        As of `Connectivity`. Means of a column are those of pairs of neurons, and are not added up by groups.
    """

    neurons: Selectors = None
    of: Compared = "joined"
    by: tuple[str, ...] = ()
    rows_by: tuple[str, ...] = ()
    top: int | None = None
    cluster: Linkage | None = None
    cut: int | float | None = None
    match: str | None = None
    pair: str | None = None
    sum_duplicates: bool = False
    ignore_case: bool = False
    weight: str | Weight = "count"
    min_fraction: float | None = None
    signs: Signs | None = None

    command: ClassVar[str] = "similar"
    outputs: ClassVar[Mapping[str, type]] = {
        "": Matrix, "clusters": Table, "order": Table, "tree": Table, "summary": Summary, "plot": Figure,
    }  # fmt: skip

    def __post_init__(self) -> None:
        normalize_selectors(self, "neurons")
        for name in ("by", "rows_by"):
            object.__setattr__(self, name, as_names(getattr(self, name)))
        check_choice("of", self.of, get_args(Compared))
        if self.cluster is not None:
            check_choice("cluster", self.cluster, get_args(Linkage))
        check_switches(sum_duplicates=self.sum_duplicates, ignore_case=self.ignore_case)
        check_names(match=self.match, pair=self.pair)
        object.__setattr__(self, "top", whole_number("top", self.top))
        object.__setattr__(self, "cut", _checked_cut(self.cut))
        if self.top is not None and self.top < 1:
            raise UsageError(f"{P.top(self.top)}: at least 1")
        object.__setattr__(self, "weight", Weight.parse(self.weight))
        self._check_together()
        self._check_means()
        if self.top is not None or self.match is not None:
            object.__setattr__(self, "outputs", {**type(self).outputs, "": Table})

    def _check_together(self) -> None:
        """Refuse what contradicts itself."""
        table = P.match if self.match is not None else P.top if self.top is not None else None
        for name in ("cluster", "cut"):
            if table is not None and getattr(self, name) is not None:
                raise UsageError(f"{getattr(P, name)} is about a tree, which is not made with {table}; leave one out")
        if self.match is None:
            if self.pair is not None:
                raise UsageError(f"{P.pair(self.pair)} goes with {P.match.metavar('COLUMN=A,B')}")
            return
        self.sides  # noqa: B018  (it is checked)
        if self.rows_by:
            raise UsageError(f"{P.match} is about neurons, and {P.rows_by} adds them up; use one of the two")

    def _check_means(self) -> None:
        """Refuse means where entries of vectors are added up."""
        if self.weighing.weight.how != "mean":
            return
        for name in ("by", "rows_by", "pair"):
            if getattr(self, name):
                raise UsageError(
                    f"{getattr(P, name)} adds up the weights of several pairs, and {P.weight(str(self.weight))} is the "
                    f"mean of each; take {P.weight(f'sum:{self.weighing.column}')}, or leave {getattr(P, name)} out"
                )

    @property
    def weighing(self) -> Weighing:
        """What is told of pairs, and which are strong enough."""
        return Weighing(Weight.parse(self.weight), self.min_fraction, self.signs)

    @property
    def sides(self) -> dict[str, tuple[Selector, ...]]:
        """The two sides that are matched, as `match` names them.

        Raises
        ------
        UsageError
        """
        assert self.match is not None
        found = parse_selectors([self.match], self.ignore_case)
        criteria = [each for one in found if isinstance(one, Criteria) for each in one.criteria]
        if len(criteria) != 1 or criteria[0].operator != "=" or criteria[0].negate or len(criteria[0].values) != 2:
            raise UsageError(f"{P.match(self.match)}: write a column and its values for two sides, such as side=L,R")
        column, names = criteria[0].column, criteria[0].values
        if names[0] == names[1]:
            raise UsageError(f"{P.match(self.match)}: the two sides are one")
        return {
            name: (Criteria((type(criteria[0])(column, (name,), ignore_case=self.ignore_case),)),) for name in names
        }

    def needs(self) -> Needs:
        """The neurons that are compared, and labels of groups and partners."""
        sides = {} if self.match is None else dict(zip("ab", self.sides.values(), strict=True))
        return Needs(
            {"neurons": self.neurons, **sides},
            labels=bool(self.by or self.rows_by or self.pair or self.signs),
            columns=() if self.weighing.column is None else (self.weighing.column,),
            value=self.weighing.column,
            without_totals="" if self.min_fraction is not None else f"{P.totals} goes with {P.min_fraction}",
        )

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """All inputs and outputs that are compared."""
        named = [given.neurons[name] for name in (("neurons",) if self.match is None else ("a", "b"))]
        chosen = [one for one in named if one is not None]
        ids = tuple(dict.fromkeys(neuron for one in chosen for neuron in one.ids))
        return Scope(either=Selection(ids) if chosen else None, inputs=self.of != "output", outputs=self.of != "input")

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Compare them."""
        self._check_wanted(wanted)
        found: Likeness | MatchedLikeness
        if self.match is not None:
            found = matched_likeness(
                engine,
                given,
                self.of,
                self.by,
                tuple(self.sides),
                self.pair,
                self.top or MATCHES,
                self.weighing,
                self.sum_duplicates,
            )
        else:
            found = likeness(
                engine, given, self.of, self.by, self.rows_by, self.top, self.cluster or "average", self.cut,
                self.weighing, self.sum_duplicates,
            )  # fmt: skip
        outputs: dict[str, Output] = {"": found.main, **found.tables(wanted), "summary": Summary(found.figures)}
        if "plot" in wanted:
            assert isinstance(found, Likeness)
            outputs["plot"] = Figure("similarity", found.picture())
        # It holds no synapses, so it tells nothing of anybody's inputs and outputs.
        nobody = Completeness(frozenset(), frozenset(), True, "being a table of similarities")
        trees = bool(wanted & set(OF_TREES))
        return Results(
            outputs,
            "similarity",
            found.rows,
            found.vectors.ledger,
            nobody,
            found.rows,
            found.sentence,
            options={
                "of": self.of,
                "by": list(self.by),
                "rows_by": list(self.rows_by),
                "top": self.top or (MATCHES if self.match else None),
                "cluster": (self.cluster or "average") if trees else None,
                "cut": self.cut,
                "match": self.match,
                "pair": self.pair,
                "sum_duplicates": self.sum_duplicates or None,
                **self.weighing.record(),
            },
            facts={**self.weighing.facts(given.source), "figures": found.figures},
            notes=found.vectors.notes,
            details={"figures": found.figures},
        )

    def _check_wanted(self, wanted: frozenset[str]) -> None:
        """Refuse outputs that are not made, and options that bear on none that is."""
        of_trees = [name for name in OF_TREES if name in wanted]
        table = P.match if self.match is not None else P.top if self.top is not None else None
        if of_trees and table is not None:
            raise UsageError(
                f"{getattr(P, of_trees[0])} is about a tree, which is not made with {table}; leave one out"
            )
        if "clusters" in wanted and self.cut is None:
            raise UsageError(f"{P.clusters} needs {P.cut.metavar('K', 'H')}: how many, or the height of the cut")
        if self.cut is not None and not wanted & {"clusters", "plot"}:
            raise UsageError(f"{P.cut(self.cut)} is for {P.clusters.metavar('FILE')} and {P.plot.metavar('FILE')}")
        if self.cluster is not None and not of_trees:
            listed = [getattr(P, name).metavar("FILE") for name in OF_TREES]
            raise UsageError(f"{P.cluster(self.cluster)} is for {', '.join(listed[:-1])} and {listed[-1]}")


def parse_cut(given: str) -> int | float:
    """Read where a tree is cut: a whole number is one of clusters, a number with a point a height.

    Raises
    ------
    UsageError
    """
    text = given.strip()
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise UsageError(
            f"{P.cut(given)}: a whole number of clusters, such as 8, or a height with a point, such as 0.5"
        ) from None


def _checked_cut(given: Any) -> int | float | None:
    if given is None:
        return None
    if isinstance(given, bool | str) or not hasattr(given, "__float__"):
        raise ArgumentTypeError(f"cut={given!r}: a whole number of clusters, or a height")
    if hasattr(given, "__index__"):
        number = whole_number("cut", given) or 0
        if number < 1:
            raise UsageError(f"{P.cut(number)}: at least one cluster")
        return number
    height = float(given)
    if not 0 <= height < math.inf:
        raise UsageError(f"{P.cut(str(height))}: a height is a number from 0.0")
    return height
