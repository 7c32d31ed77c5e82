"""Every rule once more, in dictionaries and loops, for the tests to compare with. Slow, and meant to be read.

Rows are dictionaries: `pre`, `post` and, where a table has them, `id`, `size`, `weight`, `neuropil`. A key that is
absent stands for a null.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Neuron = int | str
Row = Mapping[str, Any]
#: (pre, post), or (pre, post, neuropil).
Key = tuple[Any, ...]
Weights = dict[Key, Any]
Ledger = dict[str, int]

STEPS = (
    "where", "null", "duplicate", "unselected", "background", "autapse", "size", "threshold", "distance", "unannotated",
)  # fmt: skip


class ConflictError(ValueError):
    """Two rows that cannot both be right; `str()` is the synapse id, or the pair, that they share."""


@dataclass(frozen=True)
class Rules:
    """Which of the selected rows count."""

    clean: bool = True
    min_size: int | None = None
    threshold: int = 1

    @property
    def given(self) -> int | None:
        """The threshold to ask for: 1 that is given drops weights below 1, and here it stands for none."""
        return None if self.threshold == 1 else self.threshold

    def objection(self, row: Row) -> str | None:
        """The first step that removes a row; None for a row that passes all but the threshold."""
        if self.clean and "0" in (str(row["pre"]), str(row["post"])):
            return "background"
        if self.clean and row["pre"] == row["post"]:
            return "autapse"
        if self.min_size is not None and (row.get("size") is None or row["size"] < self.min_size):
            return "size"
        return None

    def strong(self, weight: Any) -> bool:
        """Whether a pair of this weight is kept."""
        return bool(weight != 0 if self.threshold == 1 else weight >= self.threshold)


@dataclass(frozen=True)
class Chosen:
    """Neurons that rows are selected by: `pre` and `post` must both hold, `either` on one side or the other."""

    pre: Sequence[Neuron] | None = None
    post: Sequence[Neuron] | None = None
    either: Sequence[Neuron] | None = None

    def takes(self, row: Row) -> bool:
        """Whether a row is selected."""
        if self.pre is not None and row["pre"] not in self.pre:
            return False
        if self.post is not None and row["post"] not in self.post:
            return False
        return self.either is None or row["pre"] in self.either or row["post"] in self.either


EVERYTHING = Chosen()
USUAL = Rules()


def selected(rows: Iterable[Row], chosen: Chosen, ledger: Ledger) -> list[Row]:
    """Rows with two neurons that were asked for."""
    found = []
    for row in rows:
        ledger["read"] += 1
        if row["pre"] is None or row["post"] is None:
            ledger["null"] += 1
        elif not chosen.takes(row):
            ledger["unselected"] += 1
        else:
            found.append(row)
    return found


def nulls_last(*values: Any) -> tuple[Any, ...]:
    """A sort key in which nulls come last."""
    return tuple((value is None, 0 if value is None else value) for value in values)


def each_once(rows: Iterable[Row], ledger: Ledger) -> list[Row]:
    """Each synapse once: of rows equal in id, pre and post the one that is smallest in what it carries."""
    first: dict[Any, Row] = {}
    found = []
    for row in rows:
        synapse = row.get("id")
        if synapse is None:
            found.append(row)
            continue
        other = first.setdefault(synapse, row)
        if (other["pre"], other["post"]) != (row["pre"], row["post"]):
            raise ConflictError(str(synapse))
        if other is not row:
            ledger["duplicate"] += 1
            first[synapse] = min(other, row, key=lambda r: nulls_last(r.get("size"), r.get("neuropil")))
    return [*found, *first.values()]


def opened_ledger() -> Ledger:
    return {"read": 0, **dict.fromkeys(STEPS, 0), "merged": 0, "kept": 0}


def adds_up(ledger: Ledger) -> bool:
    """Whether every row that was read is accounted for once."""
    return ledger["read"] == sum(number for step, number in ledger.items() if step != "read")


def synapses(rows: Iterable[Row], chosen: Chosen, rules: Rules) -> tuple[list[Row], Ledger]:
    """The rows that `synapses` keeps, sorted, and their ledger."""
    ledger = opened_ledger()
    passing = []
    for row in each_once(selected(rows, chosen, ledger), ledger):
        reason = rules.objection(row)
        if reason is None:
            passing.append(row)
        else:
            ledger[reason] += 1
    pairs = Counter((row["pre"], row["post"]) for row in passing)
    kept = [row for row in passing if pairs[row["pre"], row["post"]] >= rules.threshold]
    ledger["threshold"] = len(passing) - len(kept)
    ledger["kept"] = len(kept)
    kept.sort(key=lambda row: nulls_last(*(row.get(name) for name in ("pre", "post", "id", "size", "neuropil"))))
    return kept, ledger


def synapse_edges(
    rows: Iterable[Row], chosen: Chosen = EVERYTHING, rules: Rules = USUAL, by_neuropil: bool = False
) -> tuple[Weights, Ledger]:
    """Numbers of synapses per pair, or per pair and neuropil."""
    kept, ledger = synapses(rows, chosen, rules)
    keys = ("pre", "post", "neuropil") if by_neuropil else ("pre", "post")
    return dict(Counter(tuple(row.get(name) for name in keys) for row in kept)), ledger


def table_edges(
    rows: Iterable[Row],
    chosen: Chosen = EVERYTHING,
    rules: Rules = USUAL,
    by_neuropil: bool = False,
    sum_duplicates: bool = False,
) -> tuple[Weights, Ledger]:
    """Weights per pair, or per pair and neuropil, from an edge table."""
    ledger = opened_ledger()
    picked = selected(rows, chosen, ledger)
    seen: set[Key] = set()
    for row in picked:
        place = (row["pre"], row["post"], row.get("neuropil"))
        if place in seen and not sum_duplicates:
            raise ConflictError(f"{row['pre']}, {row['post']}")
        seen.add(place)
    weights: Weights = defaultdict(int)
    pairs: Weights = defaultdict(int)
    passing = []
    for row in picked:
        reason = rules.objection(row)
        if reason is None:
            passing.append(row)
            weights[_edge_key(row, by_neuropil)] += row["weight"]
            pairs[row["pre"], row["post"]] += row["weight"]
        else:
            ledger[reason] += 1
    found = {key: weight for key, weight in weights.items() if weight != 0 and rules.strong(pairs[key[:2]])}
    behind = sum(_edge_key(row, by_neuropil) in found for row in passing)
    ledger["threshold"] = len(passing) - behind
    ledger["kept"] = len(found)
    ledger["merged"] = behind - len(found)
    return found, ledger


def _edge_key(row: Row, by_neuropil: bool) -> Key:
    return (row["pre"], row["post"], row.get("neuropil")) if by_neuropil else (row["pre"], row["post"])


def partners_of(neurons: Sequence[Neuron] | None, upstream: bool = True, downstream: bool = True) -> Chosen:
    """The rows that `connectivity` is about."""
    if upstream and downstream:
        return Chosen(either=neurons)
    return Chosen(post=neurons) if upstream else Chosen(pre=neurons)


def ordered(weights: Weights) -> list[tuple[Any, ...]]:
    """Edges as rows `pre, post, [neuropil,] weight`: strongest first, then by pre, post, neuropil."""
    keys = sorted(weights, key=lambda key: (-weights[key], *nulls_last(*key)))
    return [(*key, weights[key]) for key in keys]


def strongest(
    weights: Weights, top: int, asked: Sequence[Neuron] | None, upstream: bool = True, downstream: bool = True
) -> Weights:
    """Edges among the `top` outputs of their pre neuron or the `top` inputs of their post neuron, if it was asked for.

    Ties go to the partner with the lower ID. All neuropils of a pair stand or fall together.
    """
    pairs: Weights = defaultdict(int)
    for key, weight in weights.items():
        pairs[key[:2]] += weight
    kept: set[Key] = set()
    for here, there, wanted in ((0, 1, downstream), (1, 0, upstream)):
        for neuron in {pair[here] for pair in pairs} if wanted else ():
            if asked is None or neuron in asked:
                mine = [pair for pair in pairs if pair[here] == neuron]
                kept.update(sorted(mine, key=lambda pair: (-pairs[pair], pair[there]))[:top])
    return {key: weight for key, weight in weights.items() if key[:2] in kept}


def totals(weights: Weights, side: str) -> dict[Any, Any]:
    """All input, or all output, of each neuron."""
    found: dict[Any, Any] = defaultdict(int)
    for key, weight in weights.items():
        found[key[1] if side == "input" else key[0]] += weight
    return dict(found)


def fractions(weights: Weights, side: str, whole: Mapping[Any, Any]) -> dict[Key, float]:
    """Each edge's part of the total input of its post neuron, or of the total output of its pre neuron."""
    return {key: weight / whole[key[1] if side == "input" else key[0]] for key, weight in weights.items()}


def annotated(annotations: Iterable[Row], id_column: str = "root_id", type_column: str = "cell_type") -> dict[Any, Row]:
    """The row that counts for each neuron: its first with a type, else its first."""
    found: dict[Any, Row] = {}
    for row in annotations:
        neuron = row[id_column]
        if neuron is not None and (
            neuron not in found or (found[neuron][type_column] is None and row[type_column] is not None)
        ):
            found[neuron] = row
    return found


def types(annotations: Iterable[Row]) -> dict[Any, str]:
    """Neuron -> type, of those that have one."""
    rows = annotated(annotations)
    return {neuron: row["cell_type"] for neuron, row in rows.items() if row["cell_type"] is not None}


def by_type(weights: Weights, labels: Mapping[Any, str]) -> tuple[Weights, dict[Key, tuple[int, int]], Weights]:
    """Weights of type pairs, numbers of distinct neurons on both sides, and the edges that were left out."""
    found: Weights = defaultdict(int)
    neurons: dict[Key, tuple[set[Any], set[Any]]] = defaultdict(lambda: (set(), set()))
    dropped = {}
    for (pre, post), weight in weights.items():
        if pre not in labels or post not in labels:
            dropped[pre, post] = weight
            continue
        pair = (labels[pre], labels[post])
        found[pair] += weight
        neurons[pair][0].add(pre)
        neurons[pair][1].add(post)
    return dict(found), {pair: (len(sources), len(targets)) for pair, (sources, targets) in neurons.items()}, dropped


def counts(weights: Weights, neurons: Sequence[Neuron] | None = None) -> list[tuple[Any, ...]]:
    """Rows `neuron, partners out, partners in, synapses out, synapses in`."""
    if neurons is None:
        neurons = sorted({neuron for key in weights for neuron in key[:2]})
    rows = []
    for neuron in neurons:
        sent = {key[1]: weight for key, weight in weights.items() if key[0] == neuron}
        received = {key[0]: weight for key, weight in weights.items() if key[1] == neuron}
        rows.append((neuron, len(sent), len(received), sum(sent.values()), sum(received.values())))
    return rows


def matrix(
    weights: Weights, chosen: Chosen = EVERYTHING, symmetric: bool = False, keep_silent: bool = False
) -> tuple[list[Any], list[Any], list[list[Any]]]:
    """Presynaptic IDs, postsynaptic IDs, and the cells."""
    pre, post = {key[0] for key in weights}, {key[1] for key in weights}
    if keep_silent:
        pre |= set(chosen.pre or ())
        post |= set(chosen.post or ())
    if symmetric:
        pre = post = pre | post
    rows, columns = sorted(pre), sorted(post)
    return rows, columns, [[weights.get((a, b), 0) for b in columns] for a in rows]


Point = tuple[float, float, float]
#: node_id -> position.
Nodes = Mapping[int, Point]


def squared(one: Point, other: Point) -> float:
    """Squared distance, added up in the order x, y, z."""
    x, y, z = (a - b for a, b in zip(one, other, strict=True))
    return x * x + y * y + z * z


def nearest(point: Point, nodes: Nodes) -> tuple[int, float]:
    """The nearest node, that with the lowest ID if there are several, and its distance."""
    node = min(sorted(nodes), key=lambda node: squared(point, nodes[node]))
    return node, squared(point, nodes[node]) ** 0.5


def attach(
    rows: Iterable[Row],
    skeletons: Mapping[Neuron, Nodes],
    rules: Rules = USUAL,
    sides: Sequence[str] = ("pre", "post"),
    limit: float = 10_000,
) -> tuple[list[tuple[Any, ...]], Ledger, Counter[tuple[str, Neuron, str]]]:
    """Connectors `neuron, number, x, y, z, side, partner, node, synapse, distance`; the ledger; what became of sites.

    Rows have their positions under `pre_at` and `post_at`; one that is None, or in part, is no position.
    """
    neurons = sorted(skeletons)
    sides_of = {"pre": neurons if "pre" in sides else None, "post": neurons if "post" in sides else None}
    chosen = Chosen(either=neurons) if len(sides) == 2 else Chosen(**sides_of)
    kept, ledger = synapses(rows, chosen, rules)
    sites: Counter[tuple[str, Neuron, str]] = Counter()
    found, attached = [], set()
    for number, row in enumerate(kept):
        for side, other in (("pre", "post"), ("post", "pre")):
            neuron, point = row[side], row[f"{side}_at"]
            if side not in sides or neuron not in skeletons:
                continue
            sites["found", neuron, side] += 1
            if point is None or any(value is None or value != value for value in point):
                sites["position", neuron, side] += 1
                continue
            if not skeletons[neuron]:
                sites["empty", neuron, side] += 1
                continue
            node, distance = nearest(point, skeletons[neuron])
            if rules.clean and distance > limit:
                sites["distance", neuron, side] += 1
                continue
            sites["attached", neuron, side] += 1
            attached.add(number)
            found.append((neuron, *point, side, row[other], node, row.get("id"), distance))
    side_order = {"pre": 0, "post": 1}
    found.sort(key=lambda c: nulls_last(c[0], c[7], side_order[c[4]], c[5], *c[1:4]))
    numbers: Counter[Neuron] = Counter()
    connectors = []
    for neuron, *rest in found:
        connectors.append((neuron, numbers[neuron], *rest))
        numbers[neuron] += 1
    ledger["distance"], ledger["kept"] = ledger["kept"] - len(attached), len(attached)
    return connectors, ledger, sites
