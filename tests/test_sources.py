"""What a file holds, whatever its format: kinds, ID types, positions, missing values, damage, files together."""

from __future__ import annotations

import gzip
import io
import json
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from conftest import Crant
from tables import ONE, TWO, answer, complaint, feather_file, ledger, parquet_file, record, text_file, weights

import crantcli as cc
from crantcli.remote.cache import CacheFolder

# Every kind and spelling, as a table.

SPELLINGS = {
    "cave": "id,size,pre_pt_root_id,post_pt_root_id\n1,50,10,20\n2,60,10,20\n3,70,20,30\n",
    "pre-post": "pre,post\n10,20\n10,20\n20,30\n",
    "weight": "pre,post,weight\n10,20,2\n20,30,1\n",
    "networkx": "source,target,weight\n10,20,2\n20,30,1\n",
    "n_syn": "source,target,n_syn\n10,20,2\n20,30,1\n",
    "natverse": "type.from,type.to,weight\n10,20,2\n20,30,1\n",
    "codex": "pre_root_id,post_root_id,neuropil,syn_count,nt_type\n10,20,EB,1,GABA\n10,20,PB,1,GABA\n20,30,EB,1,GABA\n",
    "neuprint": "bodyId_pre,bodyId_post,roi,weight\n10,20,EB,1\n10,20,PB,1\n20,30,EB,1\n",
    "adjacency": "pre,20,30\n10,2,0\n20,0,1\n",
    "corner": "pre/post,20,30\n10,2,0\n20,0,1\n",
    "pandas index": ",20,30\n10,2,0\n20,0,1\n",
    "read back index": "Unnamed: 0,20,30\n10,2,0\n20,0,1\n",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_same_edges(crant: Crant, spelling: str) -> None:
    text_file("table.csv", SPELLINGS[spelling])
    assert weights(crant("connectivity", "table.csv")) == {("10", "20"): "2", ("20", "30"): "1"}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_reads_from_parquet_and_feather_too(crant: Crant, spelling: str) -> None:
    frame = pd.read_csv(io.StringIO(SPELLINGS[spelling]))
    columns = {str(name): frame[name].to_numpy() for name in frame}
    expected = {("10", "20"): "2", ("20", "30"): "1"}
    assert weights(crant("connectivity", parquet_file("table.parquet", **columns))) == expected
    assert weights(crant("connectivity", feather_file("table.feather", **columns))) == expected


@pytest.mark.parametrize("spelling", ["codex", "neuprint"])
def test_rows_per_neuropil_are_summed_with_a_note_or_kept_apart(crant: Crant, spelling: str) -> None:
    text_file("table.csv", SPELLINGS[spelling])
    found = crant("connectivity", "table.csv")
    assert "several neuropils" in found.err
    assert answer(crant("connectivity", "table.csv", "--by", "neuropil")) == [
        ("10", "20", "EB", "1"),
        ("10", "20", "PB", "1"),
        ("20", "30", "EB", "1"),
    ]


def test_types_may_stand_for_neurons(crant: Crant) -> None:
    text_file("types.csv", "type.from,type.to,weight\nER1,EPG/PEG,3\nNA,nan,2\n")
    assert weights(crant("connectivity", "types.csv", "--null-text", "")) == {
        ("ER1", "EPG/PEG"): "3",
        ("NA", "nan"): "2",
    }


def test_npz_is_read_as_we_write_it(crant: Crant) -> None:
    text_file("edges.csv", SPELLINGS["weight"])
    assert crant("adjacency", "edges.csv", "-o", "a.npz").code == 0
    assert weights(crant("connectivity", "a.npz")) == {("10", "20"): "2", ("20", "30"): "1"}
    scipy.sparse.save_npz("foreign.npz", scipy.sparse.csr_matrix(np.eye(2)))
    complaint(crant("connectivity", "foreign.npz"), 3, "foreign.npz", "post, pre")
    text_file("junk.npz", b"PK\x03\x04 and no more")
    complaint(crant("connectivity", "junk.npz"), 3, "junk.npz", "cannot be read")
    complaint(crant("connectivity", "a.npz", "edges.csv"), 2, "alone")


HEADERS = [
    "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), ", "((((", "'''", "{[1]: 2}", "(" * 5000, "\t\tx\n y",
    "1 +",
    "{'descr': [], 'fortran_order': False, 'shape': (2,)}", "{'descr': '<i8', 'fortran_order': 3, 'shape': (2,)}",
    "{'descr': '<i8', 'fortran_order': False, 'shape': 2}", "{'descr': None, 'fortran_order': False, 'shape': (2,)}",
    "{'descr': {}, 'fortran_order': False, 'shape': (2,)}", "{1: 2, 'a': 3}", "[]", "\0\0", "\xff\xfe", "-" * 9000,
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_arrays_that_say_nonsense_of_themselves_are_damaged(crant: Crant, header: str) -> None:
    """NumPy reads a header as a piece of Python, and passes on whatever Python says of it."""
    text_file("edges.csv", SPELLINGS["weight"])
    assert crant("adjacency", "edges.csv", "-o", "a.npz").code == 0
    odd = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode("latin1")
    with zipfile.ZipFile("a.npz") as whole, zipfile.ZipFile("odd.npz", "w") as made:
        for name in whole.namelist():
            made.writestr(name, odd if name == "data.npy" else whole.read(name))
    complaint(crant("connectivity", "odd.npz", "-o", "out.csv"), 3, "odd.npz", "data.npy")
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("nonsense", [b"(((((((((", b"'''      ", b"{[1]:2}  "])
def test_arrays_in_the_cache_that_say_nonsense_of_themselves_are_fetched_again(tmp_path: Path, nonsense: bytes) -> None:
    cache = CacheFolder(tmp_path)
    cache.write_arrays("odd", {"ids": np.arange(3)})
    assert cache.read_arrays("odd") is not None
    content = cache.path("odd").read_bytes()
    cache.path("odd").write_bytes(content.replace(b"{'descr': ", nonsense))
    assert cache.read_arrays("odd") is None


def test_ambiguous_columns_are_refused_with_the_file(crant: Crant) -> None:
    text_file("two.csv", "pre,post,weight,source,target\n1,2,3,4,5\n")
    complaint(crant("connectivity", "two.csv"), 3, "two.csv", "pre, post", "source, target")
    told = weights(crant("connectivity", "two.csv", "--pre-col", "source", "--post-col", "target"))
    assert told == {("4", "5"): "3"}
    text_file("both.csv", "pre_pt_root_id,post_pt_root_id,pre,post\n1,2,3,4\n")
    complaint(crant("synapses", "both.csv"), 3, "both.csv", "pre_pt_root_id, post_pt_root_id", "pre, post")


def test_kind_and_id_columns_can_be_said(crant: Crant) -> None:
    text_file("odd.csv", "sender,receiver,weight\n10,20,4\n")
    complaint(crant("connectivity", "odd.csv"), 3, "odd.csv", "sender, receiver, weight", "--pre-col")
    named = ("connectivity", "odd.csv", "--pre-col", "sender", "--post-col", "receiver")
    assert weights(crant(*named)) == {("10", "20"): "4"}
    assert weights(crant(*named, "--kind", "synapses")) == {("10", "20"): "1"}
    complaint(
        crant("connectivity", "odd.csv", "--pre-col", "sendr", "--post-col", "receiver"),
        3,
        "sendr",
        "near names: sender",
    )
    text_file("pairs.csv", "pre,post,n_syn\n1,2,5\n")
    assert weights(crant("connectivity", "pairs.csv")) == {("1", "2"): "5"}
    assert weights(crant("connectivity", "pairs.csv", "--kind", "synapses")) == {("1", "2"): "1"}
    text_file("wide.csv", "neuron,X,Y\nA,1,2\n")
    complaint(crant("connectivity", "wide.csv"), 3, "--kind adjacency")
    found = weights(crant("connectivity", "wide.csv", "--kind", "adjacency"))
    assert found == {("A", "Y"): "2", ("A", "X"): "1"}


# Neuron IDs.

ID_TYPES: list[tuple[pa.DataType, list[Any], list[str]]] = [
    (pa.int64(), [ONE, TWO], [str(ONE), str(TWO)]),
    (pa.uint64(), [ONE, TWO], [str(ONE), str(TWO)]),
    (pa.uint64(), [2**63 + 1, 7], [str(2**63 + 1), "7"]),
    (pa.int32(), [5, -7], ["5", "-7"]),
    (pa.int8(), [5, 7], ["5", "7"]),
    (pa.string(), [str(ONE), str(TWO)], [str(ONE), str(TWO)]),
    (pa.large_string(), ["ER1", "NA"], ["ER1", "NA"]),
    (pa.dictionary(pa.int8(), pa.string()), ["ER1", "nan"], ["ER1", "nan"]),
]


@pytest.mark.parametrize(("kind", "values", "expected"), ID_TYPES, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("file", [parquet_file, feather_file])
def test_id_types_keep_every_digit(
    crant: Crant, file: Any, kind: pa.DataType, values: list[Any], expected: list[str]
) -> None:
    column = pa.array([*values, None], pa.string() if pa.types.is_dictionary(kind) else kind).cast(kind)
    name = "t.parquet" if file is parquet_file else "t.feather"
    file(name, pre=column, post=pa.array(["x", "x", "x"]))
    found = crant("connectivity", name, "--allow-null", "--null-text", "")
    assert weights(found) == {(neuron, "x"): "1" for neuron in expected}
    assert "3 synapses read, 1 null, 2 kept" in found.err


def test_integer_ids_stay_int64_in_what_we_write(crant: Crant) -> None:
    parquet_file("t.parquet", pre=pa.array([ONE, None, TWO], pa.uint64()), post=pa.array([3, 4, 5], pa.int32()))
    assert crant("connectivity", "t.parquet", "--allow-null", "-o", "e.parquet").code == 0
    written = pq.read_table("e.parquet")
    assert [str(written.schema.field(name).type) for name in ("pre", "post")] == ["int64", "int64"]
    assert written.column("pre").to_pylist() == [ONE, TWO]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "1.0", "1.00"], {"1": "3"}),
        (["1", "007", "7"], {"1": "1", "007": "1", "7": "1"}),
        ([" 5", "5 ", "5"], {"5": "3"}),
        (["-3", "-3.0", "0.0"], {"-3": "2"}),  # 0 is background
        (["9007199254740991.0", "9007199254740991", "1"], {"9007199254740991": "2", "1": "1"}),
        (["18446744073709551615", "1", "1.0"], {"18446744073709551615": "1", "1": "2"}),
        (["ER1", "1", "1.0"], {"ER1": "1", "1": "2"}),
        (["ER1", "1.5", "2E5"], {"ER1": "1", "1.5": "1", "2E5": "1"}),
        (["er1", "ER1", "Er1"], {"er1": "1", "ER1": "1", "Er1": "1"}),
    ],
)
def test_text_ids(crant: Crant, values: list[str], expected: dict[str, str]) -> None:
    text_file("t.csv", "pre,post\n" + "".join(f'"{value}",x\n' for value in values))
    assert weights(crant("connectivity", "t.csv")) == {(neuron, "x"): n for neuron, n in expected.items()}


DAMAGED = ["5.76460752641834E+17", "576460752641833774.0", "1e5", "9007199254740992.0", "2.5"]


@pytest.mark.parametrize("value", DAMAGED)
@pytest.mark.parametrize("header", ["pre,post,id", "post,pre,id", "id,pre,post"])
def test_ids_in_text_that_were_floats_are_refused(crant: Crant, value: str, header: str) -> None:
    text_file("t.csv", f"{header}\n1,2,3\n{value},5,6\n")
    column = header.split(",")[0]
    complaint(crant("connectivity", "t.csv"), 3, f"t.csv, column {column}, row 2", value, "floating-point")
    complaint(crant("synapses", "t.csv"), 3, f"t.csv, column {column}, row 2", value, "floating-point")


@pytest.mark.parametrize("value", ["5.76460752641834E+17", "576460752641833774.0"])
def test_one_damaged_id_among_names_is_refused(crant: Crant, value: str) -> None:
    text_file("t.csv", f"pre,post\nER1,2\n{value},5\n")
    complaint(crant("connectivity", "t.csv"), 3, "t.csv, column pre, row 2", value)


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
@pytest.mark.parametrize("column", ["pre", "post", "id"])
@pytest.mark.parametrize("file", [parquet_file, feather_file])
def test_ids_stored_as_floats_are_refused(crant: Crant, file: Any, column: str, kind: pa.DataType) -> None:
    columns = {name: pa.array([1, 2]) for name in ("pre", "post", "id")}
    columns[column] = columns[column].cast(kind)
    name = "t.parquet" if file is parquet_file else "t.feather"
    file(name, **columns)
    complaint(crant("connectivity", name), 3, name, f"column {column}", "floating-point")


def test_supervoxel_ids_that_were_floats_are_refused_where_they_are_passed_on(crant: Crant) -> None:
    head = "id,pre,post,pre_pt_supervoxel_id\n1,2,3,"
    text_file("t.csv", f"{head}7.38178439715908E+16\n")
    complaint(crant("synapses", "t.csv"), 3, "t.csv, column pre_pt_supervoxel_id, row 1")
    assert weights(crant("connectivity", "t.csv")) == {("2", "3"): "1"}  # does not look at them
    parquet_file("t.parquet", pre=[1], post=[2], post_pt_supervoxel_id=[7.4e16])
    complaint(crant("synapses", "t.parquet"), 3, "t.parquet, column post_pt_supervoxel_id", "floating-point")


def test_a_float_column_beside_an_integer_one_is_refused_with_its_file(crant: Crant) -> None:
    parquet_file("parts/a.parquet", source=[ONE], target=[1], weight=[1])
    parquet_file("parts/b.parquet", source=[float(ONE)], target=[1], weight=[1])
    complaint(crant("connectivity", "parts"), 3, "b.parquet, column source", "floating-point")
    named = ("--pre-col", "target", "--post-col", "weight", "--kind", "synapses")
    assert crant("connectivity", "parts", *named).code == 0  # the floats are not IDs then
    parquet_file("parts/a.parquet", source=["ER1"], target=[1], weight=[1])
    parquet_file("parts/b.parquet", source=[1.0], target=[1], weight=[1])
    complaint(crant("connectivity", "parts"), 3, "b.parquet, column source", "floating-point")


@pytest.mark.parametrize("kind", [pa.bool_(), pa.timestamp("us"), pa.binary(), pa.list_(pa.int64())])
def test_other_types_are_no_ids(crant: Crant, kind: pa.DataType) -> None:
    values = {pa.bool_(): True, pa.timestamp("us"): 5, pa.binary(): b"1"}.get(kind, [1])
    parquet_file("t.parquet", pre=pa.array([values], kind), post=[1])
    complaint(crant("connectivity", "t.parquet"), 3, "t.parquet, column pre", "integers or text")


# Missing values and words that look like them (trap 10).


def test_words_for_missing_values_are_null_in_a_column_of_integer_ids(crant: Crant) -> None:
    text_file("t.csv", f"pre,post\n{ONE},1\nNA,1\nnan,1\n,1\nNULL,1\nNone,1\n{TWO},1\n")
    complaint(crant("connectivity", "t.csv"), 3, "t.csv, column pre", "5 of 7 rows", "--allow-null")
    found = crant("connectivity", "t.csv", "--json", "--allow-null")
    assert ledger(found) == {"read": 7, "null": 5, "kept": 2}
    assert weights(crant("connectivity", "t.csv", "--allow-null")) == {(str(ONE), "1"): "1", (str(TWO), "1"): "1"}


def test_such_words_are_null_beside_a_column_of_names_too(crant: Crant) -> None:
    text_file("t.csv", "pre,post\n1,A\nNA,B\n2,nano\n")
    found = crant("connectivity", "t.csv", "--allow-null")
    assert weights(found) == {("1", "A"): "1", ("2", "nano"): "1"}
    assert "1 null" in found.err


def test_such_words_are_names_among_names(crant: Crant) -> None:
    text_file("t.csv", "pre,post,kind\nNA,B,NA\nnan,B,nan\nER1,B,x\n,B,y\n")
    complaint(crant("synapses", "t.csv", "--allow-null"), 3, "t.csv, column pre, row 1", "NA", "--null-text")
    found = crant("synapses", "t.csv", "--null-text", "", "--allow-null")
    assert answer(found) == [("ER1", "B", "x"), ("NA", "B", "NA"), ("nan", "B", "nan")]
    assert "1 null" in found.err


def test_a_column_of_text_with_gaps_is_passed_on_whole(crant: Crant) -> None:
    text_file("t.csv", "pre,post,kind,score,code,empty\n1,2,,1.5,007,\n1,3,ER1,,8,\n1,4,NA,NA,,\n1,5,7,2,9,\n")
    assert crant("synapses", "t.csv", "--kind", "synapses", "-o", "t.parquet").code == 0
    table = pq.read_table("t.parquet")
    assert table.column("kind").to_pylist() == [None, "ER1", "NA", "7"]
    assert table.column("score").to_pylist() == [1.5, None, None, 2.0]
    assert table.column("code").to_pylist() == ["007", "8", None, "9"]
    assert table.column("empty").to_pylist() == [None] * 4


def test_weights_and_sizes(crant: Crant) -> None:
    text_file("t.csv", "pre, post, weight\n1, 2, 3\n1, 3, 4.0\n1, 4, 1e1\n")
    assert weights(crant("connectivity", "t.csv")) == {("1", "2"): "3", ("1", "3"): "4", ("1", "4"): "10"}
    text_file("t.csv", "pre,post,weight\n1,2,0.5\n1,3,007\n")
    assert weights(crant("connectivity", "t.csv")) == {("1", "2"): "0.5", ("1", "3"): "7.0"}
    for value in ("", "NA", "inf", "nan"):
        text_file("t.csv", f"pre,post,weight\n1,2,5\n1,3,{value}\n")
        complaint(crant("connectivity", "t.csv"), 3, "t.csv, column weight, row 2", "weight")
    text_file("t.csv", "pre,post,weight\n1,2,5\n1,3,many\n")
    complaint(crant("connectivity", "t.csv"), 3, "t.csv, column weight, row 2", "'many'", "not a number")
    parquet_file("t.parquet", pre=[1, 1], post=[2, 3], weight=[5.0, float("nan")])
    complaint(crant("connectivity", "t.parquet"), 3, "t.parquet, column weight, row 2")
    parquet_file("t.parquet", pre=[1], post=[2], weight=["heavy"])
    complaint(crant("connectivity", "t.parquet"), 3, "t.parquet, column weight, row 1", "'heavy'")
    text_file("t.csv", "pre,post,size\n1,2,NA\n1,3,7\n1,4,9.5\n")
    assert set(weights(crant("connectivity", "t.csv", "--min-size", "8"))) == {("1", "4")}
    text_file("t.csv", "pre,post,size\n1,2,NA\n")
    assert weights(crant("connectivity", "t.csv", "--min-size", "1")) == {}
    text_file("t.csv", "pre,post,size\n1,2,5\n1,2,big\n")
    complaint(crant("connectivity", "t.csv", "--min-size", "1"), 3, "t.csv, column size, row 2", "'big'")


def test_cells_of_an_adjacency(crant: Crant) -> None:
    text_file("t.csv", "pre,10,20\n1,NA,3\n2,,4\nNA,5,6\n")
    assert weights(crant("connectivity", "t.csv")) == {("2", "20"): "4", ("1", "20"): "3"}
    text_file("t.csv", "pre,10,20\n1,0.5,3\n2,x,4\n")
    complaint(crant("connectivity", "t.csv"), 3, "column 10", "'x'")
    complaint(
        crant("connectivity", "t.csv", "--kind", "adjacency"),
        3,
        "t.csv, column 10, row of 2",
        "adjacency holds numbers",
    )
    text_file("t.csv", "pre,10,5.76460752641834E+17\n1,1,1\n")
    complaint(crant("connectivity", "t.csv", "--kind", "adjacency"), 3, "t.csv, header", "5.76460752641834E+17")
    text_file("t.csv", "pre,10,20\n5.76460752641834E+17,1,1\n")
    complaint(crant("connectivity", "t.csv", "--kind", "adjacency"), 3, "column pre, row 1", "5.76460752641834E+17")


# Positions.

POSITION = ["ctr_pt_position_x", "ctr_pt_position_y", "ctr_pt_position_z"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2, 3]", [1, 2, 3]),
        ("[1 2 3]", [1, 2, 3]),
        ("1, 2, 3", [1, 2, 3]),
        ("(-1, 2, 3)", [-1, 2, 3]),
        ("array([1, 2, 3])", [1, 2, 3]),
        ("[ 1.5  2.   3. ]", [1.5, 2.0, 3.0]),
        ("[.5\n 2e3 -3.25]", [0.5, 2000.0, -3.25]),
    ],
)
def test_positions_in_text(crant: Crant, text: str, expected: list[float]) -> None:
    text_file("t.csv", f'id,pre,post,ctr_pt_position\n1,2,3,"{text}"\n2,4,5,\n')
    assert crant("synapses", "t.csv", "-o", "t.parquet").code == 0
    table = pq.read_table("t.parquet")
    assert [table.column(name).to_pylist() for name in POSITION] == [[value, None] for value in expected]
    assert pa.types.is_integer(table.schema.field(POSITION[0]).type) == all(isinstance(v, int) for v in expected)


@pytest.mark.parametrize("text", ["[1, 2]", "[1, 2, 3, 4]", "[1, 2, x]", "[nan nan nan]", "[1-2-3]", "[]", "here"])
def test_positions_in_text_that_are_none_are_refused(crant: Crant, text: str) -> None:
    text_file("t.csv", f'id,pre,post,ctr_pt_position\n1,2,3,"[1,2,3]"\n2,4,5,"{text}"\n')
    complaint(crant("synapses", "t.csv"), 3, "t.csv, column ctr_pt_position, row 2", text)
    assert crant("connectivity", "t.csv").code == 0  # does not look at them


LISTS = {
    "list": pa.array([[1, 2, 3], None], pa.list_(pa.int64())),
    "large list": pa.array([[1, 2, 3], None], pa.large_list(pa.int64())),
    "fixed list": pa.array([[1, 2, 3], [4, 5, 6]], pa.list_(pa.int64(), 3)),
    "struct": pa.array([{"x": 1, "y": 2, "z": 3}, None]),
    "text": pa.array(["[1 2 3]", None]),
}


@pytest.mark.parametrize("shape", LISTS)
@pytest.mark.parametrize("file", [parquet_file, feather_file])
def test_positions_in_one_column(crant: Crant, file: Any, shape: str) -> None:
    name = "t.parquet" if file is parquet_file else "t.feather"
    file(name, id=[1, 2], pre=[1, 1], post=[2, 3], ctr_pt_position=LISTS[shape])
    found = crant("synapses", name)
    assert found.rows()[0] == ["id", "pre", "post", *POSITION], found.err
    assert answer(found)[0] == ("1", "1", "2", "1", "2", "3")


def test_positions_of_the_wrong_shape_are_refused(crant: Crant) -> None:
    columns: dict[str, Any] = {"pre": [1, 1], "post": [2, 3]}
    parquet_file("t.parquet", **columns, ctr_pt_position=pa.array([[1, 2, 3], [1, 2]]))
    complaint(crant("synapses", "t.parquet"), 3, "t.parquet, column ctr_pt_position, row 2", "[1, 2]")
    parquet_file("t.parquet", **columns, ctr_pt_position=[5, 6])
    complaint(crant("synapses", "t.parquet"), 3, "t.parquet, column ctr_pt_position", "a list, or text")


def test_split_columns_are_preferred(crant: Crant) -> None:
    split = {f"ctr_pt_position_{axis}": [value] for axis, value in zip("xyz", (7, 8, 9), strict=True)}
    parquet_file("t.parquet", pre=[1], post=[2], ctr_pt_position=pa.array([[1, 2, 3]]), **split)
    found = crant("synapses", "t.parquet")
    assert found.rows() == [["pre", "post", *POSITION], ["1", "2", "7", "8", "9"]]
    text_file("t.csv", 'pre,post,ctr_pt_position_x,ctr_pt_position_y,pt\n1,2,7,8,"[1, 2]"\n')
    assert answer(crant("synapses", "t.csv")) == [("1", "2", "7", "8", "[1, 2]")]  # two of three are no position


# Text files as people have them.


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"\xef\xbb\xbfpre,post\n1,2\n3,4\n"),
        ("t.csv", b"pre,post\r\n1,2\r\n3,4\r\n"),
        ("t.csv", b"\xef\xbb\xbfpre,post\r\n1,2\r\n3,4"),
        ("t.csv", b"pre,post\r1,2\r3,4\r"),
        ("t.csv", b"pre;post\n1;2\n3;4\n"),
        ("t.csv", b"pre\tpost\n1\t2\n3\t4\n"),
        ("t.tsv", b"pre\tpost\n1\t2\n3\t4\n"),
        ("t.csv.gz", b"pre,post\n1,2\n3,4\n"),
        ("t.tsv.gz", b"pre\tpost\n1\t2\n3\t4\n"),
        ("T.CSV", b"pre,post\n1,2\n3,4\n"),
        ("t.csv", b'"pre","post"\n"1","2"\n"3","4"\n'),
        ("t.csv", b"pre, post\n1, 2\n3, 4\n"),
        ("t.csv", b"pre,post\n1,2\n\n3,4\n\n"),
        ("t.csv", b"pre,post,\n1,2,\n3,4,\n"),
        ("t.csv", b",pre,post\n0,1,2\n1,3,4\n"),
        ("t.csv", b",Unnamed: 0,pre,post\n0,0,1,2\n1,1,3,4\n"),
        ("t.csv", b'pre,post,"a\nb"\n1,2,"x\ny"\n3,4,"say ""hi"", then"\n'),
        ("it's 100%.csv", b"pre,post\n1,2\n3,4\n"),
    ],
)
def test_csv_in_the_wild(crant: Crant, name: str, content: bytes) -> None:
    text_file(name, content)
    assert weights(crant("connectivity", name)) == {("1", "2"): "1", ("3", "4"): "1"}


def test_quoted_newlines_and_commas_come_out_as_they_went_in(crant: Crant) -> None:
    content = 'pre,post,note\n1,2,"a\nb"\n3,4,"say ""hi"", then"\n'
    text_file("t.csv", content)
    assert crant("synapses", "t.csv").text == content


def test_an_index_that_pandas_wrote_is_not_passed_on(crant: Crant) -> None:
    text_file("t.csv", ",Unnamed: 0,pre,post\n5,6,1,2\n")
    assert crant("synapses", "t.csv").rows() == [["pre", "post"], ["1", "2"]]


def test_a_header_alone_is_an_empty_table(crant: Crant) -> None:
    for content in ("pre,post\n", "pre,post", "pre,post,weight\r\n"):
        text_file("t.csv", content)
        assert crant("connectivity", "t.csv").text == "pre,post,weight\n"
        assert crant("counts", "t.csv").text == "neuron_id,pre,post,pre_synapses,post_synapses\n"
    text_file("t.csv", "pre,post,size,ctr_pt_position\n")
    assert crant("synapses", "t.csv").rows() == [["pre", "post", "size", *POSITION]]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", ["t.csv", "empty"]),
        ("t.csv", b"\n\n", ["t.csv", "empty"]),
        ("t.csv.gz", b"", ["t.csv.gz", "empty"]),
        ("t.csv", b"pre,post\n1,2\n3,4,5\n6,7\n", ["t.csv, line 3", "3 columns instead of the 2"]),
        ("t.csv", b"pre,post\n1,2\n3\n6,7\n", ["t.csv, line 3", "1 columns instead of the 2"]),
        ("t.csv", b'pre,post\n1,2\n3,"open\n6,7\n', ["t.csv, line 3", "quote"]),
        ("t.csv", b"pre,post,Pre\n1,2,3\n", ["t.csv", "'pre' and 'Pre'"]),
        ("t.csv", b"pre,post,x,x\n1,2,3,4\n", ["t.csv", "'x'"]),
        ("t.csv", b"pr\xe9,post\n1,2\n", ["t.csv", "UTF-8"]),
        ("t.csv", b"pre,post\n1,2\n\xe9,4\n", ["t.csv", "UTF-8"]),
        ("t.csv", b"pre,post\n" + b"1,2\n" * 5000 + b"\xe9,4\n", ["t.csv, line 5002", "UTF-8"]),
        ("t.csv", "pre,post\n1,2\n".encode("utf-16")[:-1], ["t.csv", "UTF-16"]),
        ("t.csv", b"pre,post\n1,2\r\n3,4\n5,6\r\n", ["t.csv", "lines end in different ways"]),
    ],
)
def test_broken_csv_is_refused(crant: Crant, name: str, content: bytes, words: list[str]) -> None:
    text_file(name, content)
    told = complaint(crant("connectivity", name), 3, *words)
    assert told.count(name) == 1


def test_damaged_files_are_refused(crant: Crant) -> None:
    good = parquet_file("good.parquet", pre=list(range(5000)), post=list(range(5000))).read_bytes()
    middle = len(good) // 2
    damaged = {
        "cut.parquet": good[:-100],
        "short.parquet": good[:5],
        "empty.parquet": b"",
        "text.parquet": b"pre,post\n1,2\n",
        "hole.parquet": good[: middle - 4000] + b"\xff" * 8000 + good[middle + 4000 :],
        "cut.feather": feather_file("good.feather", pre=list(range(5000)), post=list(range(5000))).read_bytes()[:-100],
        "short.feather": b"ARROW1\x00\x00abc",
        "cut.csv.gz": gzip.compress(b"pre,post\n" + np.random.default_rng(0).bytes(9999).hex().encode())[:-50],
    }
    for name, content in damaged.items():
        Path(name).write_bytes(content)
        complaint(crant("connectivity", name), 3, name)


# Standard input.


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_csv_on_stdin(crant: Crant, wrap: Any) -> None:
    found = crant("connectivity", "-", stdin=wrap(SPELLINGS["cave"].encode()))
    assert weights(found) == {("10", "20"): "2", ("20", "30"): "1"}


def test_parquet_and_feather_on_stdin(crant: Crant) -> None:
    for path in (parquet_file("t.parquet", pre=[ONE], post=[TWO]), feather_file("t.feather", pre=[ONE], post=[TWO])):
        assert weights(crant("connectivity", "-", stdin=path.read_bytes())) == {(str(ONE), str(TWO)): "1"}


def test_stdin_is_named_in_messages_and_in_the_provenance(crant: Crant) -> None:
    complaint(crant("connectivity", "-", stdin=b""), 3, "stdin", "empty")
    complaint(crant("connectivity", "-", stdin=b"pre,post\n1,2,3\n"), 3, "stdin", "line 2")
    assert crant("connectivity", "-", "-o", "e.parquet", stdin=b"pre,post\n1,2\n").code == 0
    assert [source["name"] for source in record("e.parquet")["inputs"]] == ["stdin"]


# Several files.


def test_a_folder_of_overlapping_parts_in_all_formats_counts_each_synapse_once(crant: Crant) -> None:
    text_file("parts/a.csv", "id,pre,post\n1,1,2\n2,1,2\n")
    parquet_file("parts/year=2024/b.parquet", id=[2, 3], pre=[1, 1], post=[2, 2])
    feather_file("parts/year=2025/c.feather", id=[3, 4], pre=[1, 1], post=[2, 2])
    text_file("parts/d.tsv", "id\tpre\tpost\n4\t1\t2\n5\t1\t3\n")
    text_file("parts/e.csv.gz", "id,pre,post\n5,1,3\n6,1,3\n")
    text_file("parts/_part.csv", "not,for,us\n")
    text_file("parts/.hidden.csv", "nor,this\n")
    text_file("parts/README.txt", "nor this\n")
    found = crant("connectivity", "parts", "--json")
    assert ledger(found) == {"read": 10, "duplicate": 4, "kept": 6}
    assert weights(crant("connectivity", "parts")) == {("1", "2"): "4", ("1", "3"): "2"}
    assert crant("connectivity", "parts", "-o", "e.parquet").code == 0
    names = [source["name"] for source in record("e.parquet")["inputs"]]
    assert sorted(names) == ["a.csv", "b.parquet", "c.feather", "d.tsv", "e.csv.gz"]


def test_globs_and_lists_of_files(crant: Crant) -> None:
    for number in range(3):
        text_file(f"in/sub{number}/part.csv", f"pre,post\n{number},9\n")
    assert len(weights(crant("connectivity", "in/*/part.csv", "--no-clean"))) == 3
    assert len(weights(crant("connectivity", "in/**/*.csv", "--no-clean"))) == 3
    assert len(weights(crant("connectivity", "in/sub[12]/*.csv"))) == 2
    again = crant("connectivity", "in/sub1/part.csv", "in/sub1", "./in/sub1/part.csv", "in/sub1/*")
    assert weights(again) == {("1", "9"): "1"}  # one file, named four times
    complaint(crant("connectivity", "in/*.parquet"), 2, "in/*.parquet", "no file matches")
    Path("empty").mkdir()
    complaint(crant("connectivity", "empty"), 2, "empty", "no table in this folder")


def test_names_that_look_like_patterns_are_files(crant: Crant) -> None:
    """Otherwise one file would be read for another."""
    for name in ("a[x]", "a*", "a?", "it's {1}"):
        parquet_file(f"in/{name}.parquet", pre=[1], post=[2])
        text_file(f"in/{name}.csv", "pre,post\n1,2\n")
        feather_file(f"in/{name}.feather", pre=[1], post=[2])
    for name in ("ax", "ay"):
        parquet_file(f"in/{name}.parquet", pre=[8], post=[9])
        text_file(f"in/{name}.csv", "pre,post\n8,9\n")
    for path in Path("in").iterdir():
        expected = {("8", "9"): "1"} if path.stem in ("ax", "ay") else {("1", "2"): "1"}
        assert weights(crant("connectivity", path)) == expected, path
        assert json.loads(crant("info", path, "--json").out)["rows"] == 1, path


def test_columns_may_have_any_name(crant: Crant) -> None:
    names = ["m", "v", "row", "place", "filename", "file", "position", "rank", "dropped", "select", "order by", "a.b"]
    names += ['a"b', "it's", "{x}", "%s", "ünï", "c:id"]
    columns: dict[str, Any] = {"pre": ["1", "3"], "post": ["2", "4"], **{name: ["x", "y"] for name in names}}
    parquet_file("t.parquet", **columns)
    feather_file("t.feather", **columns)
    pd.DataFrame(columns).to_csv("t.csv", index=False)
    expected = [[*columns], ["1", "2", *["x"] * len(names)], ["3", "4", *["y"] * len(names)]]
    for name in ("t.parquet", "t.feather", "t.csv"):
        assert crant("synapses", name).rows() == expected, name
    parquet_file("types.parquet", root_id=[1, 2], **{name: ["x", "y"] for name in names})
    listed = ",".join(name for name in names)
    found = crant("connectivity", "t.csv", "-a", "types.parquet", "-n", "order by=x", "--annotate", listed)
    assert answer(found) == [("1", "2", "1", *["x"] * len(names), *["y"] * len(names))]


def test_files_that_spell_their_columns_differently_are_read_together(crant: Crant) -> None:
    parquet_file("parts/a.parquet", pre=[1], post=[2], weight=[3])
    parquet_file("parts/b.parquet", source=[1], target=[3], n_syn=[4])
    text_file("parts/c.csv", "bodyId_pre,bodyId_post,weight\n1,4,5\n")
    complaint(crant("connectivity", "parts"), 3, "parts", "b.parquet has n_syn, source, target")
    found = crant("connectivity", *sorted(Path("parts").iterdir()))
    assert weights(found) == {("1", "4"): "5", ("1", "3"): "4", ("1", "2"): "3"}


def test_files_of_different_kinds_are_refused(crant: Crant) -> None:
    parquet_file("parts/a.parquet", pre=[1], post=[2], weight=[3])
    parquet_file("parts/b.parquet", pre=[1], post=[2], id=[3])
    complaint(crant("connectivity", "parts"), 3, "b.parquet has id", "a.parquet has weight")
    named = crant("connectivity", "parts/a.parquet", "parts/b.parquet")
    complaint(named, 3, "a.parquet reads as edges", "b.parquet reads as synapses")


def test_integer_ids_beside_text_ids_become_text(crant: Crant) -> None:
    parquet_file("parts/a.parquet", pre=[ONE], post=[2])
    parquet_file("parts/b.parquet", pre=["ER1"], post=["2"])
    text_file("parts/c.csv", f"pre,post\n{ONE},2\n5.0,2\n")
    found = weights(crant("connectivity", "parts"))
    assert found == {(str(ONE), "2"): "2", ("ER1", "2"): "1", ("5", "2"): "1"}


def test_messages_name_the_file_and_its_own_row(crant: Crant) -> None:
    text_file("parts/a.csv", "pre,post,weight\n" + "1,2,3\n" * 10)
    text_file("parts/b.csv", "pre,post,weight\n1,2,3\n5.7646E+17,2,3\n")
    complaint(crant("connectivity", "parts"), 3, "b.csv, column pre, row 2")
    text_file("parts/b.csv", "pre,post,weight\n1,2,3\n1,2,many\n")
    complaint(crant("connectivity", "parts"), 3, "b.csv, column weight, row 2")
    text_file("parts/b.csv", "pre,post,weight\n1,2,3\n1,2,3,4\n")
    complaint(crant("connectivity", "parts"), 3, "b.csv, line 3")


def test_row_numbers_are_no_synapse_ids(crant: Crant) -> None:
    """Trap 13."""
    for name, rows in (("a.csv", "0,1,2\n1,1,3\n"), ("b.csv", "0,5,6\n1,5,7\n")):
        text_file(f"ids/{name}", "id,pre,post\n" + rows)
        text_file(f"index/{name}", ",pre,post\n" + rows)
    complaint(crant("connectivity", "ids"), 3, "synapse 0", "row numbers")
    found = crant("connectivity", "index")
    assert set(weights(found)) == {("1", "2"), ("1", "3"), ("5", "6"), ("5", "7")}
    assert "no id column" in found.err


# Feather and the tables of CAVE as they are.


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
def test_feather_in_every_compression(crant: Crant, compression: str) -> None:
    feather_file("t.feather", compression, pre=[ONE] * 5000, post=list(range(1, 5001)))
    assert len(weights(crant("connectivity", "t.feather"))) == 5000


def test_arrow_streams_and_old_feather_are_refused_as_what_they_are(crant: Crant) -> None:
    schema = pa.schema([("pre", pa.int64()), ("post", pa.int64())])
    with pa.OSFile("stream.arrow", "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.table({"pre": [1], "post": [2]}, schema=schema))
    complaint(crant("connectivity", "stream.arrow"), 3, "stream.arrow", "Arrow")


def test_microns_tables_are_read_as_they_are(crant: Crant, real: Path) -> None:
    """Lists in one file, lists and split columns in the other; nullable columns, timestamps, voxels of 4, 4, 40 nm."""
    files = [real / "microns" / f"{side}_df_helper.feather" for side in ("pre", "post")]
    apart = [pd.read_feather(file) for file in files]
    rows = pd.concat(apart)
    expected = rows.drop_duplicates("id").groupby(["pre_pt_root_id", "post_pt_root_id"]).size()
    assert crant("connectivity", *files, "--no-clean", "-o", "e.parquet").code == 0
    found = pd.read_parquet("e.parquet").set_index(["pre", "post"])["weight"].sort_index()
    assert found.to_dict() == expected.to_dict()
    done = crant(
        "synapses", *files, "--coordinates", "pixels", "--voxel-size", "4,4,40", "--units", "nm", "-o", "s.parquet"
    )
    assert done.code == 0, done.err
    written = pd.read_parquet("s.parquet").set_index("id")
    assert written.attrs["crantcli"] == {"units": "nm", "voxel_size_nm": [4.0, 4.0, 40.0]}
    for frame in apart:
        for name in ("ctr_pt_position", "pre_pt_position", "post_pt_position"):
            if name not in frame:
                continue
            nm = np.stack(frame[name].to_numpy()) * [4, 4, 40]
            axes = [f"{name}_{axis}" for axis in "xyz"]
            assert (written.loc[frame["id"], axes].to_numpy() == nm).all()


# DataFrames.


def edges_of(frame: pd.DataFrame, **options: Any) -> dict[tuple[Any, Any], Any]:
    """The edges that Python gives for a table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cc.CrantWarning)
        found = cc.get_connectivity(source=frame, **options)
    return {(row.pre, row.post): row.weight for row in found.itertuples()}


FRAME = pd.DataFrame({"id": [1, 2, 3], "pre": [ONE, ONE, TWO], "post": [5, 5, 6]})
EXPECTED = {(ONE, 5): 2, (TWO, 6): 1}


@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64", "object", "str", "string", "category"])
def test_dtypes_of_a_frame(dtype: str) -> None:
    found = cc.get_connectivity(source=FRAME.astype({"pre": dtype}))
    assert found["pre"].dtype == "int64"
    assert edges_of(FRAME.astype({"pre": dtype})) == EXPECTED


def test_gaps_in_the_ids_of_a_frame_are_counted_and_not_floats() -> None:
    for values in (pd.array([ONE, None, TWO], dtype="Int64"), pd.Series([ONE, None, TWO], dtype=object)):
        assert edges_of(FRAME.assign(pre=values), allow_null=True) == {(ONE, 5): 1, (TWO, 6): 1}
    with pytest.raises(cc.DataError, match=r"DataFrame, column pre: .*floating-point"):
        edges_of(FRAME.assign(pre=[ONE, None, TWO]))
    with pytest.raises(cc.DataError, match=r"mixed or unknown types.*pre"):
        edges_of(FRAME.assign(pre=[ONE, "a", TWO]))


#: Columns that Arrow or the engine has no type for, the labels that they make, and text that a criterion finds.
ODD: dict[str, tuple[Any, list[str], str]] = {
    "numbers and words": ([1, "x", None, 2.0], ["1", "2", "x"], "2"),
    "lists and words": ([["a", "b"], "c", None, ["d"]], ["a;b", "c", "d"], "b"),
    "lists of both": ([[1, "a"], [2], None, []], ["1;a", "2"], "a"),
    "lists of lists": ([[1, [2]], [["x"]], None, 3], ["1;[2]", "3", "['x']"], "[2]"),
    "dicts and numbers": ([{"a": 1}, 5, None, "x"], ["5", "x", "{'a': 1}"], "{'a': 1}"),
    "sets": ([{"b", "a"}, {3}, None, "x"], ["3", "a;b", "x"], "b"),
    "bytes": ([b"x", "y", None, 1], ["1", "b'x'", "y"], "y"),
    "large integers": ([2**70, 1, None, -5], ["-5", "1", str(2**70)], str(2**70)),
    "truth and words": ([True, "yes", None, False], ["False", "True", "yes"], "yes"),
    "gaps of several kinds": ([pd.NA, "x", float("nan"), 1], ["1", "x"], "x"),
    "complex numbers": ([1j, 2, None, "q"], ["1j", "2", "q"], "q"),
    "arrays": ([np.zeros(2), np.ones((1, 2)), None, "x"], ["0;0", "[1. 1.]", "x"], "x"),
    "half floats": (np.array([1, 2.5, np.nan, 3], dtype="float16"), ["1", "2.5", "3"], "2.5"),
    "intervals": (pd.interval_range(0, 4), ["(0, 1]", "(1, 2]", "(2, 3]", "(3, 4]"], "(0, 1]"),
    "categories of both": (pd.Categorical([1, "a", None, 2.0]), ["1", "2", "a"], "a"),
}


@pytest.mark.parametrize("name", ODD)
def test_annotations_may_have_columns_of_any_type(name: str) -> None:
    """One that nobody asks for does no harm, and one that is asked for is text, or a list of text."""
    values, labels, value = ODD[name]
    values = pd.Series(values, dtype=object) if isinstance(values, list) else values
    people = pd.DataFrame({"root_id": [1, 2, 3, 4], "cell_type": ["A", "B", "A", "B"], "odd": values})
    edges = pd.DataFrame({"pre": [1, 2, 3, 4], "post": [2, 3, 4, 1], "weight": [1, 2, 3, 4]})
    made = cc.NestedMatrix.from_connectivity(edges, people)
    assert dict(made.type_boundaries) == {"A": (0, 2), "B": (2, 4)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cc.CrantWarning)
        by_odd = cc.NestedMatrix.from_connectivity(edges, people, cell_type_column="odd")
    assert sorted(by_odd.type_boundaries) == labels
    found = cc.get_connectivity(cc.NeuronCriteria(odd=value), source=edges, annotations=people, upstream=False)
    assert len(found) == 1
    assert len(cc.get_connectivity(source=edges, annotations=people, annotate=["odd"])) == 4
    assert len(cc.get_synapses(source=edges[["pre", "post"]].assign(odd=values), kind="synapses")) == 4
    if name != "large integers":
        with pytest.raises(cc.DataError, match="odd"):
            cc.NestedMatrix.from_connectivity(edges, people, neuron_id_column="odd")


def test_ids_that_are_integers_and_text_are_the_same_ids() -> None:
    mixed = pd.Series([ONE, str(ONE), f" {TWO}"], dtype=object)
    assert edges_of(FRAME.assign(pre=mixed)) == EXPECTED
    people = pd.DataFrame({"root_id": mixed, "cell_type": ["A", "A", "B"]})
    with (
        pytest.warns(cc.CrantWarning, match="blanks at the ends of 1 value"),
        pytest.warns(cc.CrantWarning, match="1 neuron is annotated more than once"),
    ):
        found = cc.get_connectivity(source=FRAME[["pre", "post"]], annotations=people, annotate="cell_type")
    assert found["pre_cell_type"].tolist() == ["A", "B"]
    for wrong in (5.5, {"a": 1}, [ONE], float(ONE)):
        with pytest.raises(cc.DataError, match=r"mixed or unknown types.*pre|floating-point"):
            edges_of(FRAME.assign(pre=pd.Series([ONE, wrong, "x"], dtype=object)))


@pytest.mark.parametrize(
    "indexed",
    [
        FRAME.set_index(pd.Index([7, 7, 9])),
        FRAME.set_index(pd.Index([7, 7, 9], name="row")),
        FRAME.set_index("id"),
        FRAME.set_index("id", drop=False),
        FRAME.set_index(["pre", "post"]),
        FRAME.set_index("pre"),
    ],
)
def test_a_named_index_is_data_and_another_is_not(indexed: pd.DataFrame) -> None:
    assert edges_of(indexed) == EXPECTED


@pytest.mark.parametrize("name", [None, "neuron", "pre", "index", "root_id"])
def test_the_index_of_an_adjacency_is_its_presynaptic_neurons(name: str | None) -> None:
    wide = pd.DataFrame(
        [[1, 0], [2, 3]], index=pd.Index([ONE, TWO], name=name), columns=pd.Index([ONE - 9, ONE - 8], name="post")
    )
    assert edges_of(wide) == {(ONE, ONE - 9): 1, (TWO, ONE - 9): 2, (TWO, ONE - 8): 3}
    short = wide.set_axis([5, 6], axis=1)
    with pytest.raises(cc.DataError, match="adjacency"):
        edges_of(short)
    assert edges_of(short, kind="adjacency") == {(ONE, 5): 1, (TWO, 5): 2, (TWO, 6): 3}
    named = wide.set_axis(["A", "B"], axis=0).set_axis(["pre", "D"], axis=1).rename_axis(name)
    if name != "pre":
        assert edges_of(named, kind="adjacency") == {("A", "pre"): 1, ("B", "pre"): 2, ("B", "D"): 3}


def test_a_frame_is_left_as_it_was() -> None:
    frame = FRAME.set_index("id")
    before = frame.copy(deep=True)
    edges_of(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_odd_frames_are_refused() -> None:
    with pytest.raises(cc.DataError, match="two columns of the same name"):
        edges_of(pd.concat([FRAME, FRAME], axis=1))
    with pytest.raises(cc.CrantError, match="column"):
        edges_of(pd.DataFrame())
    with pytest.raises(cc.DataError, match="adjacency"):
        edges_of(pd.DataFrame({"a": ["x"], "b": ["y"]}))


@pytest.mark.parametrize("source", [5, [5], b"x.csv", pa.table({"pre": [1], "post": [2]}), object()])
def test_other_sources_are_type_errors(source: Any) -> None:
    with pytest.raises(TypeError, match="give a path"):
        cc.get_connectivity(source=source)


def test_paths_are_taken_in_every_form(crant: Crant) -> None:
    text_file("a.csv", "pre,post,weight\n1,2,3\n")
    text_file("b.csv", "pre,post,weight\n1,3,3\n")
    text_file("types.csv", "root_id,cell_type\n1,A\n2,B\n")
    assert edges_of("a.csv") == edges_of(Path("a.csv")) == {(1, 2): 3}  # type: ignore[arg-type]
    assert edges_of([Path("a.csv"), "b.csv"]) == {(1, 2): 3, (1, 3): 3}  # type: ignore[arg-type]
    found = cc.get_connectivity(source=Path("a.csv"), annotations=Path("types.csv"), by="type")
    assert found.to_dict("list")["post"] == ["B"]
    totals = cc.get_synapse_counts(source="a.csv")
    with pytest.warns(cc.CrantWarning, match="origin is not recorded"):
        assert cc.get_connectivity(source="a.csv", normalize="input", totals=totals)["fraction"].tolist() == [1.0]


def test_units_in_the_attributes_of_a_frame_are_heeded() -> None:
    frame = FRAME.assign(ctr_pt_position=[[81, 81, 420], np.array([8, 8, 42]), None])
    frame.attrs["crantcli"] = {"units": "nm", "voxel_size_nm": [8, 8, 42]}
    found = cc.get_synapses(source=frame).set_index("id")
    assert [list(found["ctr_pt_position"][number]) for number in (1, 2)] == [[10, 10, 10], [1, 1, 1]]
    assert found["ctr_pt_position"][3] is None
    assert found.attrs["crantcli"].pop("read_as")[0].startswith("DataFrame: read as synapses")
    assert found.attrs["crantcli"] == {"units": "pixels", "voxel_size_nm": [8.0, 8.0, 42.0]}
    same = cc.get_synapses(source=frame, return_pixels=False).set_index("id")
    assert list(same["ctr_pt_position"][1]) == [81, 81, 420]
    with pytest.raises(cc.DataError, match="positions are in nm"):
        cc.get_synapses(source=frame, coordinates="pixels")
    frame.attrs = {}
    with pytest.warns(cc.CrantWarning, match="unit of the positions is not recorded"):
        unknown = cc.get_synapses(source=frame).set_index("id")
    assert list(unknown["ctr_pt_position"][1]) == [81, 81, 420]


def test_positions_may_be_frames_of_our_own(crant: Crant) -> None:
    """What Python gives goes back in, by way of a file of pandas' too."""
    frame = FRAME.assign(**{name: [1, 2, 3] for name in POSITION})
    frame.attrs["crantcli"] = {"units": "nm", "voxel_size_nm": [8, 8, 42]}
    first = cc.get_synapses(source=frame, return_pixels=False)
    first.to_parquet("first.parquet")
    for source in (first, "first.parquet"):
        again = cc.get_synapses(source=source, return_pixels=False)
        told = [found.attrs["crantcli"] | {"read_as": ""} for found in (again, first)]
        assert told[0] == told[1]
        assert again["ctr_pt_position"].map(list).tolist() == first["ctr_pt_position"].map(list).tolist()
    assert crant("synapses", "first.parquet", "-o", "second.parquet").code == 0
    assert json.loads(crant("info", "second.parquet", "--json").out)["units"] == "nm"
