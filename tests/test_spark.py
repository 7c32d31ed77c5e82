"""Spark answers what DuckDB answers, byte by byte, or says that it does not."""

from __future__ import annotations

import gc
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import spark_cases
from boxes import mesh_folder, read_npz
from conftest import Crant
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from object_server import ObjectServer, be_known, serving
from spark_cases import ADJACENCY, NESTED, NEUROPIL
from spark_session import drawn_options, missing, on, on_both, quick
from strategies import (
    ANNOTATION_COLUMNS,
    AS_TYPED,
    Drawn,
    annotation_tables,
    asked,
    edge_tables,
    frame,
    seeded_frame,
    seeded_synapses,
    synapse_tables,
)
from tables import complaint
from test_changed_files import pipe_after

from crantcli.core import row_parts
from crantcli.core.graph import matrices
from crantcli.core.nested import matrix as blocks
from crantcli.engine.spark import engine, types
from crantcli.engine.spark.errors import told_by_spark
from crantcli.errors import CrantError, UsageError

pytestmark = [pytest.mark.spark, pytest.mark.skipif(bool(missing()), reason=missing())]

#: Rows up to which results come here before the end: all, some, or none.
EARLY = (None, None, None, 5, -1)

#: Tables of each kind; without EXAMPLES, the same each time.
_EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
DRAWN = settings(
    max_examples=_EXAMPLES or 6, deadline=None, derandomize=not _EXAMPLES, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip


@pytest.fixture(scope="module")
def _server() -> Iterator[ObjectServer]:
    pytest.importorskip("s3fs", reason="s3fs (crantcli[cloud]) is not installed")
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    with serving() as server:
        yield server


@pytest.fixture
def bucket(
    spark_and_objects: tuple[Any, Path], _server: ObjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[str, Path], str]]:
    """Puts files, and those of folders, into a bucket, where both engines find them, and gives their address."""
    be_known(_server, monkeypatch, tmp_path)
    objects = spark_and_objects[1]

    def put(key: str, path: Path) -> str:
        if path.is_dir():
            shutil.copytree(path, objects / key)
            return _server.put_folder(key, path)
        (objects / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, objects / key)
        return _server.put(key, path)

    yield put
    for path in objects.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    gc.collect()


def written(table: Drawn) -> str:
    made = pa.Table.from_pandas(frame(table.rows, table.columns), preserve_index=False)
    for place, field in enumerate(made.schema):
        if pa.types.is_null(field.type):  # of a column of nothing but nulls, which is refused by name
            made = made.set_column(place, field.name, made[field.name].cast(pa.string()))
    kind = random.Random(str(table.rows)).choice(["parquet", "parquet", "csv", "feather"])
    if kind == "csv":
        frame(table.rows, table.columns).to_csv("drawn.csv", index=False)
    elif kind == "feather":
        feather.write_feather(made, "drawn.feather")
    else:
        pq.write_table(made, "drawn.parquet")
    return f"drawn.{kind}"


def neurons_of(found: list[Any], name: str = "asked.txt") -> list[str]:
    Path(name).write_text("".join(f"{neuron}\n" for neuron in found), encoding="utf-8")
    return ["-n", f"@{name}"]


@DRAWN
@given(data=st.data(), table=synapse_tables() | edge_tables(), seed=st.integers(0, 2**32 - 1))
def test_connectivity_of_drawn_tables(spark: Any, crant: Crant, data: st.DataObject, table: Drawn, seed: int) -> None:
    chance = random.Random(seed)
    options = drawn_options(chance, table)
    if chance.random() < 0.5:
        options += neurons_of(data.draw(asked(table)))
    if table.has("weight"):
        options += ["--sum-duplicates"] * (chance.random() < 0.7)
    options += chance.choice([[], [], ["--normalize", "input"], ["--normalize", "output"], ["--top", "1"]])
    if table.has("neuropil") and chance.random() < 0.3:
        options += ["--by", "neuropil"]
    on_both(crant, "connectivity", written(table), *AS_TYPED, *options, gathered=chance.choice(EARLY))


@DRAWN
@given(data=st.data(), table=synapse_tables(), seed=st.integers(0, 2**32 - 1))
def test_counts_of_drawn_tables(spark: Any, crant: Crant, data: st.DataObject, table: Drawn, seed: int) -> None:
    chance = random.Random(seed)
    options = drawn_options(chance, table)
    if chance.random() < 0.5:
        options += neurons_of(data.draw(asked(table)))
    if chance.random() < 0.5:
        frame(data.draw(annotation_tables(table.neurons)), ANNOTATION_COLUMNS).to_csv("labels.csv", index=False)
        options += ["-a", "labels.csv", "--by", "side"]
    on_both(crant, "counts", written(table), *AS_TYPED, *options, gathered=chance.choice(EARLY))


@DRAWN
@given(data=st.data(), table=synapse_tables(), seed=st.integers(0, 2**32 - 1))
def test_synapses_of_drawn_tables(spark: Any, crant: Crant, data: st.DataObject, table: Drawn, seed: int) -> None:
    chance = random.Random(seed)
    options = drawn_options(chance, table)
    for side in ("--pre", "--post"):
        if chance.random() < 0.3:
            options += [side, *neurons_of(data.draw(asked(table)), f"{side[2:]}.txt")[1:]]
    on_both(crant, "synapses", written(table), *AS_TYPED, *options, gathered=chance.choice(EARLY))


LABELS = """root_id,cell_type,side,nt
576460752641833770,ER2,left,gaba
576460752641833771,ER2,right,gaba
576460752641833772,EPG/PEG,left,acetylcholine
576460752641833773,,right,acetylcholine
576460752641833774,it's,left,gaba
576460752641833775,back\\slash,left,glutamate
576460752651833770,NA,,gaba
"""

SEEDED = {
    "all synapses": "synapses t.parquet",
    "text": "synapses t.parquet|out.csv",
    "feather": "synapses t.parquet|out.feather",
    "stdout": "connectivity t.parquet|-",
    "one column": "synapses t.parquet --columns pre,post,ctr_pt_position",
    "units": "synapses t.parquet --coordinates pixels --voxel-size 4,4,40.5 --units nm",
    "strong inputs of rows": "synapses t.parquet --min-fraction 0.1 --min-size 20",
    "rows of criteria": "synapses t.parquet -a a.csv --pre cell_type=ER2 --threshold 2",
    "where": "synapses t.parquet --where size>=50 --where neuropil=EB",
    "where in": "connectivity t.parquet --where size!=7 --where neuropil=EB,FB",
    "where null": "counts t.parquet --where neuropil~is~null",
    "annotated": "connectivity t.parquet -a a.csv --annotate cell_type,side",
    "types": "connectivity t.parquet -a a.csv --by type --normalize input",
    "sides": "connectivity t.parquet -a a.csv --by side --complete",
    "side and own": "connectivity t.parquet -a a.csv --by pre:cell_type,post:side,neuropil",
    "neuropils": "connectivity t.parquet --by neuropil --top 2 --normalize output",
    "signs": "connectivity t.parquet -a a.csv --sign nt --inhibitory gaba,glutamate --unsigned drop",
    "sums": "connectivity t.parquet --weight sum:size --min-fraction 0.05",
    "means": "connectivity t.parquet --weight mean:size",
    "sweep": "connectivity t.parquet -t 1,2,3 --sweep sweep.csv",
    "counts of criteria": "counts t.parquet -a a.csv -n cell_type!=ER2 --by side,neuropil",
    "counts weighed": "counts t.parquet --weight mean:size --min-fraction 0.02",
    "counts signed": "counts t.parquet -a a.csv --sign nt --inhibitory gaba --unsigned positive",
    "a folder": "connectivity folder --no-clean",
    "integers of all widths": "synapses widths.parquet --threshold 2",
    "large integers": "connectivity widths.parquet --pre-col pre_wide --post-col post_wide --kind synapses",
    "lists": "synapses lists.parquet",
    "not a number": "synapses nan.parquet --min-size 3",
    "fractions": "connectivity edges.parquet --sum-duplicates --normalize input",
    "fractions of neuropils": "connectivity edges.parquet --by neuropil --sum-duplicates -t 2",
    "names like patterns": "counts [a]~{b,c}~*~'~d.parquet",
}


#: Those of which nothing comes here before the end; the others take a fraction of the time.
THERE = {
    "one column", "strong inputs of rows", "types", "sums", "counts weighed", "a folder", "fractions", "where",
    "integers of all widths",
}  # fmt: skip


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables with everything that may differ: types, names, orders, nulls, and floats that do not add up exactly."""
    folder = tmp_path_factory.mktemp("seeded")
    rows = seeded_frame(seeded_synapses())
    rows.to_parquet(folder / "t.parquet")
    (folder / "a.csv").write_text(LABELS, encoding="utf-8")
    for number, part in enumerate([rows[:200], rows.loc[200:, list(reversed(rows.columns))]]):
        (folder / "folder" / f"size={number}").mkdir(parents=True)  # which names no column
        part.to_parquet(folder / "folder" / f"size={number}" / "1.parquet")
    ends = rows.dropna(subset=["id", "pre", "post"]).drop_duplicates("id")
    small = {name: ends[name] % 5 for name in ("pre", "post")}
    widths = pd.DataFrame({
        "id": ends["id"].astype("uint64"), "pre": small["pre"].astype("uint8"), "post": small["post"].astype("int16"),
        "size": ends["size"].astype("Float32"), "pre_wide": ends["pre"].astype("uint64"),
        "post_wide": ends["post"].astype("uint64"), "told": (ends["size"] > 50).astype("boolean"),
    })  # fmt: skip
    widths.to_parquet(folder / "widths.parquet")
    places = [[1.5 * n, n, 2] if n % 7 else None for n in range(len(ends))]
    pd.DataFrame({"pre": ends["pre"], "post": ends["post"], "ctr_pt_position": places}).to_parquet(
        folder / "lists.parquet"
    )
    sizes = [float("nan"), float("inf"), 3.0, 2.5, None, 7.0]
    pq.write_table(pa.table({"pre": [1, 2, 3, 4, 5, 6], "post": [9] * 6, "size": sizes}), folder / "nan.parquet")
    chance = random.Random(5)
    edges = [
        {"pre": chance.randrange(9), "post": chance.randrange(9), "neuropil": chance.choice(["EB", "FB", None]),
         "weight": chance.choice([0.1, 0.2, 0.7, 1e15, 3.3])}
        for _ in range(300)
    ]  # fmt: skip
    frame(edges, ["pre", "post", "neuropil", "weight"]).to_parquet(folder / "edges.parquet")
    rows.to_parquet(folder / "odd.parquet")
    small = "root_id,cell_type\n" + "".join(f"{neuron},{'xyz'[neuron % 3]}\n" for neuron in range(8))
    (folder / "small.csv").write_text(small, encoding="utf-8")
    mesh_folder(folder / "meshes")
    place_in_boxes(folder, rows)
    return folder


def place_in_boxes(folder: Path, rows: pd.DataFrame) -> None:
    """Synapses in neuropils, on their borders, beside them and nowhere; copies of one may lie elsewhere."""
    chance, axes = random.Random(6), [f"ctr_pt_position_{axis}" for axis in "xyz"]
    placed = rows.drop(columns=axes)
    for axis in axes:
        placed[axis] = pd.array([chance.choice([-1, 0, 1.5, 2, 3, 4, 5, 7.5, 8, 9, 12]) for _ in range(len(rows))])
    placed[axes] = placed[axes].astype("Float64").mask(pd.Series([chance.random() < 0.05 for _ in range(len(rows))]))
    placed.to_parquet(folder / "placed.parquet")
    ordered = placed.dropna(subset=["id"]).drop_duplicates("id").sort_values("id", ignore_index=True)
    ordered.to_parquet(folder / "ordered.parquet")
    lists = [None if None in place else list(place) for place in zip(*(ordered[axis].astype(object).where(
        ordered[axis].notna(), None) for axis in axes), strict=True)]  # fmt: skip
    ordered.drop(columns=axes).assign(ctr_pt_position=lists).to_parquet(folder / "listed.parquet")


#: Options that name a file that is written.
FILES = (
    "--sweep", "--plot", "--type-sum", "--type-mean", "--order", "--relative", "--relative-types",
)  # fmt: skip


def words_of(line: str) -> list[str]:
    return [word.replace("~~", "\0").replace("~", " ").replace("\0", "~") for word in line.split()]


@pytest.mark.parametrize("name", SEEDED)
def test_questions_about_one_table(spark: Any, crant: Crant, seeded: Path, name: str) -> None:
    if name == "names like patterns":
        shutil.copy(seeded / "odd.parquet", "[a] {b,c} * ' d.parquet")
    ask_about(crant, seeded, SEEDED[name], name in THERE, "out.parquet")


def ask_about(crant: Crant, folder: Path, asked_for: str, there: bool, output: str) -> None:
    """Ask both engines about tables of a folder; with `there` nothing comes here before the end."""
    for file in folder.iterdir():
        Path(file.name).symlink_to(file)
    line, _, named = asked_for.partition("|")
    words = words_of(line)
    named_too = FILES if words[0] != "neuropil" else ()  # which has flags of the same names
    others = [words[at + 1] for at, word in enumerate(words) if word in named_too]
    main = [named or output] if named or output else []
    order = "out/assignments.parquet" if words[0] == "neuropil" and "ordered.parquet" not in words else ""
    gathered = -1 if there else None
    answer = on_both(crant, *words, outputs=(*main, *others), gathered=gathered, sorted_rows=order)
    assert answer.outcome.code == 0, answer.outcome.err


@DRAWN
@given(data=st.data(), table=synapse_tables() | edge_tables(), seed=st.integers(0, 2**32 - 1))
def test_adjacency_of_drawn_tables(spark: Any, crant: Crant, data: st.DataObject, table: Drawn, seed: int) -> None:
    chance = random.Random(seed)
    options = drawn_options(chance, table)
    for side in ("--pre", "--post"):
        if chance.random() < 0.3:
            options += [side, *neurons_of(data.draw(asked(table)), f"{side[2:]}.txt")[1:]]
    if table.has("weight"):
        options += ["--sum-duplicates"] * (chance.random() < 0.7)
    options += chance.choice([[], ["--symmetric"], ["--keep-unconnected"], ["--min-fraction", "0.3"]])
    outputs = (chance.choice(["out.npz", "out.csv", "out.parquet"]),)
    words = ("adjacency", written(table), *AS_TYPED, *options)
    on_both(crant, *words, outputs=outputs, gathered=chance.choice(EARLY))


@DRAWN
@given(data=st.data(), table=synapse_tables() | edge_tables(), seed=st.integers(0, 2**32 - 1))
def test_nested_of_drawn_tables(spark: Any, crant: Crant, data: st.DataObject, table: Drawn, seed: int) -> None:
    chance = random.Random(seed)
    options = drawn_options(chance, table)
    frame(data.draw(annotation_tables(table.neurons)), ANNOTATION_COLUMNS).to_csv("labels.csv", index=False)
    options += ["-a", "labels.csv", "--annotation-scope", chance.choice(["annotated_only", "all"])]
    for side in ("--source-neurons", "--target-neurons"):
        if chance.random() < 0.3:
            options += [side, *neurons_of(data.draw(asked(table)), f"{side[2:]}.txt")[1:]]
    if table.has("weight"):
        options += ["--sum-duplicates"] * (chance.random() < 0.7)
    mode = chance.choice([None, "count", "relative_outgoing", "relative_incoming"])
    options += ["--weight-mode", mode] if mode else []
    options += ["--normalization-scope", "all"] * (mode not in (None, "count") and chance.random() < 0.5)
    options += ["--keep-unconnected"] * (chance.random() < 0.3)
    outputs = ("out.npz", "sums.csv", "order.csv")
    words = ("nested", written(table), *AS_TYPED, *options, "--type-sum", "sums.csv", "--order", "order.csv")
    on_both(crant, *words, outputs=outputs, gathered=chance.choice(EARLY))


@pytest.mark.parametrize("name", ADJACENCY)
def test_matrices_of_one_table(spark: Any, crant: Crant, seeded: Path, name: str) -> None:
    ask_about(crant, seeded, ADJACENCY[name], name in spark_cases.THERE, "out.npz")


@pytest.mark.parametrize("name", NESTED)
def test_blocks_of_one_table(spark: Any, crant: Crant, seeded: Path, name: str) -> None:
    ask_about(crant, seeded, NESTED[name], name in spark_cases.THERE, "" if "alone" in name else "out.npz")


@pytest.mark.parametrize("name", NEUROPIL)
def test_neuropils_of_one_table(spark: Any, crant: Crant, seeded: Path, name: str) -> None:
    ask_about(crant, seeded, NEUROPIL[name], name in spark_cases.THERE, "out")


@pytest.mark.parametrize("command", ["adjacency", "nested"])
def test_a_matrix_that_does_not_fit_is_refused_before_it_comes(
    spark: Any, crant: Crant, seeded: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [command, seeded / "t.parquet", "--max-memory", "100MB"]
    words += ["-a", seeded / "a.csv", "--weight-mode", "count"] * (command == "nested")
    Path("whole.npz").write_bytes(on("duckdb", crant, *words, outputs=("out.npz",)).files["out.npz"])
    entries = len(read_npz(Path("whole.npz")))
    monkeypatch.setattr(engine, "GATHERED", -1)
    module = {"adjacency": matrices, "nested": blocks}[command]
    monkeypatch.setattr(module, "PER_ENTRY", 10**8 // entries)
    assert on("spark", crant, *words, outputs=("out.npz",)).outcome.code == 0
    monkeypatch.setattr(module, "PER_ENTRY", 10**8 // entries + 1)
    monkeypatch.setattr(engine.SparkEngine, "_answer", only_few)
    outcome = on("spark", crant, *words, outputs=("out.npz",)).outcome
    assert (outcome.code, Path("out.npz").exists()) == (1, False)
    assert f"the matrix has {entries:,} entries" in outcome.err
    assert "more than --max-memory allows; raise that" in outcome.err


def only_few(self: engine.SparkEngine, query: str) -> pa.Table:
    """What Spark has for a query, and is not long."""
    found = ANSWER(self, query)
    assert len(found) < 30, query
    return found


ANSWER = engine.SparkEngine._answer


REFUSED = {
    "a date": "synapses dates.parquet",
    "a matrix": "connectivity matrix.parquet --kind adjacency",
    "a sparse matrix": "connectivity matrix.npz",
    "a pattern": "counts t.parquet --where neuropil~~^E",
    "floats as text": "counts widths.parquet --where size=big",
    "synapses without ids": "neuropil bare.parquet --meshes meshes --coordinates nm --assignments-only",
    "pixels": "synapses t.parquet --coordinates nm --voxel-size 4,4,40.5 --units pixels",
    "floats in text": "counts pointed.parquet",
    "weights in text": "connectivity weights.parquet",
    "numbers in text": "counts sizes.parquet --kind synapses --where told>1",
    "neuropils as floats": "connectivity regions.parquet --kind synapses --by neuropil",
    "groups of floats": "connectivity scores.parquet --kind synapses --by score",
    "decimals in one file, floats in another": "connectivity mixed",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_be_read_otherwise_is_refused(spark: Any, crant: Crant, seeded: Path, name: str) -> None:
    for file in seeded.iterdir():
        Path(file.name).symlink_to(file)
    plain = pd.DataFrame({"pre": [1, 2], "post": [2, 3]})
    plain.assign(day=pd.to_datetime("2020-01-01")).to_parquet("dates.parquet")
    plain.assign(**{f"ctr_pt_position_{axis}": [1.0, 2.0] for axis in "xyz"}).to_parquet("bare.parquet")
    plain.assign(weight=["1_000", "2"]).to_parquet("weights.parquet")
    plain.assign(told=["1.5", "2"]).to_parquet("sizes.parquet")
    plain.assign(pre=["1.0", "2.0"]).to_parquet("pointed.parquet")
    plain.assign(neuropil=[182305713.0, 0.0005]).to_parquet("regions.parquet")
    plain.assign(score=[-0.0, 1.5]).to_parquet("scores.parquet")
    Path("mixed").mkdir()
    plain.assign(pre=[5, 6], weight=[2.5, 3.5]).to_parquet("mixed/b.parquet")
    decimals = pa.table({"pre": [1, 2], "post": [2, 3], "weight": pa.array([12, 1], pa.decimal128(7, 2))})
    pq.write_table(decimals, "mixed/a.parquet", store_decimal_as_integer=True)
    pd.DataFrame({"": ["a", "b"], "a": [1, 2], "b": [0, 1]}).to_parquet("matrix.parquet")
    assert crant("adjacency", "t.parquet", "-o", "matrix.npz").code == 0
    outcome = on("spark", crant, *words_of(REFUSED[name])).outcome
    assert (outcome.code, outcome.out, list(Path().glob("out*"))) == (2, b"", []), outcome.err
    assert "spark" in outcome.err.lower()
    # It is refused for want of Spark, and not because nobody could answer it.
    assert on("duckdb", crant, *words_of(REFUSED[name])).outcome.code == 0


def test_nothing_is_put_in_for_what_looks_like_a_variable(spark: Any, crant: Crant) -> None:
    edges = pd.DataFrame({"pre": ["${n1}", "n2", "n3"], "post": ["n2", "${env:HOME}", "n1"], "weight": [3, 2, 1]})
    edges.to_parquet("names.parquet")
    answer = on_both(crant, "connectivity", "names.parquet", "-n", "${n1},${env:HOME}", outputs=("out.csv",))
    assert answer.files["out.csv"].count(b"\n") == 3


def test_weights_of_a_pair_are_added_up_in_one_order(spark: Any, crant: Crant) -> None:
    """0.1, 0.2 and 0.7 are 1, or a little less, as they come."""
    rows = [(pre, 99, region, weight) for pre in range(20) for region, weight in (("c", 0.7), ("b", 0.2), ("a", 0.1))]
    random.Random(5).shuffle(rows)
    pd.DataFrame(rows, columns=["pre", "post", "neuropil", "weight"]).to_parquet("parts.parquet")
    words = words_of("connectivity parts.parquet --by neuropil --sum-duplicates -t 1 --top 3 --no-downstream")
    answer = on_both(crant, *words, outputs=("out.csv",))
    assert answer.files["out.csv"].count(b"\n") == 10


def test_hidden_files_are_not_passed_over(spark: Any, crant: Crant, seeded: Path) -> None:
    shutil.copy(seeded / "t.parquet", "_t.parquet")
    outcome = on("spark", crant, "counts", "_t.parquet").outcome
    assert (outcome.code, Path("out.parquet").exists()) == (3, False)
    assert "_t.parquet: Spark reads 0 of 1 files" in outcome.err


def test_sums_beyond_64_bits_are_refused(spark: Any, crant: Crant) -> None:
    pd.DataFrame({"pre": [1, 1], "post": [2, 2], "weight": [2**62, 2**62]}).to_parquet("large.parquet")
    answer = on_both(crant, "connectivity", "large.parquet", "--sum-duplicates")
    assert answer.outcome.code == 3
    assert "beyond 2^63 - 1" in answer.outcome.err


@pytest.mark.parametrize(
    "asked_for",
    [
        "synapses t.parquet|out.csv", "connectivity t.parquet -a a.csv --annotate side",
        "nested t.parquet -a a.csv --type-sum sums.csv",
        "neuropil placed.parquet --meshes meshes --coordinates nm --assignments-only",
    ],
)  # fmt: skip
def test_large_results_come_in_pieces_and_in_order(
    spark: Any, crant: Crant, seeded: Path, asked_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[int] = []

    def counted(frame: Any) -> Iterator[pa.Table]:
        for table in types.arrow_stream(frame):
            came.append(len(table))
            yield table

    monkeypatch.setattr(engine, "arrow_stream", counted)
    most = 100 if asked_for.startswith(("synapses", "neuropil")) else 4
    monkeypatch.setattr(engine, "PIECE", most)
    usual = spark.conf.get("spark.sql.shuffle.partitions")
    output = {"nested": "out.npz", "neuropil": "out"}.get(asked_for.split()[0], "out.parquet")
    ask_about(crant, seeded, asked_for, True, output)
    assert len(came) > 1
    assert max(came) < 4 * most
    assert spark.conf.get("spark.sql.shuffle.partitions") == usual


def test_pieces_that_have_come_are_let_go(spark: Any) -> None:
    """What Spark holds here does not grow with the length of a result."""
    wide = [f"sha2(CAST(id * {number} AS STRING), 512) AS column{number}" for number in range(1, 17)]
    frame = spark.range(0, 40_000, 1, 20).selectExpr("id", *wide)
    java, held, size = spark.sparkContext._jvm.java.lang, [], 0
    for rows in types.arrow_stream(frame):
        size += rows.nbytes
        java.System.gc()
        held.append(java.Runtime.getRuntime().totalMemory() - java.Runtime.getRuntime().freeMemory())
    assert (len(held), size > 80_000_000) == (20, True)
    assert held[-1] - held[2] < size / 2


def test_large_results_are_refused_before_they_come(
    spark: Any, crant: Crant, seeded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, output = ("synapses", seeded / "t.parquet"), ("out.csv",)
    assert on("spark", crant, *words, "--max-result", "431", outputs=output).outcome.code == 0
    monkeypatch.setattr(engine.SparkEngine, "_answer", only_few)
    outcome = on("spark", crant, *words, "--max-result", "430", outputs=output).outcome
    assert (outcome.code, Path("out.csv").exists()) == (1, False)
    assert "the result has 431 rows, and at most 430 come here" in outcome.err


LONG = {
    "synapses": "synapses t.parquet --max-result 100",
    "edges": "connectivity t.parquet -a a.csv --annotate cell_type --max-result 7",
    "in one": "counts t.parquet --max-result 1000",
}


@pytest.mark.parametrize("name", LONG)
def test_long_results_are_folders(
    spark: Any, crant: Crant, seeded: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_parts, "PART_ROWS", 90)
    ask_about(crant, seeded, LONG[name], True, "out.parquet")
    assert on("spark", crant, *LONG[name].split(), outputs=("long.parquet",), keep=True).outcome.code == 0
    assert Path("long.parquet").is_dir() == (name != "in one")
    if name == "synapses":
        answer = on_both(crant, "connectivity", "long.parquet", "--normalize", "input")
        assert answer.outcome.code == 0, answer.outcome.err
        Path("long.parquet", "part-02.parquet").unlink()
        assert on_both(crant, "connectivity", "long.parquet").outcome.code == 3


@pytest.mark.parametrize("how", ["cut", "zeros in a page", "a footer of another length"])
def test_a_damaged_part_is_told_by_its_name(
    spark: Any, crant: Crant, seeded: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_parts, "PART_ROWS", 90)
    Path("t.parquet").symlink_to(seeded / "t.parquet")
    assert on("spark", crant, *LONG["synapses"].split(), outputs=("long.parquet",), keep=True).outcome.code == 0
    part = Path("long.parquet", "part-02.parquet")
    start = pq.read_metadata(part).row_group(0).column(0).data_page_offset
    content = bytearray(part.read_bytes())
    if how == "cut":
        del content[-100:]
    elif how == "zeros in a page":
        content[start : start + 64] = bytes(64)
    else:
        content[-8] ^= 16
    part.write_bytes(content)
    answer = on_both(crant, "connectivity", "long.parquet")
    assert answer.outcome.code == 3
    assert "part-02.parquet" in answer.outcome.err


STORED = {
    "edges": ("connectivity s3://brain/t[1].parquet -t 2", "out.parquet"),
    "edges of a folder": ("connectivity s3://brain/parts/ -t 2 --by neuropil", "out.parquet"),
    "a pattern": ("counts s3://brain/parts/part-*.parquet", "out.parquet"),
    "annotations": ("connectivity s3://brain/parts -a s3://brain/a.csv --by cell_type", "out.csv"),
    "a list of neurons": ("connectivity s3://brain/parts -n @s3://brain/a.csv:root_id", "out.csv"),
    "a matrix": ("adjacency s3://brain/parts/", "out.npz"),
    "a Delta Lake table": ("connectivity s3://brain/lake --sum-duplicates --by neuropil", "out.parquet"),
    "another version": ("connectivity s3://brain/lake --sum-duplicates --delta-version 0", "out.parquet"),
}


@pytest.fixture
def stored(seeded: Path, bucket: Callable[[str, Path], str]) -> None:
    """A table, as one file, as three, and one of Delta Lake, and annotations, in a bucket and in a folder `brain`."""
    Path("brain", "parts").mkdir(parents=True)
    shutil.copy(seeded / "t.parquet", "brain/t[1].parquet")
    shutil.copy(seeded / "a.csv", "brain/a.csv")
    table = pq.read_table(seeded / "t.parquet")
    for number in range(3):
        start, end = number * len(table) // 3, (number + 1) * len(table) // 3
        pq.write_table(table.slice(start, end - start), f"brain/parts/part-{number}.parquet")
    deltalake = pytest.importorskip("deltalake")
    edges = pa.table({"pre": [1, 2, 3], "post": [2, 3, 1], "weight": [3, 4, 5], "region": ["a b", "c", "c"]})
    deltalake.write_deltalake("brain/lake", edges, partition_by=["region"])
    deltalake.DeltaTable("brain/lake").delete("weight = 4")
    for path in Path("brain").iterdir():
        bucket(path.name, path)


@pytest.mark.parametrize("name", STORED)
def test_tables_in_object_stores(spark: Any, crant: Crant, stored: None, name: str) -> None:
    """They are looked at here, and Spark reads them under the addresses that its connectors know."""
    words, output = STORED[name]
    answer = on_both(crant, *words.split(), outputs=(output,))
    assert answer.outcome.code == 0, answer.outcome.err


@pytest.mark.parametrize("name", STORED)
def test_tables_that_hadoop_finds(spark: Any, crant: Crant, stored: None, name: str) -> None:
    """They give the rows of the same files in a folder."""
    words, output = STORED[name]
    output = output.replace(".parquet", ".csv")
    here = on("spark", crant, *words.replace("s3://", "").split(), outputs=(output,))
    there = on("spark", crant, *words.replace("s3://", "hdfs://").split(), outputs=(output,))
    assert (there.outcome.code, there.outcome.err) == (0, here.outcome.err)
    if output == "out.npz":
        Path("a.npz").write_bytes(here.files[output])
        Path("b.npz").write_bytes(there.files[output])
        assert read_npz(Path("a.npz")) == read_npz(Path("b.npz"))
    else:
        assert there.files == here.files


@pytest.mark.parametrize("scheme", ["s3", "hdfs"])
def test_no_result_of_an_object_that_changes(
    spark: Any, crant: Crant, stored: None, bucket: Callable[[str, Path], str], scheme: str
) -> None:
    """Between the look at it here and the end of Spark's reading."""
    pq.write_table(pq.read_table(Path("brain", "t[1].parquet"), columns=["pre", "post"])[:50], "next.parquet")

    def change() -> None:
        bucket("t[1].parquet", Path("next.parquet"))

    name = f"{scheme}://brain/t[1].parquet"
    with pipe_after(change, "1\n2\n3\n"):
        outcome = crant("connectivity", name, "-n", "@pipe", "--engine", "spark", "-o", "out.csv")
    complaint(outcome, 6, f"{name}: the object was changed or removed while it was read; run the command again")
    assert not Path("out.csv").exists()


def test_what_hadoop_does_not_find(spark: Any, crant: Crant, stored: None) -> None:
    for name in ("hdfs://brain/no.parquet", "hdfs://brain/no/", "hdfs://brain/no*"):
        outcome = on("spark", crant, "connectivity", name).outcome
        assert (outcome.code, name in outcome.err) == (2, True), outcome.err
    outcome = on("duckdb", crant, "connectivity", "hdfs://brain/parts").outcome
    assert (outcome.code, "--engine spark" in outcome.err) == (2, True), outcome.err
    outcome = crant("connectivity", "brain/parts", "--engine", "spark", "-o", "hdfs://brain/out.parquet")
    assert (outcome.code, "hdfs://brain/out.parquet" in outcome.err) == (2, True), outcome.err


def test_a_store_without_a_connector_is_told_of(spark: Any) -> None:
    with pytest.raises(UsageError, match=r"no connector for such addresses \(org.*; give it one"), told_by_spark({}):
        spark.read.parquet("gs://brain/t.parquet")


def test_addresses_that_only_spark_may_know_are_refused(spark: Any, crant: Crant) -> None:
    outcome = on("spark", crant, "connectivity", "abfss://name/t.parquet").outcome
    assert outcome.code == 2
    assert "abfss://name/t.parquet" in outcome.err


def test_without_java_it_is_said_what_to_install(crant: Crant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pd.DataFrame({"pre": [1, 2], "post": [2, 3]})
    plain.to_parquet("t.parquet")
    for home, told in ((str(tmp_path), "there is none"), (None, "is Java 11"), (None, "does not say")):
        java = tmp_path / "bin" / "java"
        if told != "there is none":
            java.parent.mkdir(exist_ok=True)
            java.write_text("#!/bin/sh\n" + ("echo 'version \"11.0.2\"' >&2\n" if "11" in told else ""), "utf-8")
            java.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", home or str(tmp_path))
        outcome = on("spark", crant, "counts", "t.parquet").outcome
        assert (outcome.code, Path("out.parquet").exists()) == (2, False)
        assert "needs Java 17 or newer" in outcome.err
        assert told in outcome.err


#: How Spark begins whatever it says of a file that a worker cannot read.
_UNREAD = "[FAILED_READ_FILE."


def test_workers_without_what_they_need_are_told_of() -> None:
    from pyspark.errors import PySparkException

    for message, told in (
        ("Traceback ...\nModuleNotFoundError: No module named 'crantcli'", "lack the package crantcli"),
        ("[PYTHON_VERSION_MISMATCH] Python in worker has different version", "have another Python"),
        (
            f"{_UNREAD}FILE_NOT_EXIST] ... s3a://b/t",
            "does not find the file; all of them have to see it under the same path",
        ),
        (
            f"{_UNREAD}NO_HINT] ... s3a://b/t\nCaused by: Class org.x.fs.S3A not found",
            r"no connector .*\(org.x.fs.S3A\)",
        ),
        (
            f"{_UNREAD}NO_HINT] ... s3a://b/t\nCaused by: something else",
            "a file of the source: cannot be read by Spark",
        ),
    ):
        with pytest.raises(CrantError, match=told), told_by_spark({}):
            raise PySparkException(message)


def test_another_address_than_that_of_the_running_one_is_refused(spark: Any, crant: Crant, seeded: Path) -> None:
    outcome = on("spark", crant, "counts", seeded / "t.parquet", "--spark", "local[7]").outcome
    assert outcome.code == 2
    assert "Spark runs in this process already" in outcome.err


def test_as_a_process_of_its_own(
    crant_process: Crant,
    seeded: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Started, asked and stopped: nothing but the notes is told, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    found, settings = {}, quick(tmp_path_factory.mktemp("settings"))
    for name in ("duckdb", "spark"):
        words = ("connectivity", seeded / "t.parquet", "-t", "2", "-o", "out.parquet", "--tmp-dir", ".")
        outcome = crant_process(*words, "--engine", name, env=settings)
        assert outcome.code == 0, outcome.err
        assert outcome.out == b""
        found[name] = (outcome.err, Path("out.parquet").read_bytes())
        Path("out.parquet").unlink()
    assert found["spark"] == found["duckdb"]
    assert [path.name for path in Path().iterdir()] == []
