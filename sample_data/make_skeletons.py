"""Write the sample skeletons: ten neurons of the sample brain as SWC files, in nm.

    python sample_data/make_skeletons.py [OUTPUT_FOLDER]

Nothing in them was measured: each is a tree that a seeded generator grows from the neuron's cell body along its
synapses, which are read from synapses.parquet beside this file. The same library versions give the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from brain_shapes import SHAPES, VOXEL_SIZE, Floats, Ints

HERE = Path(__file__).resolve().parent
SEED = 20250613

#: Cell type -> how many of its neurons, those with the lowest IDs.
CHOSEN = {
    "ER2": 2, "EPG/PEG": 2, "PEN": 1, "PFN": 1, "PN_T1": 1, "KC_a": 1, "MBON01": 1, "TuBu1": 1,
}  # fmt: skip

TIPS = 220  # synapses of a neuron that its tree reaches
BALANCE = 0.4  # between least cable (0) and straight ways to the cell body (1): Cuntz et al., PLoS Comput Biol 6 (2010)
BESIDE = 120.0  # nm, spread of tips around their synapses
STEP = 4_000.0  # nm, longest edge
WIGGLE = 70.0  # nm, spread of nodes around straight edges
SOMA, TIP, OTHER = 1, 6, 0  # labels


def neurons() -> dict[int, Floats]:
    """ID of each chosen neuron -> its cell body in nm."""
    table = pq.read_table(HERE / "annotations.parquet", columns=["root_id", "cell_type", "nucleus_position"])
    found: dict[int, Floats] = {}
    for cell_type, number in CHOSEN.items():
        rows = table.filter(pc.equal(table["cell_type"], cell_type)).sort_by("root_id").to_pylist()
        for row in rows[:number]:
            voxels = [float(part) for part in row["nucleus_position"].split(",")]
            found[row["root_id"]] = np.array(voxels) * VOXEL_SIZE
    return found


def sites(root_id: int) -> Floats:
    """Positions in nm of a neuron's synapses on its side, shape (synapses, 3); those in no neuropil left out."""
    found = []
    for side in ("pre", "post"):
        columns = [f"{side}_pt_position_{axis}" for axis in "xyz"]
        other = {"pre": "post", "post": "pre"}[side]
        ids = [f"{side}_pt_root_id", f"{other}_pt_root_id"]
        table = pq.read_table(HERE / "synapses.parquet", columns=["id", *ids, *columns]).sort_by("id")
        # Arrow hands out integers with gaps as floats, in which neighbouring IDs are one.
        own, partner = (table[name].fill_null(0).to_numpy() for name in ids)
        mine = (own == root_id) & (partner != 0) & (partner != root_id)
        found.append(np.stack([table[column].to_numpy()[mine] for column in columns], axis=1))
    points = np.unique(np.concatenate(found), axis=0).astype(np.float64)
    return points[np.any([shape.contains(points) for shape in SHAPES.values()], axis=0)]


def grow(root: Floats, tips: Floats) -> Ints:
    """Parents of the root (-1) and of each tip: join the tip that costs least, in cable and in way to the root."""
    points = np.vstack([root, tips])
    parent, way = np.full(len(points), -1), np.zeros(len(points))
    gap = np.linalg.norm(points - points[0], axis=1)
    cost, nearest = (1 + BALANCE) * gap, np.zeros(len(points), dtype=np.int64)
    cost[0] = np.inf
    for _ in tips:
        new = int(np.argmin(cost))
        parent[new] = nearest[new]
        way[new] = way[parent[new]] + np.linalg.norm(points[new] - points[parent[new]])
        gap = np.linalg.norm(points - points[new], axis=1)
        through = gap + BALANCE * (gap + way[new])
        better = (through < cost) & np.isfinite(cost)
        cost, nearest = np.where(better, through, cost), np.where(better, new, nearest)
        cost[new] = np.inf
    return parent


def swc(rng: np.random.Generator, root: Floats, tips: Floats) -> list[str]:
    """Lines of the tree with nodes along its edges, each after its parent."""
    points, parent = np.vstack([root, tips]), grow(root, tips)
    children: dict[int, list[int]] = {}
    for child, above in enumerate(parent.tolist()):
        children.setdefault(above, []).append(child)
    lines, waiting, count = [], [(0, -1)], 0
    while waiting:
        place, above = waiting.pop()
        start = points[parent[place]] if above > 0 else points[place]
        pieces = max(1, int(np.ceil(np.linalg.norm(points[place] - start) / STEP)))
        for piece in range(1, pieces + 1):
            here = start + (points[place] - start) * piece / pieces
            here = here + WIGGLE * rng.standard_normal(3) * (piece < pieces)
            count += 1
            label = SOMA if above < 0 else TIP if piece == pieces and place not in children else OTHER
            x, y, z = (int(value) for value in np.rint(here))
            lines.append(f"{count} {label} {x} {y} {z} {2500 if label == SOMA else 80} {above}")
            above = count
        waiting += [(child, above) for child in reversed(children.get(place, []))]
    return lines


def main(arguments: Sequence[str]) -> None:
    """Write the skeletons into the folder given as only argument, else into `skeletons` beside this file."""
    folder = Path(arguments[0]) if arguments else HERE / "skeletons"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    for root_id, soma in neurons().items():
        near = sites(root_id)
        chosen = near[np.sort(rng.choice(len(near), min(TIPS, len(near)), replace=False))]
        tips = chosen + BESIDE * rng.standard_normal(chosen.shape)
        head = [
            "# Synthetic skeleton of the sample brain, in nm; written by make_skeletons.py",
            "# id label x y z radius parent",
        ]
        (folder / f"{root_id}.swc").write_text("\n".join([*head, *swc(rng, soma, tips)]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
