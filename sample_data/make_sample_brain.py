"""Write the sample brain: a small, synthetic CRANTb-like synapse table and its annotations.

    python sample_data/make_sample_brain.py [OUTPUT_FOLDER]

Nothing in it was measured: neurons, IDs and positions are drawn from a seeded generator, so
that the same library versions give the same bytes. README.md beside this file lists columns,
units and deliberate defects. Lengths are nanometres (nm) unless a name says otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from brain_annotations import annotate, annotate_twice, annotation_order, write_annotations
from brain_meshes import write_meshes
from brain_neurons import (
    EB,
    EB_COLUMNS,
    NO_COLUMN,
    PB,
    PB_GLOMERULI,
    RULES,
    Neuron,
    Rule,
    make_neurons,
    members,
)
from brain_shapes import (
    INNER_SCALE,
    OUTSIDE,
    SHAPE_NAMES,
    SHAPES,
    VOXEL_SIZE,
    Floats,
    Ints,
    points_in_unit_ball,
    points_outside,
    snap,
)

SEED = 20250327
TOTAL_ROWS = 40_000
FRAGMENT_COUNT = 200
STRAY_ROWS = 1_200  # single synapses between two neurons that share a neuropil
AUTAPSE_ROWS = 400
BACKGROUND_PRE_ROWS = 400  # presynaptic root ID 0
BACKGROUND_POST_ROWS = 390  # postsynaptic root ID 0
BACKGROUND_BOTH_ROWS = 10  # 0 on both sides: background, and equal IDs besides
NULL_POST_ROWS = 5
DUPLICATE_ROWS = 30  # exact copies of other rows
OUTSIDE_FRACTION = 0.03  # of stray and fragment rows: in no neuropil

PAIR_SIGMA = 1.0  # log-normal spread of the synapse count of a connected pair
SIZE_MEDIAN, SIZE_SIGMA, SIZE_MINIMUM = 270.0, 0.75, 10
CHUNK_VOXELS = np.array([1024, 1024, 256])

# IDs lie near CRANTb's. Above 2**59 a float64 holds multiples of 128 only: IDs that share one
# "cell" of 128 become one number as floats.
ROOT_ID_BASE = 2**59
FLOAT_STEP = 128
ID_FAMILIES, FAMILY_SIZE = 60, 3

# ---------------------------------------------------------------------------------- wiring


@dataclass(frozen=True)
class Synapses:
    """Parallel arrays, one entry per synapse.

    `pre` and `post` index the root IDs (neurons, then fragments), or are BACKGROUND or NULL;
    `shape` indexes SHAPE_NAMES or is OUTSIDE; `along` is the place within the shape (nan: any).
    """

    pre: Ints
    post: Ints
    shape: Ints
    along: Floats

    def __len__(self) -> int:
        return len(self.pre)

    def take(self, rows: Ints) -> Synapses:
        """The rows at the given positions."""
        return Synapses(self.pre[rows], self.post[rows], self.shape[rows], self.along[rows])


BACKGROUND, NULL = -1, -2


def concatenate(parts: Sequence[Synapses]) -> Synapses:
    """The rows of all parts, one part after another."""
    fields = ("pre", "post", "shape", "along")
    return Synapses(*(np.concatenate([getattr(part, f) for part in parts]) for f in fields))


def wire(rng: np.random.Generator, neurons: Sequence[Neuron]) -> Synapses:
    """All synapses between annotated neurons that follow RULES."""
    return concatenate([apply_rule(rng, neurons, rule, side) for rule in RULES for side in rule.sides])


def apply_rule(rng: np.random.Generator, neurons: Sequence[Neuron], rule: Rule, side: str | None) -> Synapses:
    """The synapses of one rule on one side (None: wherever the neurons are)."""
    pairs = [
        (pre, post)
        for pre in members(neurons, rule.pre, side)
        for post in members(neurons, rule.post, side)
        if pre != post
    ]
    strength = np.array([column_factor(rule, neurons[a], neurons[b]) for a, b in pairs])
    spread = np.exp(PAIR_SIGMA * rng.standard_normal(len(pairs)))
    counts = np.rint(rule.median * strength * spread).astype(np.int64)
    # A rule without columns connects every pair that it chooses, however weakly.
    counts = np.maximum(counts, 1) if rule.offset is None else counts
    counts = np.where(rng.random(len(pairs)) < rule.probability, counts, 0)
    shape = rule.shape.format(side=side)
    along = np.array([place_of_pair(shape, neurons[a], neurons[b]) for a, b in pairs])
    pre, post = np.array(pairs, dtype=np.int64).T
    return Synapses(
        np.repeat(pre, counts),
        np.repeat(post, counts),
        np.full(counts.sum(), SHAPE_NAMES.index(shape)),
        np.repeat(along, counts),
    )


def column_factor(rule: Rule, pre: Neuron, post: Neuron) -> float:
    """How strong a pair is for its columns: 1 at the rule's offset, less beside it."""
    if rule.offset is None:
        return 1.0
    turned_round = rule.mirrored and EB_COLUMNS[pre.column].startswith("L")
    target = pre.column + (-rule.offset if turned_round else rule.offset)
    around = len(EB_COLUMNS)
    distance = (post.column - target + around // 2) % around - around // 2
    return float(np.exp(-0.5 * (distance / rule.width) ** 2))


def place_of_pair(shape: str, pre: Neuron, post: Neuron) -> float:
    """Where in a shape with columns a pair meets, 0 to 1; nan where that means nothing."""
    column = post.column if post.column != NO_COLUMN else pre.column
    if column == NO_COLUMN or shape not in (EB, PB):
        return float("nan")
    place = column if shape == EB else PB_GLOMERULI.index(EB_COLUMNS[column])
    return (place + 0.5) / len(EB_COLUMNS)


# --------------------------------------------------------------------- fragments and defects


def add_strays(rng: np.random.Generator, wired: Synapses) -> Synapses:
    """Single synapses: the pre neuron of one row onto the post neuron of another, same shape."""
    rows = rng.choice(len(wired), STRAY_ROWS, replace=False)
    post = np.empty(STRAY_ROWS, dtype=np.int64)
    for position, row in enumerate(rows):
        candidates = wired.post[wired.shape == wired.shape[row]]
        post[position] = rng.choice(candidates[candidates != wired.pre[row]])
    strays = wired.take(rows)
    return Synapses(strays.pre, post, move_some_outside(rng, strays.shape), strays.along)


def add_fragments(rng: np.random.Generator, wired: Synapses, neuron_count: int, rows: int) -> Synapses:
    """Rows in which a fragment of the same shape stands in for one neuron, or for both."""
    template = wired.take(rng.choice(len(wired), rows))
    homes = rng.choice(wired.shape, FRAGMENT_COUNT)
    homes[: len(SHAPES)] = np.arange(len(SHAPES))  # every shape has a fragment at least
    activity = rng.pareto(1.5, FRAGMENT_COUNT) + 0.2
    pre, post = template.pre.copy(), template.post.copy()
    kind = rng.random(rows)
    for shape in range(len(SHAPES)):
        here = template.shape == shape
        local = np.flatnonzero(homes == shape)
        chance = activity[local] / activity[local].sum()
        replace_post, replace_pre = here & (kind < 0.75), here & (kind >= 0.7)
        post[replace_post] = neuron_count + rng.choice(local, replace_post.sum(), p=chance)
        pre[replace_pre] = neuron_count + rng.choice(local, replace_pre.sum(), p=chance)
    # Two fragments that happen to be one would be an autapse: leave those to add_autapses.
    same = pre == post
    pre[same] = template.pre[same]
    return Synapses(pre, post, move_some_outside(rng, template.shape), template.along)


def move_some_outside(rng: np.random.Generator, shape: Ints) -> Ints:
    """The shapes with OUTSIDE_FRACTION of them replaced by OUTSIDE."""
    return np.where(rng.random(len(shape)) < OUTSIDE_FRACTION, OUTSIDE, shape)


def add_defects(rng: np.random.Generator, wired: Synapses) -> Synapses:
    """Autapses, background rows and rows without a postsynaptic ID, made from wired ones."""
    sizes = (
        AUTAPSE_ROWS,
        BACKGROUND_PRE_ROWS,
        BACKGROUND_POST_ROWS,
        BACKGROUND_BOTH_ROWS,
        NULL_POST_ROWS,
    )
    defects = wired.take(rng.choice(len(wired), sum(sizes), replace=False))
    pre, post = defects.pre.copy(), defects.post.copy()
    autapse, no_pre, no_post, neither, null = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    post[autapse] = pre[autapse]
    pre[np.concatenate([no_pre, neither])] = BACKGROUND
    post[np.concatenate([no_post, neither])] = BACKGROUND
    post[null] = NULL
    return Synapses(pre, post, defects.shape, defects.along)


# ------------------------------------------------------------------------- positions and IDs


def place(rng: np.random.Generator, synapses: Synapses) -> Floats:
    """A point in nm for each synapse, inside its shape or outside all."""
    points = np.empty((len(synapses), 3))
    jittered = synapses.along + 0.02 * rng.standard_normal(len(synapses))
    along = np.where(np.isnan(jittered), rng.random(len(synapses)), jittered)
    for index, shape in enumerate(SHAPES.values()):
        rows = synapses.shape == index
        points[rows] = shape.sample(rng, along[rows], INNER_SCALE)
    outside = synapses.shape == OUTSIDE
    points[outside] = points_outside(rng, int(outside.sum()))
    return points


def make_root_ids(rng: np.random.Generator, count: int) -> Ints:
    """Distinct int64 IDs; the members of a family are all one number as float64."""
    cells = rng.choice(np.arange(2_700_000, 3_700_000), count, replace=False)
    offsets = rng.integers(-60, 61, count)
    in_families = ID_FAMILIES * FAMILY_SIZE
    cells[:in_families] = np.repeat(cells[:ID_FAMILIES], FAMILY_SIZE)
    first = rng.integers(-60, 0, ID_FAMILIES)
    steps = np.array([0, 1, 37])
    offsets[:in_families] = (first[:, None] + steps).ravel()
    ids: Ints = rng.permutation(ROOT_ID_BASE + FLOAT_STEP * cells + offsets)
    return ids


def supervoxel_ids(owner: Ints, points: Ints) -> Ints:
    """An ID per root and chunk: layer 1, the chunk's x, y, z, and a number for the root.

    The layout (8, 10, 10, 10 and 26 bits) is that of IDs like CRANTb's. Background is 0.
    """
    x, y, z = (points // VOXEL_SIZE // CHUNK_VOXELS).T
    number = 1_000 + 977 * (owner + 3)
    ids: Ints = (1 << 56) | (x << 46) | (y << 36) | (z << 26) | number
    return np.where(owner == BACKGROUND, 0, ids)


# --------------------------------------------------------------------------- synapse table


def make_synapses(rng: np.random.Generator, neurons: Sequence[Neuron]) -> Synapses:
    """All rows but the duplicates, part by part."""
    wired = wire(rng, neurons)
    fixed = [wired, add_strays(rng, wired), add_defects(rng, wired)]
    rest = TOTAL_ROWS - DUPLICATE_ROWS - sum(map(len, fixed))
    return concatenate([*fixed, add_fragments(rng, wired, len(neurons), rest)])


def synapse_columns(rng: np.random.Generator, synapses: Synapses, root_ids: Ints) -> dict[str, Ints]:
    """The table's columns before duplication and shuffling; a missing root ID is -1 here."""
    count = len(synapses)
    center = place(rng, synapses)
    gap = 180 * points_in_unit_ball(rng, count)
    points = {"ctr": snap(center), "pre": snap(center + gap), "post": snap(center - gap)}
    sizes = np.rint(SIZE_MEDIAN * np.exp(SIZE_SIGMA * rng.standard_normal(count)))
    lookup = np.concatenate([root_ids, [-1, 0]])  # reached by NULL = -2 and BACKGROUND = -1
    columns = {
        "id": rng.choice(np.arange(10_000_001, 10_042_001), count, replace=False),
        "size": np.maximum(sizes, SIZE_MINIMUM).astype(np.int64),
        "pre_pt_supervoxel_id": supervoxel_ids(synapses.pre, points["pre"]),
        "post_pt_supervoxel_id": supervoxel_ids(synapses.post, points["post"]),
        "pre_pt_root_id": lookup[synapses.pre],
        "post_pt_root_id": lookup[synapses.post],
    }
    for name, place_nm in points.items():
        for axis, values in zip("xyz", place_nm.T, strict=True):
            columns[f"{name}_pt_position_{axis}"] = values
    return columns


def write_synapses(rng: np.random.Generator, columns: Mapping[str, Ints], path: Path) -> None:
    """Repeat some clean rows, shuffle all rows and write them as Parquet."""
    pre, post = columns["pre_pt_root_id"], columns["post_pt_root_id"]
    clean = np.flatnonzero((pre > 0) & (post > 0) & (pre != post))
    copies = rng.choice(clean, DUPLICATE_ROWS, replace=False)
    order = rng.permutation(np.concatenate([np.arange(len(pre)), copies]))
    arrays = {}
    for name, values in columns.items():
        dtype = pa.int32() if name == "size" or "_position_" in name else pa.int64()
        arrays[name] = pa.array(values[order], type=dtype, mask=values[order] < 0)
    pq.write_table(
        pa.table(arrays),
        path,
        row_group_size=10_000,
        compression="zstd",
        compression_level=12,
        use_dictionary=["pre_pt_root_id", "post_pt_root_id"],
    )


# ------------------------------------------------------------------------------------ main


def owned_sites(columns: Mapping[str, Ints], root_id: int) -> tuple[Ints, Ints]:
    """Supervoxel IDs and points (nm) of all synapses of one neuron, outputs first."""
    supervoxels, points = [], []
    for end in ("pre", "post"):
        mine = columns[f"{end}_pt_root_id"] == root_id
        supervoxels.append(columns[f"{end}_pt_supervoxel_id"][mine])
        points.append(np.stack([columns[f"{end}_pt_position_{a}"][mine] for a in "xyz"], axis=1))
    return np.concatenate(supervoxels), np.concatenate(points)


def write_sample_brain(folder: Path) -> None:
    """Write synapses.parquet, annotations.csv, annotations.parquet and meshes/*.ply into `folder`."""
    rng = np.random.default_rng(SEED)
    neurons = make_neurons()
    root_ids = make_root_ids(rng, len(neurons) + FRAGMENT_COUNT)
    columns = synapse_columns(rng, make_synapses(rng, neurons), root_ids)
    write_synapses(rng, columns, folder / "synapses.parquet")
    nucleus_ids = rng.choice(np.arange(100_000, 200_000), len(neurons), replace=False)
    rows = []
    for index in annotation_order(rng, neurons):
        root_id, nucleus_id = int(root_ids[index]), int(nucleus_ids[index])
        sites = owned_sites(columns, root_id)
        rows.append(annotate(rng, neurons[index], root_id, nucleus_id, sites))
    write_annotations(annotate_twice(rows), folder)
    write_meshes(SHAPES, folder / "meshes")


def main(arguments: Sequence[str]) -> None:
    """Write the sample brain into the folder given as only argument, else beside this file."""
    folder = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    write_sample_brain(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
