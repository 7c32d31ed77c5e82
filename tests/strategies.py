"""Small tables in which everything collides, and how to compare what comes back."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from oracle import Ledger, Neuron, Row, Rules

#: How many tables each property is tried on. Without EXAMPLES, 10 that are the same each time; EXAMPLES=200, as of make
#: rules, takes as many new ones, which pytest's option --hypothesis-seed brings back.
_EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=_EXAMPLES or 10,
    deadline=None,
    derandomize=not _EXAMPLES,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # an engine that takes its time to start is no failure
)

#: How often random tests that are no properties are repeated.
TIMES = max(1, _EXAMPLES // 20)

#: Neurons of one table; the first is the background. The second lot is one number to a float.
SMALL: tuple[Neuron, ...] = (0, 1, 2, 3, 4)
NEAR: tuple[Neuron, ...] = (0, 576460752641833773, 576460752641833774, 576460752641833775, 576460752700000001)
TEXT: tuple[Neuron, ...] = ("0", "NA", "b", "B", "pc_10", "é")
ABSENT: dict[type, Neuron] = {int: 576460752641833776, str: "nobody"}

NEUROPILS = ("EB", "FB", "NO/x", None)
TYPES = ("ER2", "er2", "NA", "nan", "EPG/PEG", "../x", None)
_INTEGERS = ("id", "pre", "post", "pre_pt_root_id", "post_pt_root_id", "root_id", "size", "weight")


def frame(rows: Iterable[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a DataFrame: integers as nullable Int64, text as objects."""
    rows = list(rows)
    data = {}
    for name in columns:
        values = [row.get(name) for row in rows]
        plain = all(value is None or isinstance(value, int) for value in values)
        if name in _INTEGERS and plain:
            data[name] = pd.array(values, dtype="Int64")
        else:
            data[name] = values if name == "weight" else pd.array(values, dtype=object)
    return pd.DataFrame(data, columns=list(columns))


def cell(value: Any) -> Any:
    """A value as plain Python has it."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    return value.item() if hasattr(value, "item") else value


def tuples(found: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rows of a DataFrame."""
    columns = [[cell(value) for value in found.iloc[:, number]] for number in range(found.shape[1])]
    return list(zip(*columns, strict=True))


def as_csv(rows: Iterable[Sequence[Any]]) -> list[list[str]]:
    """Rows as a CSV reader gives them."""
    return [["" if value is None else str(value) for value in row] for row in rows]


def as_json(ledger: Ledger, unit: str) -> dict[str, Any]:
    """A ledger as `--json` and the provenance tell it."""
    ends = {"read", "merged", "kept"}
    merged = {"merged": ledger["merged"]} if unit == "edges" else {}
    removed = {step: number for step, number in ledger.items() if step not in ends}
    return {"unit": unit, "read": ledger["read"], "removed": removed, **merged, "kept": ledger["kept"]}


@dataclass(frozen=True)
class Drawn:
    """A table, with the neurons that it is about."""

    rows: list[Row]
    columns: tuple[str, ...]
    neurons: tuple[Neuron, ...]

    @property
    def frame(self) -> pd.DataFrame:
        return frame(self.rows, self.columns)

    def has(self, column: str) -> bool:
        return column in self.columns


#: How drawn tables are read: they have many rows without an ID, and a neuron called NA.
AS_DRAWN: dict[str, Any] = {"allow_null": True, "null_text": ""}
AS_TYPED = ("--allow-null", "--null-text", "")

#: What is drawn is a seed, and how much is made from it: few examples then differ in everything, and a failing one
#: still shrinks to its first rows.
_SEEDS = st.integers(0, 2**32 - 1).map(random.Random)


@st.composite
def synapse_tables(draw: st.DrawFn, *, neuropils: bool | None = None) -> Drawn:
    """Synapses with background, nulls, autapses and repeated rows. One id never stands for different neurons."""
    chance = draw(_SEEDS)
    number, copies = draw(st.integers(0, 30)), draw(st.integers(0, 6))
    neurons = chance.choice([SMALL, NEAR, TEXT])
    ids = chance.choice(["none", "near", "far", "text"])
    null_ids = chance.choice([0, 0.3])
    optional = {"size": chance.random() < 0.7, "neuropil": chance.random() < 0.5 if neuropils is None else neuropils}

    def carried() -> dict[str, Any]:
        return {"size": chance.choice([0, 1, 2, 3, 3, 3, None]), "neuropil": chance.choice(NEUROPILS)}

    rows: list[dict[str, Any]] = []
    for place in range(number):
        # Ids descend, so that neither they nor the rows are in order by chance.
        synapse = {"near": 50 - place, "far": 2**49 - place * 2**44, "text": f"s{place}"}.get(ids)
        synapse = None if chance.random() < null_ids else synapse
        rows.append({"id": synapse, **_pair(chance, neurons), **carried()})
    for _ in range(copies if rows else 0):
        row = dict(chance.choice(rows))
        row |= chance.choice([{}, carried(), carried(), {"pre": None}, {"post": None}])
        rows.insert(chance.randint(0, len(rows)), row)
    if neurons is TEXT:  # whatever was drawn, the IDs of this table are text
        rows.append({"id": "last" if ids == "text" else None, "pre": "b", "post": "pc_10", "size": 3, "neuropil": "EB"})
    columns = (*(["id"] if ids != "none" else []), "pre", "post", *(name for name, there in optional.items() if there))
    return Drawn([{name: row[name] for name in columns} for row in rows], columns, neurons)


def _pair(chance: random.Random, neurons: Sequence[Neuron]) -> dict[str, Any]:
    """Two neurons, some more often than others so that pairs repeat; now and then the background, or none."""
    weights = [1, 8, 6, *[2] * (len(neurons) - 3), 1]
    pre, post = chance.choices([*neurons, None], weights, k=2)
    return {"pre": pre, "post": post}


@st.composite
def edge_tables(draw: st.DrawFn, *, neuropils: bool | None = None, tidy: bool | None = None) -> Drawn:
    """Edge tables, tidy (no row repeats another's pair and neuropil) or not; weights whole, or with halves."""
    chance = draw(_SEEDS)
    number = draw(st.integers(0, 20))
    neurons = chance.choice([SMALL, NEAR, TEXT])
    neuropils = chance.random() < 0.5 if neuropils is None else neuropils
    tidy = chance.random() < 0.7 if tidy is None else tidy
    weights = chance.choice([(0, 1, 1, 2, 3, 7), (0, 0.5, 1.0, 2.5, 3.0)])
    rows: list[dict[str, Any]] = []
    for _ in range(number):
        place = {**_pair(chance, neurons), "neuropil": chance.choice(NEUROPILS) if neuropils else None}
        if not tidy or None in (place["pre"], place["post"]) or all(place.items() - row.items() for row in rows):
            rows.append({**place, "weight": chance.choice(weights)})
    if neurons is TEXT:
        rows.append({"pre": "B", "post": "é!", "neuropil": None, "weight": 1})
    columns = ("pre", "post", *(["neuropil"] if neuropils else []), "weight")
    return Drawn([{name: row[name] for name in columns} for row in rows], columns, neurons)


@st.composite
def changed_tables(draw: st.DrawFn, table: Drawn) -> Drawn:
    """A table once more, some rows gone, some with another weight or neuron, and some new."""
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    rows = [dict(row) for row in table.rows if chance.random() < 0.8]
    for row in rows:
        if "weight" in row and chance.random() < 0.4:
            row["weight"] = chance.choice([0, 1, 2, 3, 7])
        if "id" not in row and chance.random() < 0.2:
            row["pre"] = chance.choice(table.neurons)
    if "weight" in table.columns:
        rows = list({(row["pre"], row["post"]): row for row in rows}.values())
    chance.shuffle(rows)
    return Drawn(rows, table.columns, table.neurons)


PARTS = ("axon", "dendrite", "a:b", 7, " ", None)


def with_parts(table: Drawn, seed: int) -> Drawn:
    """The same with columns `pre_part` and `post_part`, which copies of a synapse share, and without a neuropil."""
    rows = []
    for place, row in enumerate(table.rows):
        synapse = row.get("id")
        chance = random.Random(f"{seed} {place if synapse is None else synapse}")
        parts = {f"{side}_part": chance.choice(PARTS) for side in ("pre", "post")}
        # A pair stands in several rows of an edge table, for one of each neuropil.
        parts |= {"pre_part": row["neuropil"]} if "neuropil" in row else {}
        rows.append({**row, **parts})
    names = tuple(name for name in table.columns if name != "neuropil")
    return Drawn([{n: row[n] for n in (*names, "pre_part", "post_part")} for row in rows],
                 (*names, "pre_part", "post_part"), table.neurons)  # fmt: skip


@st.composite
def rules(draw: st.DrawFn, table: Drawn) -> Rules:
    """What a table can be filtered by."""
    chance = draw(_SEEDS)
    min_size = chance.choice([None, None, 0, 1, 2, 3]) if table.has("size") else None
    return Rules(chance.random() < 0.7, min_size, chance.choice([1, 1, 2, 2, 3]))


@st.composite
def asked(draw: st.DrawFn, table: Drawn) -> list[Neuron]:
    """Some neurons of a table, and maybe one that it does not hold."""
    chance = draw(_SEEDS)
    return chance.sample([*table.neurons, ABSENT[type(table.neurons[0])]], chance.randint(1, 4))


def maybe_asked(table: Drawn) -> st.SearchStrategy[list[Neuron] | None]:
    """Some neurons of a table, or no selection at all."""
    return st.none() | asked(table)


@st.composite
def annotation_tables(draw: st.DrawFn, neurons: Sequence[Neuron]) -> list[Row]:
    """Neurons annotated not at all, once or twice, with and without a type; one type is called NA."""
    chance = draw(_SEEDS)
    rows = [
        {
            "root_id": chance.choice([*neurons[1:], *neurons[1:], None]),
            "cell_type": chance.choice(TYPES),
            "side": chance.choice(["left", "right", None]),
        }
        for _ in range(draw(st.integers(0, 10)))
    ]
    # One row at least has an ID of the right kind and a label, so that the columns have types.
    rows.append({"root_id": ABSENT[type(neurons[0])], "cell_type": "other", "side": "left"})
    return rows


ANNOTATION_COLUMNS = ("root_id", "cell_type", "side")


def seeded_synapses(seed: int = 20240229, number: int = 500, text: bool = False) -> list[dict[str, Any]]:
    """One larger table, always the same, with everything that can be wrong with it, and positions in nm."""
    generator = random.Random(seed)
    first = 576460752641833770
    neurons: list[Any] = [0, *range(first, first + 9), *(first + 10_000_000 * n for n in range(1, 5))]
    if text:
        neurons = ["0", "NA", "pc_1", "pc_10", "a b", "x,y", 'q"q', "é", "id:7", "1e5", "007", "=1", "nan"]
    rows = []
    for number_of in range(number):
        pre, post = (generator.choices([*neurons, None], [1, *range(len(neurons) - 1, 0, -1), 0.5])[0] for _ in "ab")
        rows.append(
            {
                "id": None if generator.random() < 0.05 else 9_000_000_000 + number_of,
                "pre": pre,
                "post": post,
                "size": None if generator.random() < 0.03 else generator.randrange(100),
                "neuropil": generator.choice(NEUROPILS),
                **{f"ctr_pt_position_{axis}": generator.randrange(-5000, 10**6) for axis in "xyz"},
            }
        )
    rows += [dict(row) for row in generator.sample(rows, number // 20)]
    generator.shuffle(rows)
    return rows


SYNAPSE_COLUMNS = ("id", "pre", "post", "size", "neuropil", *(f"ctr_pt_position_{axis}" for axis in "xyz"))


def seeded_frame(rows: Iterable[Row], columns: Sequence[str] = SYNAPSE_COLUMNS) -> pd.DataFrame:
    """A seeded table as a DataFrame, positions int64."""
    return frame(rows, columns).astype({name: "int64" for name in columns if "position" in name})
