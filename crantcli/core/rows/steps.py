"""The steps in which rows are removed, declared once with their order, and the cascade that they make."""

from __future__ import annotations

from collections.abc import Mapping

from crantcli.core.sql import all_of

#: All steps, in the order in which they are taken and told.
STEPS = (
    "where",
    "null",
    "duplicate",
    "unselected",
    "background",
    "autapse",
    "size",
    "threshold",
    "distance",
    "unannotated",
)

#: A condition that holds for rows without a neuron on one side.
NULL = "(pre IS NULL OR post IS NULL)"

#: What becomes of a row that no step removes.
KEPT = "kept"


def cascade(conditions: Mapping[str, str]) -> dict[str, str]:
    """Where each step removes a row: where its condition holds, and that of no step before it.

    Parameters
    ----------
    conditions : mapping of str to str
        Step -> condition, as query text that is null at most where the condition of a step before it holds.

    Returns
    -------
    dict of str to str
        Steps in their order, and `KEPT`. Just one of these conditions holds for each row.
    """
    found, before = {}, list[str]()
    for step, condition in _ordered(conditions).items():
        found[step] = all_of([*before, condition]) if condition != "FALSE" else condition
        before += _otherwise(condition)
    return {**found, KEPT: all_of(before)}


def step_number(conditions: Mapping[str, str]) -> str:
    """The same as one expression: the place of a row's step in `STEPS`; their number if the row is kept."""
    cases = [f"WHEN {condition} THEN {STEPS.index(step)}" for step, condition in _ordered(conditions).items()]
    return f"CAST(CASE {' '.join(cases)} ELSE {len(STEPS)} END AS TINYINT)"


def _otherwise(condition: str) -> list[str]:
    """Conditions that hold together where a condition does not. Engines look out for plain ones about nulls."""
    if condition == NULL:
        return ["pre IS NOT NULL", "post IS NOT NULL"]
    return [f"NOT {condition}"] if condition != "FALSE" else []


def _ordered(conditions: Mapping[str, str]) -> dict[str, str]:
    return {step: conditions[step] for step in sorted(conditions, key=STEPS.index)}
