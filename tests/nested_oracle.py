"""The rules of nested matrices once more, in dictionaries and loops. Slow, and meant to be read.

Tables are lists of rows as in `oracle`; `value` is the column that is added up. Annotations are rows with `root_id`,
`cell_type` and, where there are any, `cell_instance` and `cell_subtype`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import oracle
from oracle import ConflictError, Ledger, Neuron, Row, Rules

#: Once around the ellipsoid body.
RING = ["R1", "L8", "R2", "L7", "R3", "L6", "R4", "L5", "R5", "L4", "R6", "L3", "R7", "L2", "R8", "L1"]

#: What the modes that make fractions are fractions of.
SIDES = {"relative_outgoing": "output", "relative_incoming": "input"}

Cells = list[list[Any]]
#: Axes of an adjacency that was read.
Ends = tuple[Sequence[Neuron], Sequence[Neuron]]


@dataclass(frozen=True)
class Choice:
    """The neurons of an axis, those of the types and those that are named, and the order of their types."""

    types: tuple[str, ...] | None = None
    neurons: tuple[Neuron, ...] | None = None
    order: tuple[str, ...] | str = ()

    def ids(self, people: Mapping[Neuron, Person]) -> set[Neuron] | None:
        """The neurons that are chosen; None for all."""
        if self.types is None and self.neurons is None:
            return None
        of_types = {neuron for neuron, person in people.items() if person.label in (self.types or ())}
        return of_types | set(self.neurons or ())


@dataclass(frozen=True)
class Query:
    """What a nested matrix is to show. `mode` None: the weights as they are."""

    source: Choice = Choice()
    target: Choice | None = None
    mode: str | None = None
    scope: str = "selected"
    annotation_scope: str = "annotated_only"
    neuron_order: str = "annotation"
    keep_silent: bool = False
    sum_duplicates: bool = False


@dataclass(frozen=True)
class Person:
    """A neuron as the annotations know it: the row where it first stands, its type, its place around the ring."""

    place: int
    label: str | None
    ring: int


@dataclass
class Nested:
    """A nested matrix: both axes, the blocks on them, and the cells."""

    source: list[Neuron]
    target: list[Neuron]
    source_blocks: dict[str, tuple[int, int]]
    target_blocks: dict[str, tuple[int, int]]
    cells: Cells
    ledger: Ledger
    people: dict[Neuron, Person]
    notes: dict[str, int] = field(default_factory=dict)

    def type_of(self, neurons: Sequence[Neuron]) -> dict[str, str | None]:
        """Neuron as text -> type."""
        return {str(n): self.people[n].label if n in self.people else None for n in neurons}

    @property
    def type_sum(self) -> Cells:
        return [
            [
                sum(self.cells[i][j] for i in range(*rows) for j in range(*columns))
                for columns in self.target_blocks.values()
            ]
            for rows in self.source_blocks.values()
        ]

    @property
    def type_mean(self) -> Cells:
        sums = self.type_sum
        for i, (top, bottom) in enumerate(self.source_blocks.values()):
            for j, (left, right) in enumerate(self.target_blocks.values()):
                sums[i][j] = sums[i][j] / ((bottom - top) * (right - left))
        return sums


def relative(cells: Cells) -> Cells:
    """Each row divided by the sum of its absolute values, a row without any 0."""
    sums = [sum(map(abs, row)) for row in cells]
    return [[cell / whole if whole else 0.0 for cell in row] for row, whole in zip(cells, sums, strict=True)]


# ------------------------------------------------------------------------------------------ annotations


def text_of(label: Any) -> str | None:
    """A label as text: 1.0 is 1, blanks are none."""
    if label is None or label != label:
        return None
    if isinstance(label, float) and label == int(label):
        label = int(label)
    return str(label).strip(" ") or None


def annotated(rows: Iterable[Row]) -> dict[Neuron, Person]:
    """Each neuron at the place of its first row, with its first row that has a type, else its first row."""
    places: dict[Neuron, int] = {}
    best: dict[Neuron, Row] = {}
    for place, row in enumerate(rows):
        neuron = row["root_id"]
        if neuron is None:
            continue
        places.setdefault(neuron, place)
        if neuron not in best or (text_of(best[neuron]["cell_type"]) is None and text_of(row["cell_type"]) is not None):
            best[neuron] = row
    return {
        neuron: Person(place, text_of(best[neuron]["cell_type"]), ring(best[neuron]))
        for neuron, place in places.items()
    }


def ring(row: Row) -> int:
    """Where a neuron of the ellipsoid body stands, from its instance, else from its subtype; others behind."""
    if text_of(row["cell_type"]) != "EPG/PEG":
        return 0
    for name in ("cell_instance", "cell_subtype"):
        for place, column in enumerate(RING):
            if (text_of(row.get(name)) or "").endswith(column):
                return place
    return len(RING)


# ------------------------------------------------------------------------------------------ order


def letters(label: str) -> str:
    """What stands before the first digit."""
    found = ""
    for character in label:
        if character in "0123456789":
            break
        found += character
    return found


def number(label: str) -> float:
    """The first number; none comes after all."""
    digits = ""
    for character in label[len(letters(label)) :]:
        if character not in "0123456789":
            break
        digits += character
    return int(digits) if digits else float("inf")


def by_label(label: str) -> tuple[Any, ...]:
    return (letters(label).casefold(), number(label), label)


def names(entry: str, label: str) -> bool:
    return entry == label


def folds(entry: str, label: str) -> bool:
    return entry.casefold() == label.casefold()


def stands_for(entry: str, label: str) -> bool:
    """Whether an entry of the order is a label, or what stands before its first digit or underscore."""
    stem = letters(label).split("_")[0]
    return folds(entry, label) or (stem != label and folds(entry, stem))


def type_order(sizes: Mapping[str, int], order: Sequence[str] | str) -> list[str]:
    """Types in order: the entry that names a label, else the one that names it but for case, else its letters."""
    if order == "size":
        return sorted(sizes, key=lambda label: (-sizes[label], *by_label(label)))

    def rank(label: str) -> int:
        for reads in (names, folds, stands_for):
            found = [place for place, entry in enumerate(order) if reads(entry, label)]
            if found:
                return found[0]
        return len(order)

    return sorted(sizes, key=lambda label: (rank(label), *by_label(label)))


def axis(
    neurons: Iterable[Neuron],
    people: Mapping[Neuron, Person],
    order: Sequence[str] | str,
    within: str,
    strength: Mapping[Neuron, Any],
) -> tuple[list[Neuron], dict[str, tuple[int, int]]]:
    """Neurons of an axis in order, and the blocks of the types."""
    members: dict[str, list[Neuron]] = defaultdict(list)
    untyped, unknown = [], []
    for neuron in neurons:
        label = people[neuron].label if neuron in people else None
        if label is not None:
            members[label].append(neuron)
        else:
            (untyped if neuron in people else unknown).append(neuron)
    keys = {
        "annotation": lambda n: (people[n].ring, people[n].place),
        "id": lambda n: n,
        "weight": lambda n: (-strength.get(n, 0), people[n].place),
    }
    ordered: list[Neuron] = []
    blocks = {}
    for label in type_order({label: len(them) for label, them in members.items()}, order):
        start = len(ordered)
        ordered += sorted(members[label], key=keys[within])
        blocks[label] = (start, len(ordered))
    return [*ordered, *sorted(untyped, key=str), *sorted(unknown, key=str)], blocks


# ------------------------------------------------------------------------------------------ edges


@dataclass
class Pair:
    """What stands between two neurons: synapses (or the weight of edges) that reach the size, their values, rows."""

    count: Any = 0
    value: Any = 0
    rows: int = 0
    objection: str | None = None


def pairs_of(rows: Sequence[Row], query: Query, rules: Rules, chosen: list[set[Neuron] | None], edges: bool) -> Any:
    """All pairs that touch an axis, and the ledger of what is on both."""
    ledger = oracle.opened_ledger()
    pre, post = chosen
    touching = []
    for row in rows:
        ledger["read"] += 1
        if row["pre"] is None or row["post"] is None:
            ledger["null"] += 1
        elif pre is not None and post is not None and row["pre"] not in pre and row["post"] not in post:
            ledger["unselected"] += 1
        else:
            touching.append(row)
    if edges:
        refuse_repeats(touching, query)
    else:
        touching = each_once(touching, ledger)
    found: dict[tuple[Neuron, Neuron], Pair] = defaultdict(Pair)
    for row in touching:
        pair = found[row["pre"], row["post"]]
        pair.rows += 1
        reason = rules.objection(row)
        if reason != "size":
            pair.objection = reason
            pair.count += row["weight"] if edges else 1
            pair.value += row.get("value") or 0
        inside = on(row["pre"], pre) and on(row["post"], post)
        if not inside:
            ledger["unselected"] += 1
        elif reason is not None:
            ledger[reason] += 1
    kept = {ends: pair for ends, pair in found.items() if pair.objection is None and rules.strong(pair.count)}
    for ends, pair in found.items():
        if pair.objection is None and on(ends[0], pre) and on(ends[1], post):
            amount = pair.rows if edges else pair.count
            if ends not in kept:
                ledger["threshold"] += amount
            else:
                ledger["kept"] += 1 if edges else amount
                ledger["merged"] += amount - 1 if edges else 0
    return found, kept, ledger


def on(neuron: Neuron, chosen: set[Neuron] | None) -> bool:
    return chosen is None or neuron in chosen


def refuse_repeats(rows: Sequence[Row], query: Query) -> None:
    seen = set()
    for row in rows:
        place = (row["pre"], row["post"], row.get("neuropil"))
        if place in seen and not query.sum_duplicates:
            raise ConflictError(f"{row['pre']}, {row['post']}")
        seen.add(place)


def each_once(rows: Sequence[Row], ledger: Ledger) -> list[Row]:
    """Of rows equal in id, pre and post the one that is smallest in size, then neuropil, then value."""
    copies: dict[Any, list[Row]] = defaultdict(list)
    for place, row in enumerate(rows):
        copies[("row", place) if row.get("id") is None else row["id"]].append(row)
    found = []
    for synapse, same in copies.items():
        if len({(row["pre"], row["post"]) for row in same}) > 1:
            raise ConflictError(str(synapse))
        ledger["duplicate"] += len(same) - 1
        found.append(min(same, key=lambda r: oracle.nulls_last(r.get("size"), r.get("neuropil"), r.get("value"))))
    return found


# ------------------------------------------------------------------------------------------ all together


def nested(
    rows: Sequence[Row],
    annotations: Sequence[Row],
    query: Query,
    rules: Rules,
    *,
    edges: bool = False,
    ends: Ends | None = None,
) -> Nested:
    """A nested matrix of synapses, or of `edges`, or of an adjacency that has neurons at its `ends`."""
    # The background is no neuron where rows with it are dropped.
    people = annotated(row for row in annotations if not (rules.clean and is_background(row["root_id"])))
    choices = [query.source, query.target or query.source]
    chosen = [choice.ids(people) for choice in choices]
    found, kept, ledger = pairs_of(rows, query, rules, chosen, edges)
    everybody = query.annotation_scope == "all"
    for (a, b), pair in kept.items():
        if not everybody and not (a in people and b in people) and on(a, chosen[0]) and on(b, chosen[1]):
            amount = 1 if edges else pair.count
            ledger["unannotated"] += amount
            ledger["kept"] -= amount
    shown = {ends_: pair for ends_, pair in kept.items() if everybody or (ends_[0] in people and ends_[1] in people)}
    there = []
    for side, wanted in enumerate(chosen):
        sides = (0, 1) if query.target is None else (side,)
        # Whoever is in a row that is left, and at the ends of a matrix, whatever stands in the rest of the row.
        seen = {ends_[end] for end in sides for ends_, pair in found.items() if left(pair, rules, edges)}
        seen |= {n for end in sides for n in (ends or ((), ()))[end] if not (rules.clean and is_background(n))}
        if query.keep_silent and wanted is not None:
            seen |= {n for n in wanted if not is_background(n)}
        elif query.keep_silent and query.target is None:
            seen |= {n for n in people if not is_background(n)}
        there.append({n for n in seen if on(n, wanted) and (everybody or n in people)})
    raw = {
        ends_: pair.value if query.mode == "column" else pair.count
        for ends_, pair in shown.items()
        if ends_[0] in there[0] and ends_[1] in there[1]
    }
    strength = strengths(raw, square=query.target is None)
    axes = [
        axis(there[side], people, choice.order, query.neuron_order, strength[side])
        for side, choice in enumerate(choices)
    ]
    (source, source_blocks), (target, target_blocks) = axes
    weights = fractions(raw, found, query)
    cells = [[weights.get((a, b), 0) for b in target] for a in source]
    notes = {
        "untyped": sum(n in people and people[n].label is None for n in {*source, *target}),
        "unannotated": sum(n not in people for n in {*source, *target}),
    }
    return Nested(source, target, source_blocks, target_blocks, cells, ledger, people, notes)


def left(pair: Pair, rules: Rules, edges: bool) -> bool:
    """Whether a pair of neurons is left after cleaning, size and threshold; an edge may say that there is nothing."""
    if pair.objection is not None:
        return False
    if rules.threshold > 1:
        return bool(pair.count >= rules.threshold)
    return edges or pair.count > 0


def is_background(neuron: Neuron | None) -> bool:
    return str(neuron) == "0"


def strengths(raw: Mapping[Any, Any], square: bool) -> list[dict[Neuron, Any]]:
    """Sums of what is shown, whatever its sign: of the rows and of the columns, or of both for a square matrix."""
    found: list[dict[Neuron, Any]] = [defaultdict(int), defaultdict(int)]
    for ends, weight in raw.items():
        for side in (0, 1):
            found[side][ends[side]] += abs(weight)
            if square:
                found[1 - side][ends[side]] += abs(weight)
    return found


def fractions(raw: Mapping[Any, Any], found: Mapping[Any, Pair], query: Query) -> dict[Any, Any]:
    """Weights as they are, or of the total of a neuron: of what is shown, or of all that was not cleaned away."""
    if query.mode not in SIDES:
        return dict(raw)
    side = 0 if SIDES[query.mode] == "output" else 1
    whole: dict[Neuron, Any] = defaultdict(int)
    if query.scope == "selected":
        for ends, weight in raw.items():
            whole[ends[side]] += weight
    else:
        for ends, pair in found.items():
            if pair.objection is None:
                whole[ends[side]] += pair.count
    return {ends: weight / whole[ends[side]] for ends, weight in raw.items() if whole[ends[side]]}
