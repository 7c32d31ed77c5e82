"""`crantcli export`, and graphs and matrices of other questions, as networkx, SciPy, AnnData and SQLite read them."""

from __future__ import annotations

import itertools
import resource
import signal
import sqlite3
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import readme
from conftest import SAMPLE, Crant
from graph_files import GRAPHS, MATRICES, Found, read_graph
from hypothesis import given
from hypothesis import strategies as st
from strategies import AS_DRAWN, SETTINGS, Drawn, cell, edge_tables
from tables import ONE, TWO, complaint, parquet_file, text_file

from crantcli.cli.ask import CommandSink
from crantcli.cli.options import RunOptions
from crantcli.core.questions.export import Export
from crantcli.errors import DataError, UsageError
from crantcli.output.writers import DRAWING
from crantcli.run.request import Request, Settings
from crantcli.run.runner import run_question
from crantcli.sources.tables.read_options import read_options

pytestmark = pytest.mark.slow

ALL = (*GRAPHS, *MATRICES)
SYNAPSES, TYPES = SAMPLE / "synapses.parquet", SAMPLE / "annotations.csv"
EDGES = f"pre,post,weight\n{ONE},{TWO},3\n{TWO},{ONE},1\n{ONE},20,2\n"


def needed(suffix: str) -> None:
    """Skip where what reads a format is not installed."""
    if suffix == ".h5ad":
        pytest.importorskip("anndata")


@pytest.fixture(params=ALL)
def suffix(request: pytest.FixtureRequest) -> str:
    needed(request.param)
    return str(request.param)


def exported(source: Any, suffix: str, folder: str, annotations: Any = None, **options: Any) -> Found:
    """A table in a format, as another program reads it."""
    path = Path(folder) / f"out{suffix}"
    request = Request(source, annotations=annotations, read=read_options({**AS_DRAWN, **options}), clean=False)
    question = Export()
    sink = CommandSink("export", question.outputs, None, RunOptions(output=str(path), quiet=True))
    run_question(question, request, Settings(threads=2), sink)
    return read_graph(path)


def formats() -> Iterator[str]:
    """Those that can be read here."""
    for suffix in ALL:
        try:
            needed(suffix)
        except pytest.skip.Exception:
            continue
        yield suffix


# Every edge, with its weight.


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
@SETTINGS
@given(table=edge_tables(tidy=True))
def test_every_format_holds_the_same_edges(table: Drawn) -> None:
    """Autapses and background, too; rows without an ID are none. A matrix has no place for several rows of a pair."""
    rows = [row for row in table.rows if None not in (row["pre"], row["post"])]
    expected = Counter((str(row["pre"]), str(row["post"]), row["weight"]) for row in rows)
    nodes = {str(row[side]) for row in rows for side in ("pre", "post")}
    several = len({(row["pre"], row["post"]) for row in rows}) < len(rows)
    for suffix in formats():
        with tempfile.TemporaryDirectory() as folder:
            if several and suffix in MATRICES:
                with pytest.raises(UsageError, match="neuropil"):
                    exported(table.frame, suffix, folder)
                assert list(Path(folder).iterdir()) == []
                continue
            found = exported(table.frame, suffix, folder)
            if suffix in MATRICES:
                assert found.axes[0] == [str(node) for node in sorted({row["pre"] for row in rows})]
                assert found.axes[1] == [str(node) for node in sorted({row["post"] for row in rows})]
                assert found.edges == Counter({edge: n for edge, n in expected.items() if edge[2]})
            else:
                assert found.edges == expected
            assert found.nodes.keys() == nodes
            assert found.record["ledger"]["kept"] == len(rows)


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
def test_a_matrix_keeps_neurons_without_an_edge(crant: Crant, suffix: str) -> None:
    text_file("m.csv", "pre/post,A,B,C\nA,0,2,0\nB,0,0,0\nC,1.5,0,0\n")
    assert crant("export", "m.csv", "-o", f"m{suffix}").code == 0
    found = read_graph(f"m{suffix}")
    assert found.edges == {("A", "B", 2.0): 1, ("C", "A", 1.5): 1}
    assert sorted(found.nodes) == ["A", "B", "C"]
    if suffix in MATRICES:
        assert found.axes == (["A", "B", "C"], ["A", "B", "C"])


def test_large_ids_and_weights_are_exact(crant: Crant, suffix: str) -> None:
    most = 2**63 - 1
    parquet_file("t.parquet", pre=[ONE, most], post=[TWO, ONE], weight=[2**53 + 1, 1])
    done = crant("export", "t.parquet", "-o", f"t{suffix}")
    if suffix == ".gexf":
        complaint(done, 3, "t.gexf", str(2**53 + 1), ".graphml")
        assert not Path("t.gexf").exists()
        return
    assert done.code == 0, done.err
    assert read_graph(f"t{suffix}").edges == {(str(ONE), str(TWO), 2**53 + 1): 1, (str(most), str(ONE), 1): 1}


def test_fractions_come_back_as_they_were(crant: Crant, suffix: str) -> None:
    values = [0.1, 1 / 3, 1e-300, 1.7976931348623157e308, 5e-324, 123456789.123456789]
    parquet_file("t.parquet", pre=["a"] * len(values), post=list("uvwxyz"), weight=values)
    assert crant("export", "t.parquet", "-o", f"t{suffix}").code == 0
    assert sorted(edge[2] for edge in read_graph(f"t{suffix}").edges) == sorted(values)


def test_edges_stand_in_their_order_however_many_there_are(crant: Crant) -> None:
    """Strongest first, then by pre and post, in files that are made of many batches in two threads."""
    number = 400_000
    chance = np.random.default_rng(5)
    keys = chance.permutation(700 * 700)[:number]
    weight = chance.integers(1, 50, number)
    parquet_file("t.parquet", pre=keys // 700, post=keys % 700, weight=weight)
    assert crant("export", "t.parquet", "-o", "t.graphml", "--threads", "2").code == 0
    assert crant("export", "t.parquet", "-o", "one.graphml", "--threads", "1").code == 0
    assert Path("t.graphml").read_bytes() == Path("one.graphml").read_bytes()
    edges = [
        (int(line.split(">")[2].split("<")[0]), *(int(line.split('"')[place]) for place in (1, 3)))
        for line in Path("t.graphml").read_text().splitlines()
        if line.startswith("    <edge ")
    ]
    expected = sorted(zip(weight, keys // 700, keys % 700, strict=True), key=lambda row: (-row[0], row[1], row[2]))
    assert edges == [tuple(map(int, row)) for row in expected]


def test_the_same_bytes_every_time(crant: Crant, suffix: str) -> None:
    text_file("t.csv", EDGES)
    for name, threads in (("a", 1), ("b", 2)):
        assert crant("export", "t.csv", "-a", TYPES, "-o", f"{name}{suffix}", "--threads", threads, "-q").code == 0
    assert Path(f"a{suffix}").read_bytes() == Path(f"b{suffix}").read_bytes()


# What annotations say.


def test_annotations_are_attributes_of_their_types(crant: Crant, suffix: str) -> None:
    text_file(
        "a.csv",
        f"root_id,cell_type,side,number,fraction,flag,code,nucleus\n{ONE},ER2,left,5,0.5,True,007,{TWO}\n"
        f"{TWO},EPG,,,2,false,1e3x,3\n99,none,left,1,1,True,1,1\n",
    )
    text_file("t.csv", EDGES)
    done = crant("export", "t.csv", "-a", "a.csv", "-o", f"t{suffix}")
    assert done.code == 0, done.err
    nodes = read_graph(f"t{suffix}").nodes
    one = {"cell_type": "ER2", "side": "left", "number": 5, "fraction": 0.5, "flag": True, "code": "007"}
    two = {"cell_type": "EPG", "fraction": 2.0, "flag": False, "code": "1e3x"}
    in_text = suffix in (".graphml", ".gexf")
    assert ("nucleus is text" in done.err) == in_text
    if suffix == ".mtx":
        one, two = ({name: str(value).replace("True", "true").replace("False", "false") for name, value in row.items()}
                    for row in (one, two))  # fmt: skip
    if suffix in (".graphml", ".gexf", ".mtx"):
        assert nodes == {str(ONE): {**one, "nucleus": str(TWO)}, str(TWO): {**two, "nucleus": "3"}, "20": {}}
    else:
        assert nodes == {str(ONE): {**one, "nucleus": TWO}, str(TWO): {**two, "nucleus": 3}, "20": {}}
    assert "no row in the annotations" in done.err
    if suffix not in (".sqlite", ".mtx"):  # SQLite has no truths, and text no types
        assert isinstance(nodes[str(ONE)]["number"], int)
        assert isinstance(nodes[str(ONE)]["fraction"], float)
        assert nodes[str(ONE)]["flag"] is True


def test_typed_annotations_keep_their_types(crant: Crant, suffix: str) -> None:
    """Digits in a column of text are text; lists are joined."""
    parquet_file(
        "a.parquet", root_id=[ONE, TWO], digits=["1", "2"], volume=[1.0, None], small=np.array([1, 2], dtype=np.int8),
        names=[["a", "b"], None], exact=[True, None],
    )  # fmt: skip
    text_file("t.csv", EDGES)
    assert crant("export", "t.csv", "-a", "a.parquet", "-o", f"t{suffix}").code == 0
    nodes = read_graph(f"t{suffix}").nodes
    if suffix == ".mtx":
        assert Path("t.rows.csv").read_text().splitlines()[1] == f"{ONE},1,1.0,1,a;b,true"
        return
    assert nodes[str(ONE)] == {"digits": "1", "volume": 1.0, "small": 1, "names": "a;b", "exact": True}
    assert nodes[str(TWO)] == {"digits": "2", "small": 2}


AWKWARD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
IMPOSSIBLE = {*map(chr, range(32)), "\ufffe", "\uffff"} - {*"\t\n\r"}


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
@SETTINGS
@given(names=st.lists(AWKWARD, min_size=2, max_size=4, unique_by=str.casefold), label=AWKWARD, column=AWKWARD)
def test_any_text_comes_back(names: list[str], label: str, column: str) -> None:
    """What XML cannot hold is refused in IDs and names of columns, and replaced in labels."""
    nodes = [f"<{name}>" for name in names]
    edges = pd.DataFrame({"pre": nodes[:-1], "post": nodes[1:], "weight": 1})
    known = f"{column}&"
    annotations = pa.table({"root_id": nodes, known: [f'[{label}"'] * len(nodes)})
    impossible = bool(IMPOSSIBLE & {*"".join(nodes), *known})
    for suffix in (".graphml", ".gexf", ".sqlite"):
        with tempfile.TemporaryDirectory() as folder:
            known_file = f"{folder}/a.parquet"
            pq.write_table(annotations, known_file)
            if impossible and suffix != ".sqlite":
                with pytest.raises(DataError, match="cannot hold"):
                    exported(edges, suffix, folder, known_file)
                assert [path.name for path in Path(folder).iterdir()] == ["a.parquet"]
                continue
            if "\0" in known:
                continue
            found = exported(edges, suffix, folder, known_file)
            assert found.edges == Counter((*pair, 1) for pair in itertools.pairwise(nodes))
            written = f'[{label}"'
            if suffix != ".sqlite":
                written = "".join("\ufffd" if mark in IMPOSSIBLE else mark for mark in written)
            assert found.nodes[nodes[0]] == {known: written}


@pytest.mark.parametrize("form", [".graphml", ".gexf"])
def test_what_xml_cannot_hold_is_counted(crant: Crant, form: str) -> None:
    text_file("t.csv", EDGES)
    text_file("a.csv", f"root_id,cell_type,note\n{ONE},a\x01b\x02,.\x0b.\n{TWO},fine,<\x1f>\n")
    done = crant("export", "t.csv", "-a", "a.csv", "-o", f"t{form}")
    assert done.code == 0
    assert "3 values of attributes with characters that XML cannot hold" in done.err, done.err
    assert read_graph(f"t{form}").nodes[str(ONE)]["cell_type"] == "a\ufffdb\ufffd"


def test_names_that_hdf5_or_a_table_has_otherwise(crant: Crant) -> None:
    needed(".h5ad")
    text_file("t.csv", EDGES)
    text_file("a.csv", f"root_id,a/b,neuron_id,position\n{ONE},1,2,3\n")
    done = crant("export", "t.csv", "-a", "a.csv", "-o", "t.h5ad")
    assert "'a/b' is called a%2Fb" in done.err
    assert "neuron_id of the annotations is called neuron_id_2" in done.err
    assert read_graph("t.h5ad").nodes[str(ONE)] == {"a%2Fb": 1, "neuron_id_2": 2, "position": 3}


# Other columns of edges.


def test_fractions_are_layers_and_attributes(crant: Crant, suffix: str) -> None:
    text_file("t.csv", EDGES)
    assert crant("connectivity", "t.csv", "--normalize", "input", "-o", "n.parquet", "-q").code == 0
    done = crant("export", "n.parquet", "-o", f"t{suffix}")
    assert done.code == 0, done.err
    expected = {(str(ONE), str(TWO)): 1.0, (str(TWO), str(ONE)): 1.0, (str(ONE), "20"): 1.0}
    if suffix == ".h5ad":
        assert read_graph("t.h5ad").layers == {"fraction": expected}
    elif suffix == ".mtx":
        assert "fraction is not in it" in done.err
    elif suffix == ".graphml":
        assert Path("t.graphml").read_text().count('<data key="e1">1.0</data>') == 3
    elif suffix == ".sqlite":
        with closing(sqlite3.connect("t.sqlite")) as base:
            assert base.execute("SELECT DISTINCT fraction FROM edges").fetchall() == [(1.0,)]


def test_the_database_has_indices_and_is_asked_by_them(crant: Crant) -> None:
    text_file("t.csv", EDGES)
    assert crant("export", "t.csv", "-a", TYPES, "-o", "t.sqlite", "-q").code == 0
    with closing(sqlite3.connect("t.sqlite")) as base:
        for column, index in (("pre", "edges_out"), ("post", "edges_in")):
            plan = base.execute(f"EXPLAIN QUERY PLAN SELECT * FROM edges WHERE {column} = {ONE}").fetchall()
            assert index in plan[0][3]
        joined = base.execute("SELECT sum(weight) FROM edges JOIN neurons ON pre = neuron_id").fetchone()
        assert joined == (6,)


# Every question with edges or a matrix.


def test_questions_write_the_same_formats(crant: Crant, suffix: str) -> None:
    for question in ("connectivity", "adjacency"):
        done = crant(question, SYNAPSES, "-a", TYPES, "-t", "20", "-o", f"{question}{suffix}")
        assert done.code == 0, done.err
    assert crant("connectivity", SYNAPSES, "-t", "20", "-o", "e.csv", "-q").code == 0
    table = pd.read_csv("e.csv", dtype={"pre": str, "post": str})
    expected = Counter(table.itertuples(index=False, name=None))
    assert len(expected) > 100
    edges, matrix = read_graph(f"connectivity{suffix}"), read_graph(f"adjacency{suffix}")
    assert edges.edges == matrix.edges == expected
    assert edges.nodes == matrix.nodes
    assert any("cell_type" in attributes for attributes in edges.nodes.values())
    assert (edges.record["command"], matrix.record["command"]) == ("connectivity", "adjacency")


def test_types_and_groups_are_nodes_of_graphs(crant: Crant, suffix: str) -> None:
    common = ("connectivity", SYNAPSES, "-a", TYPES, "-t", "5", "-q")
    for by in ("type", "cell_type"):
        assert crant(*common, "--by", by, "-o", f"t{suffix}").code == 0
        assert crant(*common, "--by", by, "-o", "t.csv").code == 0
        table = pd.read_csv("t.csv", keep_default_na=False)
        pairs = Counter((row[0], row[1], row.weight) for row in table.itertuples(index=False))
        assert read_graph(f"t{suffix}").edges == pairs
    refused = crant(*common, "--by", "cell_type,side", "-o", f"u{suffix}")
    complaint(refused, 2, f"u{suffix}", "--by", "one column of labels")
    assert not Path(f"u{suffix}").exists()


def test_nested_matrices_keep_their_order(crant: Crant, suffix: str) -> None:
    done = crant("nested", SYNAPSES, "-a", TYPES, "-t", "20", "-o", f"n{suffix}", "--type-sum", f"s{suffix}", "-q")
    assert done.code == 0, done.err
    assert crant("nested", SYNAPSES, "-a", TYPES, "-t", "20", "-o", "n.npz", "-q").code == 0
    found = read_graph(f"n{suffix}")
    with np.load("n.npz") as archive:
        pre, post = archive["pre"].tolist(), archive["post"].tolist()
        rows = np.repeat(np.arange(len(pre)), np.diff(archive["indptr"]))
        cells = zip(rows, archive["indices"], archive["data"].tolist(), strict=True)
        assert found.edges == Counter((str(pre[i]), str(post[j]), weight) for i, j, weight in cells)
    if suffix in MATRICES:
        assert found.axes == ([str(node) for node in pre], [str(node) for node in post])
        assert pre != sorted(pre)
    assert set(found.nodes) == {str(node) for node in (*pre, *post)}
    assert sum("cell_type" in attributes for attributes in found.nodes.values()) > 100
    assert read_graph(f"s{suffix}").record["labels"] == "types"


def test_a_split_by_neuropil_is_a_graph_and_no_matrix(crant: Crant, suffix: str) -> None:
    text_file("t.csv", "pre,post,weight,roi\n1,2,3,EB\n1,2,4,FB\n2,1,5,EB\n")
    for question in (("export",), ("connectivity", "--by", "neuropil")):
        done = crant(question[0], "t.csv", *question[1:], "-o", f"t{suffix}")
        if suffix in MATRICES:
            complaint(done, 2, f"t{suffix}", "a row for each neuropil")
        else:
            assert done.code == 0, done.err
            assert read_graph(f"t{suffix}").edges == {("1", "2", 3): 1, ("1", "2", 4): 1, ("2", "1", 5): 1}
    assert crant("export", "t.csv", "--sum-duplicates", "-o", f"s{suffix}").code == 0
    assert read_graph(f"s{suffix}").edges == {("1", "2", 7): 1, ("2", "1", 5): 1}


def test_nothing_is_a_file_like_any_other(crant: Crant, suffix: str) -> None:
    text_file("t.csv", "pre,post,weight\n")
    done = crant("export", "t.csv", "-a", TYPES, "-o", f"t{suffix}")
    assert done.code == 0, done.err
    found = read_graph(f"t{suffix}")
    assert (found.edges, found.nodes) == (Counter(), {})
    assert crant("export", "t.csv", "-o", f"u{suffix}", "--fail-empty").code == 4
    assert not Path(f"u{suffix}").exists()


# Wrong usage, and files that are whole or not there.


def test_other_tables_are_refused_with_what_can_be_exported(crant: Crant) -> None:
    complaint(crant("export", SYNAPSES, "-o", "t.graphml"), 3, "synapses", "edges or a matrix", "connectivity")
    complaint(crant("export", TYPES, "-o", "t.graphml"), 3, "annotations.csv")
    text_file("t.csv", "pre,post,weight\n1,2,3\n1,2,4\n")
    complaint(crant("export", "t.csv", "-o", "t.graphml"), 3, "2 rows", "--sum-duplicates")
    assert sorted(path.name for path in Path().iterdir()) == ["t.csv"]


def test_who_asks_for_a_picture_is_told_which_commands_draw_one() -> None:
    with_option = {name for name, command in readme.commands().items() if any(p.name == "plot" for p in command.params)}
    assert with_option == set(DRAWING)


def test_unknown_suffixes_are_named_with_those_that_there_are(crant: Crant) -> None:
    text_file("t.csv", EDGES)
    complaint(crant("export", "t.csv", "-o", "t.xyz"), 2, "t.xyz", *ALL)
    complaint(crant("counts", "t.csv", "-o", "t.graphml"), 2, "unknown suffix")
    assert crant("export", "t.csv", "-o", "T.GRAPHML").code == 0


def test_a_missing_package_is_named_before_any_work(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    complaint(crant("export", "nowhere.csv", "-o", "t.h5ad"), 2, "t.h5ad", "pip install 'crantcli[anndata]'")


def test_tables_of_axes_are_outputs_like_any_other(crant: Crant) -> None:
    text_file("t.rows.csv", EDGES)
    complaint(crant("export", "t.rows.csv", "-o", "t.mtx"), 2, "t.rows.csv is an input")
    text_file("t.csv", EDGES)
    Path("u.columns.csv").mkdir()
    complaint(crant("export", "t.csv", "-o", "u.mtx"), 2, "u.columns.csv is a folder")
    done = crant("export", "t.csv", "-o", "v.mtx")
    assert "-> v.mtx, v.rows.csv, v.columns.csv" in done.err
    assert not Path("u.mtx").exists()


def test_nothing_is_left_of_a_file_that_cannot_be_made(crant: Crant) -> None:
    text_file("bad.csv", "pre,post,weight\na\x01,b,2\n")
    text_file("t.graphml", "what was there")
    complaint(crant("export", "bad.csv", "-o", "t.graphml"), 3, "'a\\x01'", "GraphML", ".sqlite")
    assert Path("t.graphml").read_text() == "what was there"
    assert sorted(path.name for path in Path().iterdir()) == ["bad.csv", "t.graphml"]


# Real brains.


@pytest.mark.parametrize("form", [form for form in ALL if form != ".gexf"])  # which takes its reader long
def test_the_larval_brain_goes_out_whole(crant: Crant, real: Path, form: str) -> None:
    needed(form)
    source, neurons = real / "larva" / "edges.parquet", real / "larva" / "neurons.csv"
    assert crant("export", source, "-a", neurons, "-o", f"larva{form}", "-q").code == 0
    found = read_graph(f"larva{form}")
    table = pd.read_parquet(source)
    expected = Counter(zip(table["pre"].astype(str), table["post"].astype(str), table["weight"], strict=True))
    assert found.edges == expected
    assert len(found.nodes) == 3554
    assert sum(edge[2] for edge in found.edges) == 376_091
    known = pd.read_csv(neurons).set_index("neuron_id")
    types = {node: attributes.get("cell_type") for node, attributes in found.nodes.items()}
    assert types == {node: cell(known["cell_type"].get(int(node))) for node in types}


def test_files_follow_their_schemas(crant: Crant) -> None:
    """What the specifications ask of documents, beside what networkx looks at."""
    text_file("t.csv", EDGES)
    for form, space in (("graphml", "http://graphml.graphdrawing.org/xmlns"), ("gexf", "http://www.gexf.net/1.2draft")):
        assert crant("export", "t.csv", "-a", TYPES, "-o", f"t.{form}", "-q").code == 0
        root = ElementTree.parse(f"t.{form}").getroot()
        assert root.tag == f"{{{space}}}{form}"
        if form == "graphml":
            keys = [key.get("id") for key in root.iter(f"{{{space}}}key")]
            assert len(set(keys)) == len(keys)
            assert {data.get("key") for data in root.iter(f"{{{space}}}data")} <= set(keys)
        else:
            assert len({edge.get("id") for edge in root.iter(f"{{{space}}}edge")}) == 3


def test_errors_of_the_disk_name_the_file(crant: Crant) -> None:
    text_file("t.csv", "pre,post,weight\n" + "".join(f"{n},{n + 1},1\n" for n in range(20_000)))
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, old[1]))
        for form in ("graphml", "gexf", "sqlite", "mtx"):
            done = crant("export", "t.csv", "-o", f"t.{form}", "-q")
            assert done.code == 1, (form, done.err)
            assert "cannot be written" in done.err
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert sorted(path.name for path in Path().iterdir()) == ["t.csv"]
