"""Values of options that go past Typer's own way are what it would have made of them."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SETTINGS

from crantcli.cli.app import _command
from crantcli.cli.values import UNSURE, plain_value
from crantcli.schema import Kind

GROUP = _command()
CONTEXT = GROUP.make_context("crantcli", ["--help"], resilient_parsing=True)
PARAMETERS = {
    f"{name} {parameter.opts[0]}": parameter
    for name in GROUP.list_commands(CONTEXT)
    for parameter in GROUP.get_command(CONTEXT, name).get_params(CONTEXT)
    if parameter.name != "help"
}

#: What may stand on a command line, above all what looks like a number and is none.
TEXTS = st.one_of(
    st.text(),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["", "0", "00", "1", "-1", "+1", " 1", "1 ", "1_0", "1e3", "1.", ".5", "1.50", "inf", "nan", "٣", "nm", "NM",
         "synapses", "edges", "true", "latest"]
    ),
)  # fmt: skip
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)


@cache
def without_ours(label: str) -> Any:
    """A parameter as Typer has made it."""
    found = copy.copy(PARAMETERS[label])
    vars(found).pop("process_value", None)
    return found


def usual(label: str, value: Any) -> Any:
    """What Typer makes of a value; `UNSURE` where it refuses it."""
    try:
        return without_ours(label).process_value(CONTEXT, value)
    except Exception:
        return UNSURE


@pytest.mark.parametrize("label", PARAMETERS)
def test_defaults_are_plain(label: str) -> None:
    parameter = PARAMETERS[label]
    if parameter.required:
        return
    found = plain_value(parameter, parameter.get_default(CONTEXT))
    assert found is not UNSURE
    assert found == usual(label, parameter.get_default(CONTEXT))


@SETTINGS
@given(VALUES, st.lists(TEXTS, max_size=3).map(tuple))
def test_plain_values_are_those_of_typer(value: Any, values: tuple[str, ...]) -> None:
    for label, parameter in PARAMETERS.items():
        asked = values if parameter.multiple or parameter.nargs == -1 else value
        found = plain_value(parameter, asked)
        if found is not UNSURE and not (parameter.required and parameter.value_is_missing(found)):
            expected = usual(label, asked)
            assert (label, type(found), found) == (label, type(expected), expected)


def test_what_people_type_is_plain() -> None:
    for label, text, value in (
        ("counts --threshold", "5", 5),
        ("connectivity --kind", "edges", Kind.EDGES),
        ("attach --skeleton-units", "um", "um"),
        ("attach --max-distance", "2500.5", 2500.5),
        ("connectivity --output", "-", "-"),
    ):
        assert plain_value(PARAMETERS[label], text) == value
    assert plain_value(PARAMETERS["connectivity --neurons"], ("1", "2")) == ["1", "2"]
    for text in ("0", "x", "5.0", "-5", "5 "):
        assert plain_value(PARAMETERS["counts --threshold"], text) is UNSURE
