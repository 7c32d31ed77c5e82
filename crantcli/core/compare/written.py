"""Comparisons as they are written, and what can be shown of each: differences, and the two sides that they are of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Measure:
    """A difference that can be shown of a pair: column `b` less column `a`, or `b` alone where it is one already."""

    name: str
    b: str
    a: str = ""


@dataclass(frozen=True)
class ComparisonForm:
    """A kind of comparison.

    Attributes
    ----------
    what : str
        What a row is.
    groups : bool
        Its ends are groups, in columns `pre_...` and `post_...`, and no neurons.
    a, b : str
        Columns of the two sides: the difference is `b` less `a`.
    needed : tuple of str
        Columns that tell it from other forms.
    columns : tuple of str
        Columns of numbers, in their order; those that are not needed may be missing.
    measures : tuple of Measure
        Further differences, of columns that may be missing.
    """

    what: str
    groups: bool
    a: str
    b: str
    needed: tuple[str, ...]
    columns: tuple[str, ...]
    measures: tuple[Measure, ...] = ()

    def having(self, there: Collection[str]) -> ComparisonForm:
        """The form of a table with these columns."""
        return replace(
            self,
            columns=tuple(name for name in self.columns if name in there),
            measures=tuple(one for one in self.measures if one.b in there and (not one.a or one.a in there)),
        )


_SYNAPSES = ("old", "new", "added", "removed", "moved_in", "moved_out")
_GROUPS = (
    "weight_a", "weight_b", "edges_a", "possible_a", "edges_b", "possible_b", "probability_a", "probability_b",
    "fraction_a", "fraction_b", "ratio", "p", "p_holm", "p_adjusted", "p_adjusted_holm",
)  # fmt: skip
_CHANCE = ("edges", "possible", "expected", "sd", "z", "p", "p_holm")

#: All forms; no table is of two.
FORMS = (
    ComparisonForm(
        "pairs of neurons", False, "weight_a", "weight_b",
        ("pre", "post", "weight_a", "weight_b", "difference"), ("weight_a", "weight_b"),
    ),
    ComparisonForm("pairs of neurons, by their synapses", False, "old", "new", ("pre", "post", *_SYNAPSES), _SYNAPSES),
    ComparisonForm(
        "pairs of groups", True, "weight_a", "weight_b", ("weight_a", "weight_b", "edges_a", "edges_b"), _GROUPS,
        (
            Measure("difference of probabilities", "probability_b", "probability_a"),
            Measure("difference of fractions of input", "fraction_b", "fraction_a"),
        ),
    ),
    ComparisonForm(
        "pairs of groups, with chance", True, "expected", "edges", ("edges", "possible", "expected", "sd", "z"),
        _CHANCE, (Measure("z", "z"),),
    ),
)  # fmt: skip


def form_of(columns: Collection[str]) -> ComparisonForm | None:
    """The form that a table with these columns has; None where it is no comparison."""
    for form in FORMS:
        if set(form.needed) <= set(columns) and (not form.groups or all(ends_of(columns))):
            return form.having(columns)
    return None


def ends_of(columns: Collection[str]) -> tuple[list[str], list[str]]:
    """Columns of the labels of both ends of pairs of groups; each has one of the other end beside it."""
    names = [name.removeprefix("pre_") for name in columns if name.startswith("pre_")]
    both = [name for name in names if f"post_{name}" in columns]
    return [f"pre_{name}" for name in both], [f"post_{name}" for name in both]
