"""Whether answers belong together: all parts of one partition, each once, and the same question asked of all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crantcli.core.ledger import Ledger
from crantcli.core.partition import PartsOf, joined_parts, named_parts
from crantcli.core.relation import Completeness
from crantcli.core.rows.denominators import MOST_TOLD
from crantcli.errors import DataError
from crantcli.text import join_names

#: What the provenance of two parts' answers may say differently.
_OWN = {
    "inputs",
    "ledger",
    "complete_for",
    "rows",
    "read_as",
    "silent",
    "first_silent",
    "assigned",
    "unique_ids",
    "totals",
}


@dataclass(frozen=True)
class PartAnswer:
    """What was made of some parts of a partitioned table.

    Attributes
    ----------
    name : str
        What to call it in messages.
    record : dict
        Its provenance.
    part : PartsOf
    completeness : Completeness
    ledger : Ledger
    """

    name: str
    record: dict[str, Any]
    part: PartsOf
    completeness: Completeness
    ledger: Ledger

    @classmethod
    def of(cls, name: str, record: dict[str, Any] | None) -> PartAnswer:
        """Read the provenance of an answer.

        Raises
        ------
        DataError
            Where there is none, it is damaged, or the answer is not one of parts.
        """
        if record is None:
            raise DataError(
                f"{name}: does not say how it was made, or was changed since; write what is made of each part as "
                ".parquet or .feather, which carry that"
            )
        try:
            completeness = Completeness.from_dict(record["complete_for"])
            ledger = Ledger.from_dict(record["ledger"])
        except (AttributeError, KeyError, TypeError, ValueError):
            raise DataError(f"{name}: its provenance is damaged; make it again") from None
        if completeness.part is None:
            raise DataError(
                f"{name}: was not made of parts of a partitioned table; merge takes what was made of the files that "
                "crantcli partition wrote"
            )
        if record.get("command") == "partition":
            raise DataError(
                f"{name}: is a part of the table itself, whose folder every command reads as the whole table; merge "
                "takes what was made of each part"
            )
        return cls(name, record, completeness.part, completeness, ledger)


def in_order_of_parts(answers: Sequence[PartAnswer]) -> list[PartAnswer]:
    """Answers that belong together, in the order of their parts.

    Raises
    ------
    DataError
        Where a part is missing or comes twice, or they are of several partitions or questions.
    """
    first = answers[0]
    joined = joined_parts([answer.part for answer in answers], [answer.name for answer in answers])
    if joined is None:
        other = next(answer for answer in answers if answer.part.partition != first.part.partition)
        raise DataError(
            f"{other.name} was made of another partition than {first.name} (other rows, options, bounds or number of "
            "parts); give what was made of the parts of one"
        )
    if not joined.complete:
        raise DataError(
            f"{named_parts(joined.missing)} of {joined.of} {'is' if len(joined.missing) == 1 else 'are'} missing: "
            f"{join_names([answer.name for answer in answers], 3)} {'is' if len(answers) == 1 else 'are'} of "
            f"{named_parts(joined.numbers)}; give what was made of all parts"
        )
    for other in answers[1:]:
        _refuse_different(first, other)
    _refuse_other_inputs(answers)
    return sorted(answers, key=lambda answer: answer.part.numbers)


def _refuse_different(one: PartAnswer, other: PartAnswer) -> None:
    """Refuse answers to different questions, or of different versions of the program."""
    told = ((one.record, other.record), ({"neurons": _together(one)}, {"neurons": _together(other)}))
    for first, second in told:
        for name, here, there in _differences(first, second):
            raise DataError(
                f"{other.name} was made with {name} {_value(there)}, and {one.name} with {_value(here)}; make all with "
                "the same"
            )


def _together(answer: PartAnswer) -> Any:
    """Who was asked for, as far as the completeness tells it."""
    return answer.part.as_dict()["together"]


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*one, *other} - _OWN):
        here, there = one.get(name), other.get(name)
        if here == there:
            continue
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            yield from _differences(here, there)
        else:
            yield ("version" if name == "crantcli" else name), here, there


def _value(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return "none" if value is None else shown if len(shown) <= 80 else f"{shown[:80]} ..."


def _refuse_other_inputs(answers: Sequence[PartAnswer]) -> None:
    """Refuse answers that were made with other annotations, meshes or the like: all inputs are shared but the parts."""
    listed = [[json.dumps(given, sort_keys=True) for given in answer.record.get("inputs", ())] for answer in answers]
    shared = set(listed[0]).intersection(*listed[1:]) if len(answers) > 1 else set()
    for answer, inputs in zip(answers, listed, strict=True):
        own = [given for given in inputs if given not in shared]
        if len(answers) > 1 and len(own) != len(answer.part.numbers):
            names = [str(json.loads(given).get("name")) for given in own]
            raise DataError(
                f"{answer.name} was made of {join_names(names, 5)}, and not all of that are parts, or inputs of the "
                "others; make all with the same files"
            )


def joined_record(answers: Sequence[PartAnswer], rows: int) -> dict[str, Any]:
    """The provenance of all together: that of one run on the whole, but for its inputs, which are the parts."""
    inputs = {json.dumps(given, sort_keys=True): given for answer in answers for given in answer.record["inputs"]}
    first = answers[0].record
    unique = {"unique_ids": all(answer.record["unique_ids"] for answer in answers)} if "unique_ids" in first else {}
    found = {
        **{name: value for name, value in first.items() if name not in _OWN},
        **unique,
        "inputs": list(inputs.values()),
        "ledger": joined_ledger(answers).as_dict(),
        "complete_for": joined_completeness(answers).as_dict(),
        "rows": rows,
        **({"read_as": first["read_as"]} if "read_as" in first else {}),
        "merged": {"partition": answers[0].part.partition, "parts": answers[0].part.of},
    }
    totals = _joined_totals(answers)
    return {**found, **({"totals": totals} if totals else {})}


def _joined_totals(answers: Sequence[PartAnswer]) -> dict[str, dict[str, float]]:
    """Totals of neurons that the answers tell, as far as one run would: none of a side of which it has too many.

    Edges that have all inputs and outputs tell none.
    """
    if answers[0].record["command"] == "connectivity" and joined_completeness(answers).whole:
        return {}
    told = [answer.record.get("totals", {}) for answer in answers if answer.record["rows"]]
    joined: dict[str, dict[str, float]] = {}
    for side in sorted({side for totals in told for side in totals}):
        if all(side in totals for totals in told):
            neurons = {neuron: total for totals in told for neuron, total in totals[side].items()}
            if len(neurons) <= MOST_TOLD:
                joined[side] = neurons
    return joined


def joined_ledger(answers: Sequence[PartAnswer]) -> Ledger:
    """What became of all rows."""
    total = answers[0].ledger
    for answer in answers[1:]:
        total += answer.ledger
    total.check()
    return total


def joined_completeness(answers: Sequence[PartAnswer]) -> Completeness:
    """What all parts together are complete for."""
    one = answers[0].completeness
    reasons = [answer.completeness.filtered_by for answer in answers if answer.completeness.filtered_by]
    part = answers[0].part
    return replace(one, inputs=part.inputs, outputs=part.outputs, filtered_by=reasons[0] if reasons else "", part=None)
