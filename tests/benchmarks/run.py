"""Speed and memory against bare statements and pandas: `python tests/benchmarks/run.py --n 20000000 --only edges`.

Every figure is that of a process of its own. Ratios are what counts; seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from measure import Usage, medians, run

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parents[1] / "sample_data" / "synapses.parquet"
NEURONS = 100  # of a lookup
REAL_MESHES = HERE.parents[2] / "shared" / "data" / "crantb_neuropils"
SAMPLE_MESHES = SAMPLE.with_name("meshes")
POINTS = 1_000_000  # in meshes
MESH_LIBRARIES = (("embree", "embreex", 0.3), ("ncollpyde", "ncollpyde", 0.5))  # what it is, its package, our target
MATRIX = (20_000, 5_000_000)  # neurons on both axes of the adjacency, entries
BRAIN = (139_255, 15_000_000)  # neurons and pairs of a whole fly's brain
FEW = (6_000, 600_000)  # neurons and pairs of which all cosines fit into memory
DENSE = (3_000, 300_000)  # neurons and pairs whose matrix is held with its zeros
SEED_SETS = 11  # of influence: one, and ten further ones
INHIBITORY = (30, 45)  # of 100 neurons; with the second, most eigenvalues are as large as the largest
TYPES = 8_000  # cell types of that brain
SKELETONS = (200, 20_000, 1_000_000)  # neurons, nodes of each, sites of all

Measure = Literal["wall", "cpu", "peak"]


def python(*arguments: object) -> list[str]:
    return [sys.executable, *map(str, arguments)]


def crantcli(*arguments: object) -> list[str]:
    installed = Path(sys.executable).with_name("crantcli")
    start = [str(installed)] if installed.exists() else python("-m", "crantcli")
    return [*start, *map(str, arguments)]


def reference(*arguments: object) -> list[str]:
    return python(HERE / "references.py", *arguments)


def report(
    name: str, ours: Usage, other: Usage | None = None, target: float | None = None, measure: Measure = "wall"
) -> None:
    """Print one line. The target is of the ratio or, where there is nothing to compare with, of our own figure."""
    value = getattr(ours, measure)
    ratio = value / getattr(other, measure) if other else None
    judged = value if ratio is None else ratio
    verdict = "" if target is None else "ok" if judged <= target else "over"
    unit = {"wall": "", "cpu": " cpu", "peak": " MB"}[measure]
    shown = "" if ratio is None else f"{ratio:6.2f}{unit}"
    goal = "" if target is None else f"<= {target:g}{unit}"
    print(f"{name:<34} {ours!s:<33} {other or ''!s:<33} {shown:<10} {goal:<11} {verdict}".rstrip(), flush=True)


@dataclass(frozen=True)
class Bench:
    """Where the tables are, and how they are measured."""

    folder: Path
    synapses: int
    repeat: int
    pandas: bool

    def made(self, name: str, what: str, *arguments: object) -> Path:
        """A generated file, made where it is not there yet."""
        path = self.folder / name
        if not path.exists():
            run(python(HERE / "generate.py", what, path, *arguments))
        return path

    @property
    def table(self) -> Path:
        return self.made(f"synapses-{self.synapses}.parquet", "synapses", self.synapses)

    def table_with_ids(self, how: str) -> Path:
        return self.made(f"synapses-{self.synapses}-{how}.parquet", "ids", self.table, how)

    @property
    def neurons(self) -> Path:
        return self.made(f"neurons-{self.synapses}.txt", "neurons", self.synapses, NEURONS)

    @property
    def sorted(self) -> Path:
        path = self.folder / f"sorted-{self.synapses}.parquet"
        if not path.exists():
            run(crantcli("synapses", self.table, "-q", "-o", path))
        return path

    def out(self, name: str) -> Path:
        return self.folder / f"out-{name}"

    def medians(self, *commands: list[str]) -> list[Usage]:
        return medians(self.repeat, *commands)

    def same(self, column: str, *paths: Path) -> None:
        """Fail where the files differ in rows or in the sum of a column."""
        found = []
        for path in paths:
            contents = "npz_contents" if path.suffix == ".npz" else "contents"
            run(reference(contents, path, column, self.out("contents.json")))
            found.append(json.loads(self.out("contents.json").read_text()))
        if any(other != found[0] for other in found[1:]):
            raise RuntimeError(f"the results differ (rows, sum of {column}): {found}")


def _connectivity(table: Path, out: Path, *more: str) -> list[str]:
    return crantcli("connectivity", table, "-t", 5, "-q", "-o", out, *more)


def edges(bench: Bench) -> None:
    """The thresholded edge list."""
    ours, bare, notebook = (bench.out(f"{name}.parquet") for name in ("edges", "bare", "pandas"))
    mine, theirs = bench.medians(_connectivity(bench.table, ours), reference("duckdb_edges", bench.table, bare))
    report("edges / bare DuckDB", mine, theirs, 0.75)
    report("edges / bare DuckDB", mine, theirs, 0.75, "cpu")
    report("edges / bare DuckDB", mine, theirs, 0.6, "peak")
    bench.same("weight", ours, bare)
    mixed = bench.table_with_ids("sparse")
    report("edges, sparse ids / bare DuckDB", bench.medians(_connectivity(mixed, ours))[0], theirs, 1)
    bench.same("weight", ours, bare)
    if bench.pandas:
        slow = run(reference("pandas_edges", bench.table, notebook))
        report("edges / pandas", mine, slow, 0.4)
        bench.same("weight", ours, notebook)


def text(bench: Bench) -> None:
    """The edge list of a text table that is packed."""
    table = bench.made(f"synapses-{bench.synapses}.csv.gz", "text", bench.table)
    ours, bare = bench.out("edges.parquet"), bench.out("bare.parquet")
    mine, theirs = bench.medians(_connectivity(table, ours), reference("duckdb_edges", table, bare))
    report("edges, .csv.gz / bare DuckDB", mine, theirs, 1.1)
    report("edges, .csv.gz / bare DuckDB", mine, theirs, None, "cpu")
    bench.same("weight", ours, bare)


def names(bench: Bench) -> None:
    """The edge list of a table whose neurons have names."""
    table = bench.made(f"synapses-{bench.synapses}-names.parquet", "names", bench.table)
    ours, bare = bench.out("edges.parquet"), bench.out("bare.parquet")
    mine, theirs = bench.medians(_connectivity(table, ours), reference("duckdb_edges", table, bare, "'0'"))
    report("edges of names / bare DuckDB", mine, theirs, 1)
    report("edges of names / bare DuckDB", mine, theirs, 1, "cpu")
    bench.same("weight", ours, bare)


def memory(bench: Bench) -> None:
    """The edge list within 1 GB."""
    little, much = (
        _connectivity(bench.table, bench.out("edges.parquet"), "--max-memory", size) for size in ("1GB", "16GB")
    )
    bounded, unbounded = bench.medians(little, much)
    report("memory 1GB / 16GB", bounded, unbounded, 1.2)
    report("memory 1GB, peak", bounded, target=1300, measure="peak")


def once(bench: Bench) -> None:
    """What it costs that a synapse counts once."""
    tables = (bench.table_with_ids("none"), bench.table, bench.table_with_ids("sparse"), bench.sorted)
    none, dense, sparse, ours = bench.medians(*(_connectivity(table, bench.out("edges.parquet")) for table in tables))
    report("once, dense ids / no ids", dense, none, 1.2)
    report("once, sparse ids / no ids", sparse, none)
    report("once, file of ours / no ids", ours, none)


def lookup(bench: Bench) -> None:
    """All synapses of some neurons."""
    table, bare = bench.table, bench.out("bare.parquet")
    from_order, ours = bench.out("quick.parquet"), bench.out("rows.parquet")
    in_order = bench.folder / f"sorted-{bench.synapses}.parquet"
    sorting = run(crantcli("synapses", table, "-q", "-o", in_order))
    report("sort", sorting, target=35 * bench.synapses / 100_000_000)
    report("sort / bare DuckDB", sorting, run(reference("duckdb_sort", table, bare)))
    bench.same("id", in_order, bare)
    for side in ("pre", "post"):
        question = (f"--{side}", f"@{bench.neurons}", "-q", "-o")
        quick, slow, theirs = bench.medians(
            crantcli("synapses", in_order, *question, from_order),
            crantcli("synapses", table, *question, ours),
            reference("duckdb_lookup", table, bench.neurons, side, bare),
        )
        bench.same("id", ours, from_order, bare)
        report(f"lookup --{side} / bare DuckDB", slow, theirs, 2)
        report(f"lookup --{side}, sorted / unsorted", quick, slow)


def adjacency(bench: Bench) -> None:
    """A large matrix, as numbers and as a picture."""
    table = bench.made("edges.parquet", "edges", *MATRIX)
    matrix, picture, bare = bench.medians(
        crantcli("adjacency", table, "-q", "-o", bench.out("matrix.npz")),
        crantcli("adjacency", table, "-q", "--plot", bench.out("matrix.png")),
        python("-c", "import numpy, matplotlib.figure, matplotlib.backends.backend_agg"),
    )
    for name, ours in (("npz", matrix), ("png", picture)):
        report(f"adjacency .{name} / importing numpy", ours, bare)
        report(f"adjacency .{name}, peak", ours, target=1600, measure="peak")


def compare(bench: Bench) -> None:
    """Two edge tables of a whole brain against a merge, and two versions of the synapses against one edge list."""
    brain = bench.made("brain.parquet", "edges", *BRAIN)
    later = bench.made("brain-later.parquet", "changed", brain)
    ours, theirs = bench.out("changes.parquet"), bench.out("merged.parquet")
    commands = [crantcli("compare", brain, later, "-q", "-o", ours)]
    found = bench.medians(*commands, *([reference("pandas_compare", brain, later, theirs)] if bench.pandas else []))
    report("compare edges / pandas", found[0], *found[1:], target=0.4 if bench.pandas else None)
    report("compare edges, peak", found[0], target=2200, measure="peak")
    if bench.pandas:
        bench.same("difference", ours, theirs)
    new = bench.made(f"synapses-{bench.synapses}-later.parquet", "changed", bench.table)
    asked = ("compare", bench.table, new, "-q", "-o", ours, "--neurons", bench.out("neurons.parquet"))
    versions, tight, one = bench.medians(
        crantcli(*asked),
        crantcli(*asked, "--max-memory", "1200MB"),
        crantcli("connectivity", bench.table, "-q", "-o", bench.out("edges.parquet")),
    )
    report("compare versions / one edge list", versions, one, 3)
    report("compare versions, peak", versions, target=2500, measure="peak")
    report("compare versions, 1200 MB / one edge list", tight, one, 3)
    report("compare versions, 1200 MB, peak", tight, target=2000, measure="peak")


def paths(bench: Bench) -> None:
    """Through a whole brain from 100 seeds: shares of four steps against scipy by hand, and the 100 best paths."""
    brain = bench.made("brain.parquet", "edges", *BRAIN)
    seeds = bench.made("brain-seeds.txt", "neurons_of", brain, NEURONS)
    ours, bare = bench.out("shares.parquet"), bench.out("bare.parquet")
    chosen = ("paths", brain, "--from", f"@{seeds}", "-q", "-o")
    mine, theirs, listed = bench.medians(
        crantcli(*chosen, ours),
        reference("scipy_paths", brain, seeds, bare),
        crantcli(*chosen, bench.out("paths.csv"), "--to", f"@{seeds}", "--list", 100),
    )
    report("paths, 4 steps / scipy", mine, theirs, 1)
    report("paths, 4 steps / scipy", mine, theirs, None, "cpu")
    report("paths, 4 steps", mine, target=10)
    report("paths, 4 steps, peak", mine, target=2000, measure="peak")
    report("paths, 100 best / 4 steps", listed, mine, 1.5)
    report("paths, 100 best, peak", listed, target=2000, measure="peak")
    bench.same("CAST(round(fraction * 1e12) AS HUGEINT)", ours, bare)


def influence(bench: Bench) -> None:
    """What seeds drive in a whole brain: unsigned, signed, and signed so that nearly as much inhibits as excites."""
    brain = bench.made("brain.parquet", "edges", *BRAIN)
    seeds = bench.made("brain-seeds.txt", "neurons_of", brain, NEURONS)
    ids, ours, theirs = seeds.read_text().split(), bench.out("driven.parquet"), bench.out("by-hand.parquet")
    sets = [f"set{place}={','.join(ids[place::SEED_SETS])}" for place in range(SEED_SETS)]
    few, many = INHIBITORY

    def asked(number: int, percent: int = 0) -> list[str]:
        chosen = [word for one in sets[:number] for word in ("--seeds", one)]
        signs = ("-a", transmitters(percent), "--sign", "nt", "--inhibitory", "gaba") if percent else ()
        return crantcli("influence", brain, *chosen, *signs, "-q", "-o", ours)

    def transmitters(percent: int) -> Path:
        return bench.made(f"brain-nt-{percent}.parquet", "transmitters", brain, percent)

    for name, percent, first, further in (("influence", 0, 10, 1), ("influence, signed", few, 40, 15)):
        signs = [transmitters(percent)] if percent else []
        all_sets, one, by_hand = bench.medians(
            asked(SEED_SETS, percent),
            asked(1, percent),
            reference("scipy_influence", brain, seeds, SEED_SETS, 1, theirs, *signs),
        )
        report(f"{name}, 1 set / scipy", one, by_hand, 1)
        report(f"{name}, 1 set / scipy", one, by_hand, 1, "cpu")
        report(f"{name}, 1 set / scipy", one, by_hand, 1, "peak")
        report(f"{name}, 1 set", one, target=first)
        more = SEED_SETS - 1
        each = Usage((all_sets.wall - one.wall) / more, (all_sets.cpu - one.cpu) / more, all_sets.peak)
        report(f"{name}, each further set", each, target=further)
        report(f"{name}, each further set", each, target=further, measure="cpu")
        report(f"{name}, {SEED_SETS} sets, peak", all_sets, target=2000, measure="peak")
        bench.same("CAST(round(influence * 1e5) AS HUGEINT)", ours, theirs)
    hard = medians(1, asked(1, many))[0]
    report(f"influence, {many} % inhibitory", hard)
    report(f"influence, {many} % inhibitory, peak", hard, target=2000, measure="peak")


def similar(bench: Bench) -> None:
    """The most similar neurons: where all cosines fit into memory against scipy by hand, and of a whole brain."""
    edges = bench.made("few-edges.parquet", "edges", *FEW)
    ours, theirs = bench.out("similar.parquet"), bench.out("by-hand.parquet")
    asked = ("--top", 20, "-q", "-o")
    top, matrix, hand = bench.medians(
        crantcli("similar", edges, *asked, ours),
        crantcli("similar", edges, "-q", "-o", bench.out("similar.npz")),
        reference("scipy_similar", edges, 20, theirs),
    )
    report("similar --top 20 / scipy by hand", top, hand, 1)
    report("similar --top 20 / scipy by hand", top, hand, 0.5, "peak")
    report("similar, matrix / scipy by hand", matrix, hand)
    bench.same("round(1000 * cosine)", ours, theirs)
    brain = bench.made("brain.parquet", "edges", *BRAIN)
    whole = medians(1, crantcli("similar", brain, *asked, ours))[0]
    report("similar --top 20, whole brain", whole, target=600)
    report("similar --top 20, whole brain, peak", whole, target=4000, measure="peak")


def dense(bench: Bench) -> None:
    """Paths, influence and similarities where the matrix fits into memory with its zeros, against numpy."""
    edges = bench.made("dense-edges.parquet", "edges", *DENSE)
    seeds = bench.made("dense-seeds.txt", "neurons_of", edges, NEURONS)
    ours, theirs = bench.out("ours.parquet"), bench.out("numpy.parquet")
    for name, options, given, column in (
        ("paths", ("--from", f"@{seeds}"), (seeds,), "CAST(round(fraction * 1e9) AS HUGEINT)"),
        ("influence", ("--seeds", f"@{seeds}"), (seeds,), "CAST(round(influence * 1e5) AS HUGEINT)"),
        ("similar", ("--top", 20), (20,), "round(1000 * cosine)"),
    ):
        mine, numpy = bench.medians(
            crantcli(name, edges, *options, "-q", "-o", ours), reference(f"numpy_{name}", edges, *given, theirs)
        )
        report(f"{name} / dense numpy", mine, numpy, 1)
        bench.same(column, ours, theirs)


def nested(bench: Bench) -> None:
    """Nested matrices: a whole brain at once, sums per pair of types alone, and a small table with its picture."""
    brain = bench.made("brain.parquet", "edges", *BRAIN)
    cells = bench.made("brain-types.parquet", "annotations", brain, TYPES)
    files = {"-o": "n.npz", "--type-sum": "s.npz", "--type-mean": "m.npz", "--plot": "n.png"}
    options = [word for option, name in files.items() for word in (option, bench.out(name))]
    whole = medians(1, crantcli("nested", brain, "-a", cells, "-q", *options))[0]
    report("nested, whole brain", whole, target=40)
    report("nested, whole brain, peak", whole, target=5000, measure="peak")
    labels = bench.made(f"types-{bench.synapses}.parquet", "annotations", bench.table, TYPES // 10)
    ours, bare = bench.out("sums.npz"), bench.out("sums.parquet")
    counted = ("--weight-mode", "count", "-q", "--type-sum")
    mine, theirs = bench.medians(
        crantcli("nested", bench.table, "-a", labels, *counted, ours),
        reference("duckdb_type_sums", bench.table, labels, bare),
    )
    report("type sums / bare DuckDB", mine, theirs, 1.1)
    bench.same("weight", ours, bare)
    small, imports = medians(
        11,
        crantcli("nested", "-d", SAMPLE.with_name("sample.toml"), "-q", "--plot", bench.out("small.png")),
        python("-c", "from matplotlib.figure import Figure; import scipy.sparse"),
    )
    report("nested, 300 neurons / imports", small, imports, 2.5, "cpu")
    report("nested, 300 neurons", small, target=1, measure="cpu")


def attach(bench: Bench) -> None:
    """Sites of many neurons on their skeletons: in arrays against bare trees, as a command against a script."""
    folder = bench.made("skeletons", "skeletons", *SKELETONS)
    told, ours, theirs = bench.out("nearest.json"), bench.out("sites.parquet"), bench.out("notebook.parquet")
    run(reference("nearest", folder, bench.repeat, told))
    found = {name: Usage(*figures) for name, figures in json.loads(told.read_text()).items()}
    report("attach, arrays / scipy trees", found["ours"], found["bare"], 1.5)
    given = ("attach", folder / "synapses.parquet", "--coordinates", "nm", "-q")
    first = min((folder / "swc").iterdir())
    whole, single, start, notebook = bench.medians(
        crantcli(*given, "--skeletons", folder / "swc", "-o", ours),
        crantcli(*given, "--skeletons", folder / "swc", "-o", bench.out("single.parquet"), "--threads", 1),
        crantcli("attach", SAMPLE, *given[2:], "--skeletons", first, "-o", bench.out("none.parquet")),
        reference("pandas_attach", folder / "synapses.parquet", folder / "swc", theirs),
    )
    report("attach, command / pandas and scipy", whole, notebook, 1)
    report("attach, command, --threads 1", single, notebook)
    report("attach, command's start-up share", start, whole)
    bench.same("node_id", ours, theirs, bench.out("single.parquet"))


def startup(bench: Bench) -> None:
    """What a command costs that does next to nothing."""
    few = bench.out("few.csv")
    few.write_text("pre,post\n" + "".join(f"{number // 2},{number // 2 + 1}\n" for number in range(2, 12)))
    mine, bare, small, engine = medians(
        11,
        crantcli("--help"),
        python("-c", "import typer"),
        crantcli("connectivity", few, "-q", "-o", bench.out("few-edges.csv")),
        python("-c", "import duckdb"),
    )
    report("startup --help / import typer", mine, bare, 1.2, "cpu")
    report("startup, edges of ten rows", small, target=0.3, measure="cpu")
    report("startup, ten rows / import duckdb", small, engine, None, "cpu")


#: Runs a command, and writes down what it imports.
LISTED = """
import json, sys
from crantcli.cli.app import run
assert run(sys.argv[2:]) == 0
open(sys.argv[1], "w").write(json.dumps([name for name in sys.modules if name != "__main__"]))
"""

#: Imports that, and nothing else; it is set up, and ends, as the command line does.
IMPORTED = """
import gc, importlib, json, os, sys
gc.set_threshold(50_000, 10, 10)
for name in json.load(open(sys.argv[1])):
    try:
        importlib.import_module(name)
    except ImportError:  # what a package has put there under another name
        pass
os._exit(0)
"""


def commands(bench: Bench) -> None:
    """Each command on the sample data: the seconds of all threads, and the share of importing what it imports."""
    brain, types = ("-d", SAMPLE.with_name("sample.toml")), SAMPLE.with_name("annotations.csv")
    edges, matrix = bench.out("sample-edges.parquet"), bench.out("sample.npz")
    lines: dict[str, tuple[object, ...]] = {
        "synapses": ("synapses", *brain, "--pre", "cell_type=ER2", "-o", bench.out("sample-synapses.parquet")),
        "sort": ("sort", SAMPLE, "-o", bench.out("sample-sorted.parquet")),
        "connectivity": ("connectivity", SAMPLE, "-t", 5, "-o", edges),
        "connectivity --by type": ("connectivity", *brain, "--by", "type", "-o", bench.out("sample-types.csv")),
        "counts": ("counts", SAMPLE, "-o", bench.out("sample-counts.csv")),
        "adjacency": ("adjacency", SAMPLE, "-o", matrix),
        "adjacency --plot": ("adjacency", SAMPLE, "--plot", bench.out("sample.png")),
        "nested": ("nested", SAMPLE, "-a", types, "-o", bench.out("sample-nested.npz")),
        "nested --plot": ("nested", *brain, "--plot", bench.out("sample-nested.png")),
        "neuropil": ("neuropil", *brain, "--assignments-only", "--no-plot", "-o", bench.out("sample-neuropils")),
        "attach": ("attach", *brain, "-o", bench.out("sample-sites.parquet")),
        "annotations": ("annotations", *brain, "-o", bench.out("sample-annotations.csv")),
        "meshes": ("meshes", *brain, "-o", bench.out("sample-meshes")),
        "info": ("info", SAMPLE),
        "--help": ("--help",),
    }
    listed = bench.out("imported.json")
    for name, words in lines.items():
        arguments = [*map(str, words), *([] if name == "--help" else ["-q"])]
        run(python("-c", LISTED, listed, *arguments))
        whole, imports = medians(max(bench.repeat, 5), crantcli(*arguments), python("-c", IMPORTED, listed))
        report(f"{name}: imports / whole", imports, whole, measure="cpu")


def containment(bench: Bench) -> None:
    """Which neuropils contain points, index building included, against libraries that go mesh by mesh."""
    meshes = REAL_MESHES if REAL_MESHES.is_dir() else SAMPLE_MESHES
    installed = [
        (way, goal) for way, package, goal in MESH_LIBRARIES if importlib.util.find_spec(package) or _missing(package)
    ]

    def timed(way: str, kind: str, points: int) -> tuple[Usage, list[int]]:
        result = bench.out("inside.json")
        peak = run(python(HERE / "inside.py", way, meshes, kind, points, result)).peak
        found = json.loads(result.read_text())
        return Usage(found["wall"], found["cpu"], peak), found["counts"]

    ways = ["crantcli", *(way for way, _ in installed)]
    for kind in ("uniform", "concentrated"):
        # In turns, so that a busy minute hurts all of them.
        rounds = [[timed(way, kind, POINTS) for way in ways] for _ in range(bench.repeat)]
        best_of = [min(found, key=lambda one: one[0].wall) for found in zip(*rounds, strict=True)]
        (ours, counts), others = best_of[0], best_of[1:]
        for (way, goal), (theirs, counted) in zip(installed, others, strict=True):
            report(f"{kind} / {way}", ours, theirs, goal)
            # The libraries work in single precision: points near a surface may be taken to lie beyond it.
            if any(abs(one - other) > 20 + one / 1000 for one, other in zip(counts, counted, strict=True)):
                raise RuntimeError(f"the results differ (points in each mesh): {counts} and {counted}")
        report(f"{kind} {10 * POINTS:,} / {POINTS:,}", timed("crantcli", kind, 10 * POINTS)[0], ours, 8)


def neuropil(bench: Bench) -> None:
    """The neuropils of every synapse, as a file; and with a matrix for each neuropil."""
    meshes = REAL_MESHES if REAL_MESHES.is_dir() else SAMPLE_MESHES
    labels = bench.made(f"types-{bench.synapses}.parquet", "annotations", bench.table, TYPES // 10)
    given = ("--coordinates", "nm", "--meshes", meshes, "--no-plot", "-q")
    ours, whole = bench.medians(
        crantcli("neuropil", bench.table, *given, "--assignments-only", "-o", bench.out("neuropils")),
        crantcli("neuropil", bench.table, *given, "-a", labels, "-o", bench.out("matrices")),
    )
    report(f"neuropil, {bench.synapses:,} synapses", ours, target=60 * bench.synapses / 100_000_000)
    report("neuropil, peak", ours, target=2500, measure="peak")
    report("neuropil, with matrices", whole, target=96 * bench.synapses / 100_000_000)
    report("neuropil, matrices / assignments", whole, ours)
    report("neuropil, with matrices, peak", whole, target=5000, measure="peak")


def _missing(package: str) -> bool:
    print(f"{package} is not installed (pip install -e '.[bench]'): no comparison with it")
    return False


class Live:
    """A CAVE server as a process, and its data set's description."""

    def __init__(self, folder: Path, synapses: int, neurons: int, delay: float) -> None:
        sizes = ("--synapses", synapses, "--neurons", neurons, "--delay", delay)
        server = python(HERE.parent / "cave_server.py", *sizes)
        self._process = subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = self._read()
        self.url: str = told["url"]
        self.neurons, self.description = folder / f"live-{synapses}.txt", folder / f"live-{synapses}.toml"
        self.neurons.write_text("\n".join(told["ids"]))
        self.description.write_text(f'[cave]\nserver = "{self.url}"\ndatastack = "test_ant"\n')

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def told(self, limit: str = "") -> dict[str, Any]:
        """What was asked for since the last time; and a new row limit."""
        assert self._process.stdin is not None
        self._process.stdin.write(limit + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Stop the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)


def live(bench: Bench) -> None:
    """Synapses of many neurons from a server on this machine, against one query of caveclient."""
    cache, out, bare = bench.folder / "cache", bench.out("live.parquet"), bench.out("bare.parquet")
    for synapses, neurons, delay in ((1_000_000, 2000, 0.02), (100_000, 500, 0.0)):
        server = Live(bench.folder, synapses, neurons, delay)
        try:
            ours = crantcli(
                "synapses", "-d", server.description, "--pre", f"@{server.neurons}", "--no-clean",
                "--materialization", 3, "--cache-dir", cache, "-q", "-o", out,
            )  # fmt: skip
            whole = reference("caveclient_query", server.url, server.neurons, bare)
            if synapses == 1_000_000:
                shutil.rmtree(cache, ignore_errors=True)
                fetched, counted = run(ours), server.told("100000000")
                ideal, transfer = run(whole), server.told("200000")
                report("live, 1M rows / one query", fetched, ideal)
                report("live, 1M rows, peak", fetched, target=1000, measure="peak")
                figure("live, 1M rows, bytes / ideal", counted["bytes"] / transfer["bytes"], 1.4)
                figure("live, 1M rows, queries / 5", counted["queries"] / 5, 3)
                again = run(ours)
                report("live, the same once more", again)
                figure("live, once more, data queries", server.told()["data"], 0)
            else:
                mine, theirs, usual = medians(bench.repeat, [*ours, "--refresh"], whole, [*whole, "joined"])
                report("live, 100k rows / caveclient", mine, usual, 1.3)
                report("live, 100k rows / split positions", mine, theirs, 1.3)
                run(whole)
            bench.same("id", out, bare)
        finally:
            server.close()


def figure(name: str, value: float, target: float) -> None:
    """Print one line of something that is no time."""
    print(f"{name:<102}{value:6.2f}     <= {target:g}         {'ok' if value <= target else 'over'}", flush=True)


BENCHMARKS: dict[str, Callable[[Bench], None]] = {
    function.__name__: function
    for function in (
        edges, text, names, memory, once, lookup, adjacency, compare, influence, paths, similar, dense, nested,
        containment, neuropil, attach, live, startup, commands,
    )
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=lambda text: int(float(text)), default=2_000_000, help="synapses (2,000,000)")
    parser.add_argument("--only", metavar="NAME,...", default=",".join(BENCHMARKS), help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--folder", type=Path, help="keep the tables here; default: a temporary folder")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command; medians count (3)")
    parser.add_argument("--no-pandas", action="store_true", help="leave pandas out: it takes 140 bytes a synapse")
    given = parser.parse_args()
    # As pip does when it installs; else each run compiles our modules anew where Python is told to keep none.
    run(python("-m", "compileall", "-q", HERE.parents[1] / "crantcli"))
    names = given.only.split(",")
    unknown = sorted({*names} - {*BENCHMARKS})
    if unknown:
        parser.error(f"--only {unknown[0]}: one of {', '.join(BENCHMARKS)}")
    with tempfile.TemporaryDirectory(prefix="crantcli-bench-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(folder, given.n, given.repeat, not given.no_pandas)
        print(f"{given.n:,} synapses\n{'':<34} {'ours':<33} {'reference':<33} {'ratio':<10} target", flush=True)
        for name in names:
            BENCHMARKS[name](bench)


if __name__ == "__main__":
    main()
