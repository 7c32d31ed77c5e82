"""Damaged tables, annotations, totals and matrices, and commands that read them."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import values
from damage import BYTES, HOSTILE, HUGE, cells, typed


@dataclass
class Case:
    """A command that reads a damaged file.

    Attributes
    ----------
    harm : str
        What was done to it.
    name : str
        The damaged file, which a refusal should name.
    judge : callable
        Says what is wrong with an answer in a folder, None where nothing is; NotJudgedError where that cannot be told.
        It may run other commands.
    more : list of str
        Options that each run of it has.
    """

    words: list[str]
    harm: str
    name: str
    judge: Callable[[Path, Callable[[list[str]], int | None]], str | None]
    more: list[str] = field(default_factory=list)


def unjudged(folder: Path, run: Callable[[list[str]], int | None]) -> str | None:
    """For answers of which nobody knows whether they are right."""
    raise values.NotJudgedError


def tables(seed: int) -> dict[str, pa.Table]:
    """A synapse table, the edges of it, annotations and totals."""
    rng = np.random.default_rng(seed)
    n, neurons = 900, 576_460_752_641_833_774 + rng.permutation(30)
    pre, post = rng.choice(neurons, n), rng.choice(neurons, n)
    synapses = {
        "id": np.arange(1, n + 1),
        "pre_pt_root_id": pre,
        "post_pt_root_id": post,
        "size": rng.integers(1, 99, n),
    }
    for axis in "xyz":
        synapses[f"ctr_pt_position_{axis}"] = rng.integers(0, 10**6, n)
    weights = Counter(zip(pre.tolist(), post.tolist(), strict=True))
    edges = {
        "pre": [pair[0] for pair in weights],
        "post": [pair[1] for pair in weights],
        "weight": list(weights.values()),
    }
    named = np.sort(neurons)
    types = {
        "root_id": named,
        "cell_type": [f"T{number % 7}" for number in range(30)],
        "side": ["left", "right"] * 15,
    }
    told = [values.oracle.counts({pair: w for pair, w in weights.items() if pair[0] != pair[1]}, named.tolist())]
    names = ("neuron_id", "pre", "post", "pre_synapses", "post_synapses")
    counts = dict(zip(names, zip(*told[0], strict=True), strict=True))
    made = {"syn": synapses, "edge": edges, "type": types, "tot": counts}
    return {
        name: pa.table({column: pa.array(list(x)) for column, x in columns.items()}) for name, columns in made.items()
    }


def text_of(table: pa.Table, delimiter: str) -> str:
    """A table as CSV."""
    columns = [column.to_pylist() for column in table.columns]
    lines = [delimiter.join(table.column_names), *(delimiter.join(map(str, row)) for row in zip(*columns, strict=True))]
    return "\n".join(lines) + "\n"


def write(table: pa.Table, path: Path, rng: random.Random) -> None:
    """Write a table in the format of the suffix."""
    if ".parquet" in path.name:
        pq.write_table(
            table, path, row_group_size=rng.choice([200, 5000]), use_dictionary=rng.random() < 0.5,
            compression=rng.choice(["snappy", "zstd", "none", "gzip"]), data_page_size=rng.choice([1_000, 1_000_000]),
            store_schema=False,  # which pyarrow insists on, and nobody else reads
        )  # fmt: skip
    elif ".feather" in path.name:
        pyarrow.feather.write_feather(
            table, str(path), compression=rng.choice(["lz4", "zstd", "uncompressed"]), chunksize=400
        )
    else:
        text = text_of(table, "\t" if ".tsv" in path.name else ",").encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def command(rng: random.Random, files: dict[str, str]) -> list[str]:
    """A command on a table, its source second, and where its answer goes."""
    syn, edge, kind, tot, npz = (files[name] for name in ("syn", "edge", "type", "tot", "npz"))
    table, either = rng.choice([syn, edge]), rng.choice([syn, edge, npz])
    suffix = rng.choice(["csv", "csv", "parquet", "feather"])
    some = rng.choice([["-t", "2"], ["-a", kind, "-n", "cell_type=T1,T2"], [], ["--no-clean"], ["-n", f"@{kind}"]])
    judged = [
        ["connectivity", table, *some, "-o", f"out.{suffix}"],
        ["connectivity", syn, "--min-size", "40", *some, "-o", f"out.{suffix}"],
        ["connectivity", either, "-a", kind, "--by", "type", "-o", f"out.{suffix}"],
        ["connectivity", table, "-a", kind, "--annotate", "cell_type,side", "-o", f"out.{suffix}"],
        ["connectivity", table, "--normalize", "input", "--totals", tot, "-o", f"out.{suffix}"],
        ["synapses", syn, *some, "--columns", "pre,post", "-o", "out.csv"],
        ["synapses", syn, *some, "-o", f"out.{suffix}"],
        ["counts", either, *some[: 2 * (some[:1] != ["-a"] and some[:1] != ["-n"])], "-o", f"out.{suffix}"],
        ["adjacency", either, "-o", rng.choice(["out.npz", "out.csv"])],
        ["connectivity", npz, "-o", "out.csv"],
    ]
    seeds = ["-a", kind, "--from", "cell_type=T1", "--to", "cell_type=T2"]
    others = [
        ["nested", table, "-a", kind, "--weight-mode", "count", "-o", "out.npz", "--type-sum", "more.csv"],
        ["info", rng.choice([syn, edge, kind, npz])],
        ["paths", table, *seeds, "--hops", "3", "-o", "out.csv"],
        ["influence", table, "-a", kind, "--seeds", "cell_type=T1", "-o", "out.csv"],
        ["similar", table, "-n", f"@{kind}", "-o", "out.csv"],
        ["compare", table, f"{edge}", "-o", "out.csv"],
        ["export", rng.choice([edge, npz]), "-a", kind, "-o", rng.choice(["out.graphml", "out.gexf", "out.mtx"])],
        ["sort", table, "-o", rng.choice(["out.csv", "out.parquet"])],
        ["partition", table, "--parts", "2", "-o", "out.parts"],
        ["view", table, "-a", kind, "-o", "out.html"],
        ["link", "cell_type=T1", "-a", kind, "--synapses", syn, "--coordinates", "nm", "-o", "out.json"],
    ]
    return rng.choice(judged if rng.random() < 0.65 else others)


def case(rng: random.Random, whole: dict[str, pa.Table], folder: Path, matrix: bytes) -> Case:
    """Files in a folder of which one is damaged, and a command that reads it."""
    files = {"npz": "npz.npz"}
    (folder / "npz.npz").write_bytes(matrix)
    for name, table in whole.items():
        files[name] = f"{name}{rng.choice(('.parquet', '.feather', '.csv', '.tsv', '.csv.gz'))}"
        write(table, folder / files[name], rng)
    words = command(rng, files)
    used = [name for name, file in files.items() if any(word.lstrip("@") == file for word in words)]
    name = rng.choice(used)
    old, ending = files[name], files[name].removeprefix(name)
    what = rng.random()
    if name != "npz" and what < 0.3:
        text = cells(rng, whole[name], list(rng.choice([HOSTILE, HUGE]))).encode("utf-8", "surrogatepass")
        harm, new = "cells", f"{name}_cells.csv{rng.choice(['', '.gz'])}"
        (folder / new).write_bytes(gzip.compress(text) if new.endswith(".gz") else text)
    elif name != "npz" and what < 0.45:
        harm, new = "types", f"{name}_typed{ending}"
        write(typed(rng, whole[name]), folder / new, rng)
    else:
        damage = rng.choice(BYTES)
        harm, new = damage.__name__, f"{name}_{damage.__name__}{ending}"
        (folder / new).write_bytes(damage(rng, (folder / old).read_bytes()))
    words = [word.replace(old, new) for word in words]
    files[name] = new
    kinds = {file: kind for kind, file in files.items()}

    def judge(where: Path, run: Callable[[list[str]], int | None]) -> str | None:
        if words[0] in values.ORACLE:
            return values.fault_of_values(words, where, kinds)
        if words[0] in ("paths", "influence", "similar", "compare", "nested", "sort") and harm not in (
            "cells",
            "types",
        ):
            if name == "npz":
                raise values.NotJudgedError
            return values.fault_against_itself(words, new, name, where, run)
        raise values.NotJudgedError

    return Case(words, harm, new, judge)
