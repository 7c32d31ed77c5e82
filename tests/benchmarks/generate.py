"""Makes tables that are skewed like real ones: `python generate.py synapses|ids|edges|annotations|... PATH ...`.

Synapses: a neuron's share of all synapses is lognormal, most partners are near, a pair of neurons has one or two
synapses in the median and more than a hundred at the top, and two in a hundred synapses have an end in the background.
Rows stand in no order of neurons; synapse ids are dense, shuffled within each chunk of rows.
A partner is a hash of the neuron and of the partner's rank, so that pairs come back in every chunk and nothing about
them is held in memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Array = np.ndarray[Any, Any]

SEED = 20_240_229
CHUNK = 500_000  # rows, also of a row group
FIRST_ID = 2**59  # where CAVE's IDs of layer-8 chunks start: 576460752303423488
SPARSE = 0x1E3779B97F4A7C15  # odd, so that multiplying by it modulo 2^63 gives no id twice
BACKGROUND = 0.02
NEAR = 200  # typical distance of a near partner, in neurons


@dataclass(frozen=True)
class Population:
    """Neurons along an axis of the brain.

    Attributes
    ----------
    ids : ndarray of int64, shape (neurons,)
    outputs, inputs : ndarray of float64, shape (neurons,)
        Cumulated shares of all synapses.
    partners : ndarray of float64, shape (neurons,)
        How many ranks a neuron's postsynaptic partners have.
    """

    ids: Array
    outputs: Array
    inputs: Array
    partners: Array


def population(synapses: int) -> Population:
    """The neurons of a table with that many synapses: one per 700."""
    rng = np.random.default_rng(SEED)
    number = max(1000, synapses // 700)
    ids = rng.permutation(FIRST_ID + np.cumsum(rng.integers(1, 3000, number)))
    outputs, inputs = (rng.lognormal(0, 1.2, number) for _ in range(2))
    outputs /= outputs.sum()
    partners = np.maximum(3, outputs * synapses)
    return Population(ids, np.cumsum(outputs), np.cumsum(inputs / inputs.sum()), partners)


def _mixed(values: Array) -> Array:
    """Hash 64-bit numbers (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _partner(neurons: Population, pre: Array, rank: Array) -> Array:
    """The partner of each rank: three in four are near, the others anywhere, popular neurons first."""
    mixed = _mixed((pre.astype(np.uint64) << np.uint64(32)) + rank.astype(np.uint64))
    drawn = ((mixed >> np.uint64(12)) + 0.5) * 2.0**-52
    side = np.where(drawn < 0.5, 1, -1)
    away = side * (NEAR * np.log(np.where(drawn < 0.5, 2 * drawn, 2 - 2 * drawn))).astype(np.int64)
    near = (mixed & np.uint64(3)) != 0
    last = len(neurons.ids) - 1
    return np.where(near, (pre + away) % len(neurons.ids), np.minimum(np.searchsorted(neurons.inputs, drawn), last))


def chunks(synapses: int) -> Iterator[pa.Table]:
    """The synapse table, some rows at a time; the same for the same number of synapses."""
    neurons = population(synapses)
    last = len(neurons.ids) - 1
    for start in range(0, synapses, CHUNK):
        rng = np.random.default_rng([SEED, start])
        rows = min(CHUNK, synapses - start)
        pre = np.minimum(np.searchsorted(neurons.outputs, rng.random(rows)), last)
        rank = (neurons.partners[pre] * rng.random(rows) ** 2.5).astype(np.int64)
        post = _partner(neurons, pre, rank)
        lost = rng.random(rows)
        x = pre * (800_000 / len(neurons.ids)) + rng.normal(0, 10_000, rows)
        yield pa.table(
            {
                "id": start + 1 + rng.permutation(rows),
                "pre_pt_root_id": np.where(lost < BACKGROUND / 2, 0, neurons.ids[pre]),
                "post_pt_root_id": np.where(lost > 1 - BACKGROUND / 2, 0, neurons.ids[post]),
                "size": (rng.lognormal(4.5, 1, rows)).astype(np.int32),
                "ctr_pt_position_x": x.astype(np.int32),
                "ctr_pt_position_y": rng.integers(0, 600_000, rows, dtype=np.int32),
                "ctr_pt_position_z": rng.integers(0, 400_000, rows, dtype=np.int32),
            }
        )


def write_synapses(path: Path, synapses: int) -> None:
    """Write the synapse table."""
    _write(path, chunks(synapses))


def write_ids(path: Path, source: Path, how: str) -> None:
    """Copy a synapse table without its synapse ids (`none`), or with such as lie far apart (`sparse`)."""
    file = pq.ParquetFile(source)
    groups = (file.read_row_group(number) for number in range(file.num_row_groups))
    if how == "none":
        _write(path, (group.drop_columns(["id"]) for group in groups))
    else:
        _write(path, (group.set_column(0, "id", pa.array(_spread(group["id"].to_numpy()))) for group in groups))


def _spread(ids: Array) -> Array:
    return ((ids.astype(np.uint64) * np.uint64(SPARSE)) & np.uint64(2**63 - 1)).astype(np.int64)


def write_text(path: Path, source: Path) -> None:
    """A table as text, packed by gzip."""
    import pyarrow.csv

    unfinished = path.with_suffix(".tmp")
    table = pq.ParquetFile(source)
    with (
        pa.CompressedOutputStream(str(unfinished), "gzip") as file,
        pyarrow.csv.CSVWriter(file, table.schema_arrow) as writer,
    ):
        for batch in table.iter_batches(CHUNK):
            writer.write_batch(batch)
    unfinished.rename(path)


def write_names(path: Path, source: Path) -> None:
    """A table whose neurons have names; the background is still called 0."""
    import pyarrow.compute as pc

    def named(rows: pa.Table) -> pa.Table:
        for name in ("pre_pt_root_id", "post_pt_root_id"):
            ids, place = rows[name], rows.schema.get_field_index(name)
            names = pc.binary_join_element_wise("cell_", pc.cast(pc.subtract(ids, FIRST_ID), pa.string()), "")
            rows = rows.set_column(place, name, pc.if_else(pc.equal(ids, 0), "0", names))
        return rows

    table = pq.ParquetFile(source)
    _write(path, (named(table.read_row_group(number)) for number in range(table.num_row_groups)))


def write_neurons(path: Path, synapses: int, number: int) -> None:
    """Write the IDs of some neurons, one a line."""
    chosen = np.random.default_rng(SEED).choice(population(synapses).ids, number, replace=False)
    path.write_text("".join(f"{neuron}\n" for neuron in chosen))


def write_neurons_of(path: Path, source: Path, number: int) -> None:
    """Write the IDs of some presynaptic neurons of an edge table, one a line."""
    found = np.unique(pq.read_table(source, columns=["pre"])["pre"].to_numpy())
    chosen = np.random.default_rng(SEED).choice(found, number, replace=False)
    path.write_text("".join(f"{neuron}\n" for neuron in chosen))


def write_edges(path: Path, neurons: int, entries: int) -> None:
    """Write an edge table in no order: different pairs of neurons, heavy-tailed weights."""
    rng = np.random.default_rng(SEED)
    ids = FIRST_ID + np.cumsum(rng.integers(1, 3000, neurons))
    cells = rng.permutation(np.unique(rng.integers(0, neurons**2, entries + entries // 10)))[:entries]
    weight = 1 + rng.lognormal(0, 1.5, len(cells)).astype(np.int64)
    _write(path, iter([pa.table({"pre": ids[cells // neurons], "post": ids[cells % neurons], "weight": weight})]))


def write_changed(path: Path, source: Path) -> None:
    """Write what became of a synapse or edge table.

    Of 1,000 rows 3 are gone; of 100 edges 10 have another weight; of 100 neurons 2 have another ID, and some of these
    are then one; of 1,000 synapses 1 has moved.
    """
    file = pq.ParquetFile(source)
    _write(path, (_changed(file.read_row_group(number), number) for number in range(file.num_row_groups)))


def _changed(rows: pa.Table, number: int) -> pa.Table:
    rng = np.random.default_rng([SEED, 1, number])
    rows = rows.filter(pa.array(rng.random(len(rows)) > 0.003))
    if "weight" in rows.column_names:
        more = (rng.random(len(rows)) < 0.1).astype(np.int64)
        return rows.set_column(rows.column_names.index("weight"), "weight", pa.array(rows["weight"].to_numpy() + more))
    moved, ends = rng.random(len(rows)) < 0.001, ("pre_pt_root_id", "post_pt_root_id")
    for end in ends:
        ids = rows[end].to_numpy()
        renamed = (ids != 0) & (_mixed(ids.astype(np.uint64)) % np.uint64(50) == 0)
        ids = np.where(renamed, ids - ids % 100_000, ids)
        if end == ends[0]:
            ids = np.where(moved, rows[ends[1]].to_numpy(), ids)
        rows = rows.set_column(rows.column_names.index(end), end, pa.array(ids))
    return rows


def write_annotations(path: Path, source: Path, types: int) -> None:
    """Write a cell type for nine in ten neurons of a synapse or edge table; a few types have most of the neurons."""
    file = pq.ParquetFile(source)
    names = [name for name in file.schema_arrow.names if name in ("pre", "post") or name.endswith("root_id")]
    found = np.zeros(0, dtype=np.int64)
    for batch in file.iter_batches(1 << 23, columns=names):
        found = np.unique(np.concatenate([found, *(column.to_numpy() for column in batch.columns)]))
    rng = np.random.default_rng(SEED)
    neurons = rng.permutation(found[found != 0])
    neurons = neurons[: len(neurons) * 9 // 10]
    share = rng.lognormal(0, 1.5, types)
    labels = np.concatenate([np.arange(types), rng.choice(types, len(neurons), p=share / share.sum())])[: len(neurons)]
    prefixes = ("ER", "FB", "KC", "LN", "PEN", "hDelta", "vDelta", "LT")
    names = [f"{prefixes[label % len(prefixes)]}{label // len(prefixes)}" for label in labels.tolist()]
    _write(path, iter([pa.table({"root_id": neurons, "cell_type": names})]))


def write_transmitters(path: Path, source: Path, percent: int) -> None:
    """Write a transmitter, `nt`, for every neuron of an edge table: of that many in 100, one that inhibits."""
    table = pq.read_table(source, columns=["pre", "post"])
    ids = np.unique(np.concatenate([table["pre"].to_numpy(), table["post"].to_numpy()]))
    inhibits = np.random.default_rng([SEED, percent]).random(len(ids)) < percent / 100
    _write(path, iter([pa.table({"root_id": ids, "nt": np.where(inhibits, "gaba", "acetylcholine")})]))


def write_skeletons(path: Path, neurons: int, nodes: int, sites: int) -> None:
    """Write a folder: skeletons as SWC, synapses near them, and the same points as arrays.

    A skeleton is made of unbranched random walks, 200 nodes each, that start anywhere on what is there already.
    """
    rng = np.random.default_rng(SEED)
    unfinished = path.with_suffix(".tmp")
    (unfinished / "swc").mkdir(parents=True)
    ids = FIRST_ID + np.cumsum(rng.integers(1, 3000, neurons))
    points, columns = np.empty((neurons, sites // neurons, 3)), np.empty((neurons, nodes, 3))
    for number, neuron in enumerate(ids.tolist()):
        columns[number], parent = _walks(rng, nodes)
        lines = zip(range(1, nodes + 1), columns[number].tolist(), parent.tolist(), strict=True)
        text = "".join(f"{node} 0 {x:.1f} {y:.1f} {z:.1f} 50.0 {up}\n" for node, (x, y, z), up in lines)
        (unfinished / "swc" / f"{neuron}.swc").write_text(f"# id label x y z radius parent\n{text}")
        near = columns[number][rng.integers(0, nodes, points.shape[1])]
        points[number] = np.rint(near + rng.normal(0, 300, near.shape))
    owner, partner = np.repeat(ids, points.shape[1]), FIRST_ID // 2 + rng.integers(0, 100_000, points[..., 0].size)
    outgoing = rng.random(len(owner)) < 0.3
    synapses = {"id": 1 + rng.permutation(len(owner)), "pre_pt_root_id": np.where(outgoing, owner, partner)}
    synapses["post_pt_root_id"] = np.where(outgoing, partner, owner)
    where = points.reshape(-1, 3).astype(np.int32).T
    synapses |= {f"ctr_pt_position_{axis}": values for axis, values in zip("xyz", where, strict=True)}
    _write(unfinished / "synapses.parquet", iter([pa.table(synapses).take(rng.permutation(len(owner)))]))
    np.save(unfinished / "nodes.npy", columns)
    np.save(unfinished / "sites.npy", points)
    unfinished.rename(path)


def _walks(rng: np.random.Generator, nodes: int) -> tuple[Array, Array]:
    """Points in nm, rounded as in the SWC file, and parents (numbers from 1; -1 for the root)."""
    points, parent = np.empty((nodes, 3)), np.arange(nodes)
    for start in range(0, nodes, 200):
        count = min(200, nodes - start)
        origin = int(rng.integers(0, start)) if start else -1
        base = points[origin] if start else rng.uniform(50_000, 400_000, 3)
        points[start : start + count] = base + np.cumsum(rng.normal(rng.normal(0, 60, 3), 40, (count, 3)), axis=0)
        parent[start] = origin + 1 if start else -1
    return np.round(points, 1), parent


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write tables as row groups of one file, which appears when it is whole."""
    unfinished = path.with_suffix(".tmp")
    first = next(tables)
    with pq.ParquetWriter(unfinished, first.schema) as writer:
        writer.write_table(first, row_group_size=CHUNK)
        for table in tables:
            writer.write_table(table, row_group_size=CHUNK)
    unfinished.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    for name, writer, arguments in (
        ("synapses", write_synapses, {"synapses": int}),
        ("ids", write_ids, {"source": Path, "how": str}),
        ("text", write_text, {"source": Path}),
        ("names", write_names, {"source": Path}),
        ("neurons", write_neurons, {"synapses": int, "number": int}),
        ("neurons_of", write_neurons_of, {"source": Path, "number": int}),
        ("edges", write_edges, {"neurons": int, "entries": int}),
        ("changed", write_changed, {"source": Path}),
        ("annotations", write_annotations, {"source": Path, "types": int}),
        ("transmitters", write_transmitters, {"source": Path, "percent": int}),
        ("skeletons", write_skeletons, {"neurons": int, "nodes": int, "sites": int}),
    ):
        command = commands.add_parser(name, help=writer.__doc__)
        command.add_argument("path", type=Path)
        for argument, kind in arguments.items():
            command.add_argument(argument, type=kind)
        command.set_defaults(writer=writer)
    given = vars(parser.parse_args())
    del given["what"]
    given.pop("writer")(**given)


if __name__ == "__main__":
    main()
