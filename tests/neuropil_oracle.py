"""Neuropils once more, in dictionaries and loops: boxes instead of meshes, so that containment is arithmetic.

Rows are as in `oracle`, with `position`: x, y, z in nm, or None.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import oracle
from oracle import Ledger, Neuron, Row, Rules, Weights, nulls_last

Point = tuple[float, float, float]
Boxes = Mapping[str, tuple[Point, Point]]

OTHER = "other"


def inside(point: Point, box: tuple[Point, Point]) -> bool:
    """Whether a box holds a point; of two that touch, one does."""
    return all(low <= x < high for low, x, high in zip(box[0], point, box[1], strict=True))


def neuropils_of(position: Point | None, boxes: Boxes, include_other: bool = True) -> list[str]:
    """Where a position lies: in every box that holds it, else in "other"; nowhere if it is not known."""
    if position is None:
        return []
    return [name for name, box in boxes.items() if inside(position, box)] or ([OTHER] if include_other else [])


def apart(rows: Iterable[Row], boxes: Boxes) -> bool:
    """Whether positions are known, and none lies in a box or on its sides: then the units are not the same."""
    points = [row["position"] for row in once(rows) if row["position"] is not None]
    return bool(points) and not any(
        all(low <= x <= high for low, x, high in zip(box[0], point, box[1], strict=True))
        for point in points
        for box in boxes.values()
    )


def once(rows: Iterable[Row], ledger: Ledger | None = None) -> list[Row]:
    """Each synapse once, also those without a neuron; a row that lacks one never stands for the id of another row."""

    def sooner(row: Row) -> Any:
        return nulls_last(row.get("size"), row.get("value"), *(row["position"] or (None, None, None)))

    rows = list(rows)
    whole: dict[Any, Row] = {}
    lone: dict[Any, Row] = {}
    found = [row for row in rows if row.get("id") is None]
    for row in rows:
        key = row.get("id")
        if key is None:
            continue
        kept = lone if None in (row["pre"], row["post"]) else whole
        other = kept.get(key, row)
        if (other["pre"], other["post"]) != (row["pre"], row["post"]) and kept is whole:
            raise oracle.ConflictError(str(key))
        if key in whole and kept is whole and ledger is not None:
            ledger["duplicate"] += 1
        kept[key] = min(other, row, key=sooner)
    return [*found, *whole.values(), *(row for key, row in lone.items() if key not in whole)]


def assigned(rows: Iterable[Row], boxes: Boxes, include_other: bool = True) -> dict[str, list[Row]]:
    """The synapses of each neuropil."""
    names = [*boxes, *([OTHER] if include_other else [])]
    found: dict[str, list[Row]] = {name: [] for name in names}
    for row in once(rows):
        for name in neuropils_of(row["position"], boxes, include_other):
            found[name].append(row)
    return found


def assignments(rows: Sequence[Row], boxes: Boxes, include_other: bool = True) -> list[tuple[Any, str]]:
    """The table `id, neuropil`, sorted; of rows without any id their numbers."""
    if not any("id" in row for row in rows):
        rows = [{**row, "id": number} for number, row in enumerate(rows)]
    found = assigned(rows, boxes, include_other)
    return sorted((row["id"], name) for name, inside_it in found.items() for row in inside_it if row["id"] is not None)


def plain(rows: Iterable[Row]) -> list[Row]:
    """Without ids, since each row is a synapse now."""
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


def summary(found: Mapping[str, Sequence[Row]], rules: Rules) -> list[tuple[str, int, int, int]]:
    """Neuropil, synapses, pairs and neurons, after cleaning and size, before the threshold."""
    rows = []
    for name, inside_it in found.items():
        weights, _ = oracle.synapse_edges(plain(inside_it), rules=Rules(rules.clean, rules.min_size))
        neurons = {neuron for pair in weights for neuron in pair}
        rows.append((name, sum(weights.values()), len(weights), len(neurons)))
    return rows


def ledger(rows: Sequence[Row], rules: Rules) -> Ledger:
    """What becomes of the rows of the table, whatever lies where."""
    counted = oracle.opened_ledger()
    counted["read"] = len(rows)
    counted["null"] = sum(None in (row["pre"], row["post"]) for row in rows)
    for row in once([row for row in rows if None not in (row["pre"], row["post"])], counted):
        counted[rules.objection(row) or "kept"] += 1
    return counted


def matrix(
    inside_it: Sequence[Row],
    annotations: Sequence[Row],
    rules: Rules,
    mode: str = "count",
    everybody: bool = False,
    sources: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    scope: str = "selected",
) -> tuple[Weights, int]:
    """Entries of one neuropil's nested matrix, and the synapses of neurons without annotation that it leaves out."""
    known = oracle.annotated(annotations)
    labels = oracle.types(annotations)
    edges, _ = oracle.synapse_edges(plain(inside_it), rules=rules)
    chosen = {
        pair: weight
        for pair, weight in edges.items()
        if (sources is None or labels.get(pair[0]) in sources) and (targets is None or labels.get(pair[1]) in targets)
    }
    shown = {pair: weight for pair, weight in chosen.items() if everybody or all(neuron in known for neuron in pair)}
    left_out = sum(chosen.values()) - sum(shown.values())
    if mode == "column":
        values: dict[tuple[Neuron, Neuron], Any] = defaultdict(int)
        for row in inside_it:
            if (row["pre"], row["post"]) in shown and rules.objection(row) is None:
                values[row["pre"], row["post"]] += row["value"] or 0
        return {pair: values[pair] for pair in shown}, left_out
    if mode == "count":
        return shown, left_out
    side = "output" if mode == "relative_outgoing" else "input"
    every, _ = oracle.synapse_edges(plain(inside_it), rules=Rules(rules.clean, rules.min_size))
    whole = oracle.totals(shown if scope == "selected" else every, side)
    return oracle.fractions(shown, side, whole), left_out
