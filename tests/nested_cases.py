"""Nested matrices in the making: tables with annotations in which everything collides, and questions to ask of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nested_oracle
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st
from nested_oracle import Choice, Ends, Nested, Query
from oracle import Neuron, Row, Rules
from strategies import ABSENT, NEAR, NEUROPILS, SMALL, TEXT, frame

import crantcli as cc

LABELS = (
    "ER", "ER1", "ER2", "er2", "ER10", "ERx", "ERx1", "EPG/PEG", "EPG", "NA", "nan", "../x", "5HT", "12", "ER2_b",
    "PEN_a", "PEN_b", " ", None,
)  # fmt: skip
INSTANCES = ("EPG_R1", "PEG_L8", "EPG_L1 ", "EPG_L5", "R7", "EPG_L10", "EPG_R9", "x", None)
ORDERS = ("ER", "er", "ER10", "eR2", "EPG", "epg/peg", "NA", "nothing", "12", "5ht", "ERX", "1", "pen", "PEN_b")
MODES = (None, "count", "relative_outgoing", "relative_incoming", "column")
ANNOTATED = ("root_id", "cell_type", "cell_instance", "cell_subtype")

#: A spelling of the columns of edges: pre, post, weight.
SPELLINGS = (
    ("pre", "post", "weight"),
    ("source", "target", "weight"),
    ("source", "target", "n_syn"),
    ("type.from", "type.to", "weight"),
    ("pre_root_id", "post_root_id", "syn_count"),
    ("bodyId_pre", "bodyId_post", "weight"),
)


@dataclass(frozen=True)
class Case:
    """A table of synapses, edges or an adjacency, its annotations, and a question."""

    kind: str
    rows: list[Row]
    neurons: tuple[Neuron, ...]
    annotations: list[Row]
    query: Query
    rules: Rules
    spelling: tuple[str, str, str] = SPELLINGS[0]
    ends: Ends | None = None
    columns: tuple[str, ...] = ()

    @property
    def expected(self) -> Nested:
        edges = self.kind != "synapses"
        query = self.query if edges or self.query.mode else replace(self.query, mode="relative_outgoing")
        return nested_oracle.nested(self.rows, self.annotations, query, self.rules, edges=edges, ends=self.ends)

    @property
    def table(self) -> pd.DataFrame:
        """The table as a DataFrame; its columns are spelled as the case says."""
        if self.ends is not None:
            cells = {(row["pre"], row["post"]): row["weight"] for row in self.rows}
            pre, post = self.ends
            kind: Any = object if isinstance(self.neurons[0], str) else "int64"
            data = [[cells.get((a, b), 0) for b in post] for a in pre]
            return pd.DataFrame(data, index=pd.Index(pre, dtype=kind), columns=pd.Index(post, dtype=kind))
        made = frame(self.rows, self.columns)
        if "value" in made:
            values = [row.get("value") for row in self.rows]
            whole = all(value is None or isinstance(value, int) for value in values)
            made["value"] = pd.array(values, dtype="Int64" if whole else "Float64")
        if self.kind == "edges":
            made = made.rename(columns=dict(zip(("pre", "post", "weight"), self.spelling, strict=True)))
        return made

    @property
    def people(self) -> pd.DataFrame:
        """The annotations as a DataFrame; labels that are numbers make a column of floats, as gaps do."""
        made = frame(self.annotations, ANNOTATED)
        labels = [row["cell_type"] for row in self.annotations]
        if any(isinstance(label, int) for label in labels):
            made["cell_type"] = pd.Series([np.nan if label is None else label for label in labels], dtype="float64")
        return made

    @property
    def square(self) -> bool:
        return self.query.target is None

    def words(self) -> list[object]:
        """The question as options of the command."""
        query, rules = self.query, self.rules
        words: list[object] = ["-t", rules.threshold] if rules.threshold > 1 else []
        # Labels that are drawn may look like numbers of rows or of columns, which settles nothing.
        words += ["--kind", self.kind] if self.kind == "adjacency" else []
        words += [] if rules.clean else ["--no-clean"]
        words += [] if rules.min_size is None else ["--min-size", rules.min_size]
        words += [] if query.mode is None else ["--weight-mode", query.mode]
        words += ["--weight-column", "value"] if query.mode == "column" else []
        words += ["--normalization-scope", query.scope, "--annotation-scope", query.annotation_scope]
        words += ["--neuron-order", query.neuron_order]
        words += ["--keep-silent"] if query.keep_silent else []
        words += ["--sum-duplicates"] if query.sum_duplicates else []
        if self.square:
            return [*words, *(["--type-order", _listed(query.source.order)] if query.source.order else [])]
        words.append("--directed")
        for name, choice in (("source", query.source), ("target", query.target)):
            assert choice is not None
            words += [f"--{name}-types", ",".join(choice.types)] if choice.types else []
            words += [word for neuron in choice.neurons or () for word in (f"--{name}-neurons", f"id:{neuron}")]
            words += [f"--{name}-type-order", _listed(choice.order)] if choice.order else []
        return words


def _listed(order: Sequence[str] | str) -> str:
    return order if isinstance(order, str) else ",".join(order)


# ------------------------------------------------------------------------------------------ made from a seed


def case(chance: random.Random, kind: str = "any", clean: bool = True) -> Case:
    """A case; without `clean` one that the Python classes can be asked."""
    kind = chance.choice(["synapses", "synapses", "edges", "adjacency"]) if kind == "any" else kind
    neurons = chance.choice([SMALL, SMALL, NEAR, TEXT])
    people = annotations(chance, neurons)
    rules = Rules(False)
    if clean:
        min_size = chance.choice([None, 0, 2]) if kind == "synapses" else None
        rules = Rules(chance.random() < 0.7, min_size, chance.choice([1, 1, 2, 3]))
    query = question(chance, neurons, [row for row in people if not nested_oracle.is_background(row["root_id"])], kind)
    if kind == "adjacency":
        return adjacency(chance, Case(kind, [], neurons, people, query, rules))
    make = synapses if kind == "synapses" else edges
    rows, columns = make(chance, neurons)
    spelling = chance.choice(SPELLINGS)
    return Case(kind, rows, neurons, people, query, rules, spelling, None, columns)


def _neuron(chance: random.Random, neurons: Sequence[Neuron]) -> Neuron | None:
    weights = [1, 8, 6, *[3] * (len(neurons) - 3), 0.5]
    return chance.choices([*neurons, None], weights)[0]


def synapses(chance: random.Random, neurons: tuple[Neuron, ...]) -> tuple[list[Row], tuple[str, ...]]:
    """Synapses, some of which stand twice, with other sizes and values."""
    values = chance.choice([(0, 1, 2, 5, -1, None), (0.5, 1.0, 2.25, None)])
    has_id, has_neuropil = chance.random() < 0.6, chance.random() < 0.3

    def carried() -> dict[str, Any]:
        neuropil = {"neuropil": chance.choice(NEUROPILS)} if has_neuropil else {}
        return {"size": chance.choice([0, 1, 2, 3, 3, None]), "value": chance.choice(values), **neuropil}

    rows: list[dict[str, Any]] = []
    for place in range(chance.choice([0, 3, 12, 25, 40])):
        synapse = {"id": 90 - place if chance.random() < 0.9 else None} if has_id else {}
        rows.append({**synapse, "pre": _neuron(chance, neurons), "post": _neuron(chance, neurons), **carried()})
    if has_id:
        rows += [{**row, **carried()} for row in chance.sample(rows, len(rows) // 5)]
    chance.shuffle(rows)
    # Whatever was drawn, the columns have their types.
    rows.append({"pre": neurons[1], "post": neurons[2], "size": 3, "value": values[1]})
    if isinstance(neurons[0], str):
        rows.append({"pre": "pc_10", "post": "b", "size": 3, "value": values[1]})
    head = ("id",) if has_id else ()
    return rows, (*head, "pre", "post", "size", "value", *(("neuropil",) if has_neuropil else ()))


def edges(chance: random.Random, neurons: tuple[Neuron, ...]) -> tuple[list[Row], tuple[str, ...]]:
    """Edges; one row per pair, or per pair and neuropil, or now and then neither."""
    weights = chance.choice([(0, 1, 1, 2, 3, 7), (0, 0.5, 1.0, 2.5, 3.0)])
    has_neuropil, tidy = chance.random() < 0.4, chance.random() < 0.8
    rows: list[dict[str, Any]] = []
    for _ in range(chance.choice([0, 5, 20])):
        pair = {"pre": _neuron(chance, neurons), "post": _neuron(chance, neurons)}
        pair |= {"neuropil": chance.choice(NEUROPILS)} if has_neuropil else {}
        if not tidy or None in (pair["pre"], pair["post"]) or all(pair.items() - row.items() for row in rows):
            rows.append({**pair, "weight": chance.choice(weights), "value": chance.choice([0, 1, 4, None])})
    last = ("é!", "b") if isinstance(neurons[0], str) else (77, neurons[1])
    rows.append({"pre": last[0], "post": last[1], "weight": 1, "value": 2})
    return rows, ("pre", "post", *(("neuropil",) if has_neuropil else ()), "weight", "value")


def adjacency(chance: random.Random, made: Case) -> Case:
    """A wide table with neurons that have nothing."""
    # Columns must not differ in case only.
    pre, post = (
        tuple(chance.sample([n for n in made.neurons if n != without], chance.randint(2, 4))) for without in (None, "B")
    )
    if isinstance(made.neurons[0], str):
        pre, post = (*pre, "é!"), (*post, "é!")
    cells = [(a, b, chance.choice([0, 0, 1, 2, 5])) for a in pre for b in post]
    rows: list[Row] = [{"pre": a, "post": b, "weight": weight} for a, b, weight in cells if weight]
    return replace(made, rows=rows, ends=(pre, post))


def annotations(chance: random.Random, neurons: tuple[Neuron, ...]) -> list[Row]:
    """Neurons annotated not at all, once or more often, with and without a type."""
    absent = ABSENT[type(neurons[0])]
    labels: Sequence[Any] = chance.choice([LABELS, chance.sample(LABELS, 3), ("EPG/PEG",), (1, 2, 10, None)])
    known = chance.choice([neurons[1:], neurons[1:], neurons[2:4]])
    rows = [
        {
            # Most know most neurons; where they know few, partners of these are not annotated.
            "root_id": chance.choice([*known, *known, *known, absent, neurons[0], None]),
            "cell_type": chance.choice(labels),
            "cell_instance": chance.choice(INSTANCES),
            "cell_subtype": chance.choice(INSTANCES),
        }
        for _ in range(chance.choice([0, 3, 8, 14]))
    ]
    first = next((label for label in labels if label not in (None, " ")), "other")
    return [*rows, {"root_id": absent, "cell_type": first, "cell_instance": "EPG_R2", "cell_subtype": None}]


def question(chance: random.Random, neurons: tuple[Neuron, ...], people: list[Row], kind: str) -> Query:
    known = sorted({person.label for person in nested_oracle.annotated(people).values() if person.label is not None})
    # Labels with a comma or quotes do not occur, so they can be joined by commas.
    everyone = [*neurons, ABSENT[type(neurons[0])]]

    def choice(chosen: bool) -> Choice:
        types = tuple(chance.sample(known, chance.randint(1, min(2, len(known))))) if chance.random() < 0.5 else None
        ids = tuple(chance.sample(everyone, chance.randint(1, 4))) if chance.random() < 0.4 else None
        order = chance.choice(["size", (), tuple(chance.sample(ORDERS, 3)), tuple(chance.sample(ORDERS, 3))])
        return Choice(types if chosen else None, ids if chosen else None, order)

    modes = [mode for mode in MODES if mode != "column" or kind != "adjacency"]
    square = chance.random() < 0.4
    mode = chance.choice(modes)
    return Query(
        choice(not square),
        None if square else choice(True),
        mode,
        chance.choice(["selected", "all"]),
        chance.choice(["annotated_only", "all"]),
        chance.choice(["annotation", "annotation", "id", "weight"]),
        chance.random() < 0.3,
        chance.random() < 0.5,
    )


def cases(kind: str = "any", clean: bool = True) -> st.SearchStrategy[Case]:
    """Cases for hypothesis; what is drawn is a seed."""
    return st.integers(0, 2**32 - 1).map(lambda seed: case(random.Random(seed), kind, clean))


# ------------------------------------------------------------------------------------------ comparing


def alike(found: Any, expected: Any) -> bool:
    """Whether cells are equal but for the last bits of a sum of floats."""
    shape = (len(expected), len(expected[0]) if len(expected) else np.shape(found)[1])
    assert np.shape(found) == shape, (np.shape(found), shape)
    return bool(np.allclose(np.asarray(found, dtype=float), np.reshape(expected, shape), rtol=1e-12, atol=1e-14))


def texts(neurons: Sequence[Any]) -> list[str]:
    return [str(neuron) for neuron in neurons]


def check(found: cc.NestedMatrix | cc.DirectedNestedMatrix, expected: Nested) -> None:
    """Compare every public view with the oracle's matrix."""
    if isinstance(found, cc.NestedMatrix):
        assert found.ordered_neurons == tuple(texts(expected.source)) == tuple(texts(expected.target))
        assert list(found.type_boundaries.items()) == list(expected.source_blocks.items())
        assert list(found.neuron_to_type.items()) == list(expected.type_of(expected.source).items())
    else:
        assert found.source_neurons == tuple(texts(expected.source))
        assert found.target_neurons == tuple(texts(expected.target))
        assert list(found.source_type_boundaries.items()) == list(expected.source_blocks.items())
        assert list(found.target_type_boundaries.items()) == list(expected.target_blocks.items())
        assert list(found.source_neuron_to_type.items()) == list(expected.type_of(expected.source).items())
        assert list(found.target_neuron_to_type.items()) == list(expected.type_of(expected.target).items())
    assert found.matrix.index.tolist() == texts(expected.source)
    assert found.matrix.columns.tolist() == texts(expected.target)
    assert alike(found.matrix, expected.cells)
    assert alike(found.sparse.toarray(), expected.cells)
    assert 0 not in found.sparse.data
    assert alike(found.get_relative_weights(), nested_oracle.relative(expected.cells))
    for frame_, cells in (
        (found.sum_type_matrix, expected.type_sum),
        (found.mean_type_matrix, expected.type_mean),
        (found.get_relative_weights(by_type=True), nested_oracle.relative(expected.type_sum)),
    ):
        assert frame_.index.tolist() == list(expected.source_blocks)
        assert frame_.columns.tolist() == list(expected.target_blocks)
        assert alike(frame_, cells)


def npz(path: Path) -> tuple[list[str], list[str], Any]:
    """Labels and cells of an `.npz` file."""
    import scipy.sparse

    matrix = scipy.sparse.load_npz(path)
    with np.load(path) as arrays:
        return texts(arrays["pre"].tolist()), texts(arrays["post"].tolist()), matrix.toarray()


def same(found: tuple[list[str], list[str], Any], rows: Sequence[Any], columns: Sequence[Any], cells: Any) -> None:
    assert found[:2] == (texts(rows), texts(columns))
    assert alike(found[2], cells)


def warned(match: str) -> Any:
    return pytest.warns(cc.CrantWarning, match=match)
