"""Damaged inputs: `python inputs.py -n 1000 --seed 1`. Whatever is in a file, the command says what is wrong with it,
or gives an answer, and the same one every time.

Each run is a process of its own, forked from one that has loaded everything, with a time limit.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb  # noqa: F401  (loaded before the processes part)
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from common import Report, arguments, environment, faults_of_text, left, patience

from crantcli.cli.app import run as run_command

#: Seconds that a run may take, on a machine that does nothing else.
_LIMIT = 60

Damage = Callable[[random.Random, bytes], bytes]


# Whole tables


def tables(seed: int) -> dict[str, pa.Table]:
    """A synapse table, edges, annotations and totals that fit together."""
    rng = np.random.default_rng(seed)
    n = 3_000
    base = 576_460_752_641_833_774
    neurons = base + rng.permutation(60)
    pre, post = rng.choice(neurons, n), rng.choice(neurons, n)
    synapses = {
        "id": np.arange(1, n + 1),
        "pre_pt_root_id": pre,
        "post_pt_root_id": post,
        "size": rng.integers(1, 99, n),
    }
    for axis in "xyz":
        synapses[f"ctr_pt_position_{axis}"] = rng.integers(0, 10**6, n)
    pairs = np.unique(np.stack([pre, post], axis=1), axis=0)
    edges = {"pre": pairs[:, 0], "post": pairs[:, 1], "weight": rng.integers(1, 50, len(pairs))}
    types = {
        "root_id": np.sort(neurons),
        "cell_type": [f"T{number % 7}" for number in range(60)],
        "side": ["left", "right"] * 30,
    }
    counts = {"neuron_id": np.sort(neurons), "pre": [5] * 60, "post": [6] * 60}
    counts |= {"pre_synapses": rng.integers(50, 99, 60), "post_synapses": rng.integers(50, 99, 60)}
    return {
        name: pa.table(made) for name, made in (("syn", synapses), ("edge", edges), ("type", types), ("tot", counts))
    }


def text_of(table: pa.Table, delimiter: str) -> str:
    """A table as CSV."""
    columns = [column.to_pylist() for column in table.columns]
    lines = [delimiter.join(table.column_names), *(delimiter.join(map(str, row)) for row in zip(*columns, strict=True))]
    return "\n".join(lines) + "\n"


def write(table: pa.Table, path: Path, rng: random.Random) -> None:
    """Write a table in the format of the suffix."""
    if path.suffix == ".parquet":
        pq.write_table(
            table, path, row_group_size=rng.choice([500, 5000]), use_dictionary=rng.random() < 0.5,
            compression=rng.choice(["snappy", "zstd", "none", "gzip"]), data_page_size=rng.choice([2_000, 1_000_000]),
        )  # fmt: skip
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(
            table, str(path), compression=rng.choice(["lz4", "zstd", "uncompressed"]), chunksize=1000
        )
    else:
        text = text_of(table, "\t" if ".tsv" in path.name else ",").encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


# Damage to bytes


def flipped(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.choice([0, 1, 4, rng.randrange(len(data)), len(data) - rng.randrange(1, 12)])]


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.choice([0, rng.randrange(len(data)), max(0, len(data) - rng.randrange(1, 600))])
    return start, min(len(data), start + rng.choice([1, 8, 64, 512, 4096]))


def zeroed(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + bytes(stop - start) + data[stop:]


def garbled(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def lost(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + data[stop:]


def doubled(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:stop] + data[start:]


BYTES: list[Damage] = [flipped, cut, zeroed, garbled, lost, doubled]

# Damage to what the table says

HOSTILE = [
    "", " ", '"', '""', 'a"b', "'", "'; DROP TABLE x; --", "a,b", "a\nb", "a\r\nb", "\r", "\x00", "\x1b[31mred\x1b[0m",
    "\x07", "nan", "NaN", "None", "NULL", "inf", "-inf", "-", "1.5", "1e5", "0x10", "1_000", "\u202e", "\ufeff",
    "\u200b", "é", "\U0001f9e0", "x" * 5_000, "=1+1", "../../etc/passwd", "{}", "[1, 2]", "%s%n", "-1", "+1", "00012",
    "true",
]  # fmt: skip
HUGE = [
    2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, 10**30, -(10**30), 10**400, "1e300", "-1e300", "1e-300", "1e5000",
    "inf", "9" * 3000, 2**53 + 1, "0.1", "-0", 0,
]  # fmt: skip


def cells(rng: random.Random, table: pa.Table, values: list[object]) -> str:
    """CSV with some of these values in some cells, or in the header."""
    names, rows = list(table.column_names), [list(map(str, row.values())) for row in table.to_pylist()]
    column = rng.randrange(len(names))
    quoted = rng.random() < 0.7
    for _ in range(rng.choice([1, 1, 3, 50])):
        value = str(rng.choice(values))
        if quoted:
            value = '"' + value.replace('"', '""') + '"'
        if rng.random() < 0.1:
            names[rng.randrange(len(names))] = value
        else:
            rows[rng.randrange(len(rows))][column] = value
    return "\n".join([",".join(names), *map(",".join, rows)]) + "\n"


def typed(rng: random.Random, table: pa.Table) -> pa.Table:
    """The table with columns in another order, under other names, of other types, with nulls, or without one."""
    names = list(table.column_names)
    change = rng.randrange(6)
    if change == 0:
        rng.shuffle(names)
        return table.select(names)
    if change == 1:
        rng.shuffle(names)
        return table.rename_columns(names)
    if change == 2:
        names.remove(rng.choice(names))
        return table.select(names)
    place = rng.randrange(len(names))
    values = table.column(place).to_pylist()
    some = rng.sample(range(len(values)), rng.choice([1, 5, len(values) // 2]))
    if change == 3:
        for row in some:
            values[row] = None
        return table.set_column(place, names[place], pa.array(values))
    if change == 4:
        number = rng.choice([float("nan"), float("inf"), 1e300, -1.0, 0.5, 2.0**63, 2.0**64])
        floats = [
            number if row in some else (float(v) if not isinstance(v, str) else 0.0) for row, v in enumerate(values)
        ]
        return table.set_column(place, names[place], pa.array(floats, pa.float64()))
    kinds: list[Callable[[], pa.Array]] = [
        lambda: pa.array([2**64 - 1 - row for row in range(len(values))], pa.uint64()),
        lambda: pa.array([str(rng.choice(HOSTILE)) if row in some else str(v) for row, v in enumerate(values)]),
        lambda: pa.array([row % 2 == 0 for row in range(len(values))]),
        lambda: pa.array([[1, 2]] * len(values)),
        lambda: pa.array([{"x": 1}] * len(values)),
        lambda: pa.array([b"\xff\x00"] * len(values), pa.binary()),
        lambda: pa.array(list(range(len(values))), pa.timestamp("us")),
        lambda: pa.nulls(len(values)),
        lambda: pa.array([10**25 + row for row in range(len(values))], pa.decimal128(38, 0)),
        lambda: pa.array(list(map(str, values))).dictionary_encode(),
    ]
    return table.set_column(place, names[place], rng.choice(kinds)())


# Commands


def command(rng: random.Random, files: dict[str, str]) -> list[str]:
    """A command that reads the damaged file, and where its answer goes."""
    syn, edge, kind, tot, npz = (files[name] for name in ("syn", "edge", "type", "tot", "npz"))
    table = rng.choice([syn, edge])
    some = rng.choice([["-t", "2"], ["-a", kind, "-n", "cell_type=T1,T2"], [], ["--no-clean"]])
    return rng.choice(
        [
            ["connectivity", table, *some, "-o", "out.csv"],
            ["connectivity", table, "-a", kind, "--by", "type", "-o", "out.parquet"],
            ["connectivity", table, "-a", kind, "--annotate", "cell_type,side", "-o", "out.feather"],
            ["connectivity", table, "-n", f"@{kind}", "-o", "out.csv"],
            ["connectivity", table, "--normalize", "input", "--totals", tot, "-o", "out.csv"],
            ["synapses", syn, "--columns", "pre,post", "-o", "out.csv"],
            ["synapses", syn, "-o", "out.parquet"],
            ["counts", table, "-o", "out.parquet"],
            ["adjacency", table, "-o", "out.npz"],
            ["adjacency", table, "-o", "out.csv"],
            ["adjacency", npz, "-o", "out.npz"],
            ["connectivity", npz, "-o", "out.csv"],
            ["nested", table, "-a", kind, "-o", "out.npz", "--type-sum", "more.csv"],
            ["info", rng.choice([syn, edge, kind, npz])],
        ]
    )  # fmt: skip


def forked(words: list[str], folder: Path) -> tuple[int | None, bytes, bytes]:
    """Run the command in a process of its own; None for the exit code where it does not end."""
    out, err = folder / "stdout", folder / "stderr"
    process = os.fork()
    if process == 0:
        code = 99
        try:
            os.chdir(folder)
            for number, path in ((1, out), (2, err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            code = run_command(words)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    end = time.monotonic() + patience(_LIMIT)
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), out.read_bytes(), err.read_bytes()
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None, out.read_bytes(), err.read_bytes()


def made(folder: Path) -> dict[str, bytes]:
    """Outputs that are there."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith(("out.", "more."))}


def damaged(rng: random.Random, whole: dict[str, pa.Table], folder: Path) -> tuple[list[str], str, str]:
    """Files of which one is damaged: a command that reads them, what was done, and to which."""
    files = {"npz": str(folder / "npz.npz")}
    suffixes = (".parquet", ".feather", ".csv", ".tsv", ".csv.gz")
    for name, table in whole.items():
        path = folder / f"{name}{rng.choice(suffixes)}"
        write(table, path, rng)
        files[name] = str(path)
    assert run_command(["adjacency", files["edge"], "-q", "-o", files["npz"]]) == 0
    words = command(rng, files)
    used = [name for name, path in files.items() if any(word.lstrip("@") == path for word in words)]
    name = rng.choice(used)
    path = Path(files[name])
    what = rng.random()
    if name != "npz" and what < 0.25:
        values = list(rng.choice([HOSTILE, HUGE]))
        text = cells(rng, whole[name], values).encode("utf-8", "surrogatepass")
        new = path.with_name(f"{name}_cells.csv{rng.choice(['', '.gz'])}")
        new.write_bytes(gzip.compress(text) if new.suffix == ".gz" else text)
        told = "cells"
    elif name != "npz" and what < 0.4:
        new = path.with_name(f"{name}_typed{path.name.removeprefix(name)}")
        write(typed(rng, whole[name]), new, rng)
        told = "types"
    else:
        harm = rng.choice(BYTES)
        new = path.with_name(f"{name}_{harm.__name__}{path.name.removeprefix(name)}")
        new.write_bytes(harm(rng, path.read_bytes()))
        told = harm.__name__
    return [word.replace(str(path), new.name).replace(f"{folder}/", "") for word in words], told, new.name


def judged(words: list[str], folder: Path) -> tuple[int | None, list[str], bytes]:
    """Run a command twice, in different ways, and say what is wrong with it."""
    spill = folder / "spill"
    spill.mkdir()
    limits = [] if words[0] == "info" else ["--tmp-dir", "spill"]
    results = []
    faults: list[str] = []
    for threads in ("1", "2"):
        for path in folder.glob("out.*"):
            path.unlink()
        extra = [*limits, "--threads", threads] if limits else []
        code, out, err = forked([*words, *extra], folder)
        if code is None:
            return None, ["does not end"], err
        faults += faults_of_text(code, out, err)
        outputs = made(folder)
        if code and outputs:
            faults.append(f"left {sorted(outputs)}")
        faults += [f"left {name}" for name in left(folder)]
        for output in outputs:
            (folder / output).unlink()
        results.append((code, out, outputs, err))
        if limits == []:
            break
    if len(results) == 2 and results[0][:3] != results[1][:3]:
        faults.append(f"answers differ: {results[0][0]} and {results[1][0]}")
    return results[0][0], list(dict.fromkeys(faults)), results[0][3]


def main() -> int:
    """Run the campaign."""
    given = arguments("damaged inputs", 1000)
    report = Report(given)
    whole = tables(given.seed)
    with tempfile.TemporaryDirectory() as made_in:
        os.environ.clear()
        os.environ.update(environment(Path(made_in)))
        tempfile.tempdir = made_in
        for number in range(given.n):
            rng = random.Random(f"{given.seed} {number}")
            folder = Path(made_in) / str(number)
            folder.mkdir()
            words, harm, name = damaged(rng, whole, folder)
            code, faults, err = judged(words, folder)
            report.count(f"exit {code}")
            said = err.decode("utf-8", "backslashreplace")
            if code == 3 and name not in said:
                report.count("exit 3 without the file's name")
                if given.show:
                    print(f"    {number} {harm}: {said[:300]}", flush=True)
            if faults:
                report.fault(number, f"{harm}: {' '.join(words)}: {'; '.join(faults)}", said)
                if given.keep:
                    shutil.copytree(folder, given.keep / f"{given.seed}-{number}", dirs_exist_ok=True)
            shutil.rmtree(folder)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
