"""Conditions on the figures of a comparison, such as `changed > 1000`: what `--fail-on` asks to be an error."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crantcli.errors import UsageError
from crantcli.text import P, did_you_mean

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
_FORM = re.compile(r"\s*([a-z_]+)\s*(<=|>=|!=|=|<|>)\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*")


@dataclass(frozen=True)
class FigureCondition:
    """A condition on one figure.

    Attributes
    ----------
    name : str
    sign : {"<", "<=", ">", ">=", "=", "!="}
    limit : float
    """

    name: str
    sign: str
    limit: float

    def __str__(self) -> str:
        """As it may be typed."""
        return f"{self.name} {self.sign} {self.limit:g}"


def parse_figure_condition(given: str, known: Sequence[str]) -> FigureCondition:
    """Read `changed > 1000`.

    Raises
    ------
    UsageError
        Where it has not this form, or names what is no figure.
    """
    match = _FORM.fullmatch(given)
    if match is None:
        raise UsageError(f"{P.fail_on} {given!r}: write NAME OP NUMBER, with <, <=, >, >=, = or !=")
    name, sign, limit = match.groups()
    if name not in known:
        raise UsageError(f"{P.fail_on} {given!r}: there is no figure {name} ({did_you_mean(name, known, 'figures')})")
    return FigureCondition(name, sign, float(limit))


def held(conditions: Sequence[FigureCondition], figures: Mapping[str, Any]) -> list[str]:
    """What to say of the conditions that hold. One on a figure that has no value does not.

    Raises
    ------
    UsageError
        Where a comparison of this kind has no such figure.
    """
    found = []
    for condition in conditions:
        if condition.name not in figures:
            raise UsageError(
                f"{P.fail_on} {str(condition)!r}: a comparison of this kind has no such figure; it has "
                f"{', '.join(name for name, value in figures.items() if not isinstance(value, Mapping | list))}"
            )
        value = figures[condition.name]
        if value is not None and _OPERATORS[condition.sign](value, condition.limit):
            found.append(f"{condition} ({value:,})")
    return found
