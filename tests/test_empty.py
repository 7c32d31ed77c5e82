"""Tables without rows, and matrices without neurons: valid input everywhere, with an empty answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import trimesh
from closed import box
from conftest import Crant
from tables import complaint, feather_file, text_file

import crantcli as cc

pytestmark = pytest.mark.slow

SYNAPSES = ("id", "pre_pt_root_id", "post_pt_root_id", "size", "ctr_pt_position")
SPLIT = (*SYNAPSES[:4], *(f"ctr_pt_position_{axis}" for axis in "xyz"))
EDGES = ("pre", "post", "weight")
CODEX = ("pre_root_id", "post_root_id", "neuropil", "syn_count")
CELLS = ("root_id", "cell_type")

#: How a column can be without values.
TYPES = (pa.null(), pa.float64(), pa.string())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("cells.csv", "root_id,cell_type\n1,A\n2,B\n")
    text_file("nobody.csv", "root_id,cell_type\n")
    text_file("skeletons/1.swc", "1 0 0 0 0 1 -1\n2 0 100 0 0 1 1\n")
    Path("meshes").mkdir()
    trimesh.Trimesh(*box((0, 0, 0), (8, 8, 8)), process=False).export("meshes/A.ply")


def written(columns: tuple[str, ...], every: bool) -> Iterator[str]:
    """The same table without rows as CSV and Parquet, or in every format and with columns of several types."""
    yield str(text_file("header.csv", ",".join(columns) + "\n"))
    if every:
        yield str(text_file("header.tsv.gz", "\t".join(columns)))
        yield str(feather_file("empty.feather", **{name: pa.array([], pa.null()) for name in columns}))
    for number, kind in enumerate(TYPES if every else TYPES[:1]):
        pq.write_table(pa.table({name: pa.array([], kind) for name in columns}), f"{number}.parquet")
        yield f"{number}.parquet"


NEUROPIL = ("neuropil", "SOURCE", "--meshes", "meshes", "--coordinates", "nm", "--no-plot", "-o", "out")
#: Commands, and what stands on stdout.
QUESTIONS: list[tuple[str, str]] = [
    ("synapses SOURCE --pre 1", "*"),
    ("synapses SOURCE --coordinates nm --units pixels --voxel-size 8,8,42 -o -", "*"),
    ("connectivity SOURCE", "pre,post,weight"),
    ("connectivity SOURCE -n 1 --normalize input", "pre,post,weight,fraction"),
    ("connectivity SOURCE --by type -a nobody.csv", "pre,post,weight,pre_neurons,post_neurons"),
    ("connectivity SOURCE --annotate cell_type -a cells.csv", "pre,post,weight,pre_cell_type,post_cell_type"),
    ("counts SOURCE", "neuron_id,pre,post,pre_synapses,post_synapses"),
    ("counts SOURCE -n 1", "neuron_id,pre,post,pre_synapses,post_synapses\n1,0,0,0,0"),
    ("adjacency SOURCE", "pre/post"),
    ("adjacency SOURCE --post 2 --keep-unconnected", "pre/post,2"),
    ("nested SOURCE -a cells.csv --type-mean t.csv -o -", "pre/post"),
    ("nested SOURCE -a nobody.csv --directed --plot p.png -o -", "pre/post"),
    ("nested SOURCE -a nobody.csv --type-sum t.csv", ""),
    ("nested SOURCE -a cells.csv --keep-unconnected --weight-mode count", "pre/post,1,2\n1,0,0\n2,0,0"),
]
OF_SYNAPSES: list[tuple[str, str]] = [
    (" ".join((*NEUROPIL, "-a", "cells.csv")), ""),
    (" ".join((*NEUROPIL, "--assignments-only")), ""),
    (
        "attach SOURCE --skeletons skeletons --coordinates nm --summary s.csv",
        "",
    ),
]


@pytest.mark.parametrize(
    ("question", "expected"), [*QUESTIONS, *OF_SYNAPSES], ids=[words for words, _ in (*QUESTIONS, *OF_SYNAPSES)]
)
@pytest.mark.parametrize("columns", [SYNAPSES, SPLIT, EDGES, CODEX], ids=["synapses", "split", "edges", "codex"])
def test_commands_take_tables_without_rows(
    crant: Crant, columns: tuple[str, ...], question: str, expected: str
) -> None:
    synapses = columns in (SYNAPSES, SPLIT)
    if not synapses and (question.startswith("synapses") or (question, expected) in OF_SYNAPSES):
        return
    for source in written(columns, every=question in ("synapses SOURCE --pre 1", "counts SOURCE -n 1")):
        ran = crant(*question.replace("SOURCE", source).split())
        assert ran.code == 0, (source, ran.err)
        assert ran.text.strip().startswith("id," if expected == "*" else expected)
        assert ran.text.count("\n") <= expected.count("\n") + 1
    assert crant("info", "0.parquet").code == 0


def test_a_matrix_without_neurons_is_one(crant: Crant) -> None:
    for name, text, neurons in (("corner.csv", "pre/post\n", ""), ("columns.csv", "pre/post,1,2\n", ",1,2")):
        text_file(name, text)
        assert crant("connectivity", name).text == "pre,post,weight\n"
        assert crant("nested", name, "-a", "cells.csv", "--directed").text == f"pre/post{neurons}\n"
        assert crant("adjacency", name, "--keep-unconnected").text == f"pre/post{neurons}\n"
        assert crant("adjacency", name, "-o", "m.npz").code == crant("nested", "m.npz", "-a", "cells.csv").code == 0
    pd.DataFrame().to_parquet("none.parquet")
    complaint(crant("connectivity", "none.parquet"), 3, "none.parquet: has no columns")
    pyarrow.feather.write_feather(pa.table({}), "none.feather")
    complaint(crant("connectivity", "none.feather"), 3, "none.feather: has no columns")
    complaint(crant("connectivity", name, "-a", "none.feather", "--by", "type"), 3, "none.feather: has no columns")


def frames(columns: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    """Frames without rows, as they come about."""
    yield pd.DataFrame(columns=list(columns))
    yield pd.DataFrame(columns=list(columns), dtype="float64")
    full = pd.DataFrame({name: [[1, 2, 3] if name.endswith("position") else 1] for name in columns})
    yield full[full[columns[0]] == 2]


def squares(source: pd.DataFrame, **more: Any) -> list[tuple[int, int]]:
    """The sizes of both kinds of nested matrices, with annotations and without."""
    found = []
    for people in (pd.DataFrame({"root_id": [1], "cell_type": ["A"]}), *frames(CELLS)):
        for cls in (cc.NestedMatrix, cc.DirectedNestedMatrix):
            make = cls.from_synapses if "pre_pt_root_id" in source else cls.from_connectivity
            made: Any = make(source, people, **more)
            assert made.sum_type_matrix.shape == made.mean_type_matrix.shape
            assert made.get_relative_weights().shape == made.matrix.shape == made.sparse.shape
            found.append(made.matrix.shape)
    return found


def test_functions_take_frames_without_rows() -> None:
    for source in frames(SYNAPSES):
        found = cc.get_synapses(source=source, coordinates="nm", voxel_size=(8, 8, 42))
        assert list(found.columns) == list(SYNAPSES)
        assert len(found) == 0
        assert set(squares(source)) == set(squares(source, weight_mode="column", weight_column="size")) == {(0, 0)}
        for cls in (cc.NestedMatrix, cc.DirectedNestedMatrix):
            people = pd.DataFrame(columns=list(CELLS))
            regions = cls.from_synapses_by_neuropil(source, people, meshes="meshes")
            assert dict(regions) == {}
            assert regions.summary["synapses"].tolist() == [0, 0]
    for columns in (SYNAPSES, EDGES, CODEX):
        for source in frames(columns):
            assert cc.get_connectivity(source=source).shape == (0, 3)
            assert cc.get_synapse_counts(source=source).shape == (0, 4)
            assert cc.get_adjacency(source=source).shape == (0, 0)
            assert set(squares(source)) == {(0, 0)}


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: pd.DataFrame(index=[], columns=[]), (0, 0)),
        (lambda: cc.get_adjacency(source=pd.DataFrame({"pre": [1], "post": [2]}), threshold=9), (0, 0)),
        (lambda: pd.DataFrame(index=pd.Index([], dtype="int64"), columns=pd.Index([], dtype="int64")), (0, 0)),
        (lambda: pd.DataFrame(index=[1, 2]), (2, 0)),
        (lambda: pd.DataFrame(columns=[1, 2]), (0, 2)),
        (lambda: pd.DataFrame(index=pd.Index([], name="root_id"), columns=["1", "2"], dtype="float64"), (0, 2)),
    ],
)
def test_functions_take_matrices_without_neurons(make: Callable[[], pd.DataFrame], shape: tuple[int, int]) -> None:
    source = make()
    assert cc.get_adjacency(source=source).shape == shape
    assert cc.get_connectivity(source=source).shape == (0, 3)
    assert len(cc.get_synapse_counts(source=source)) == sum(shape)
    people = pd.DataFrame({"root_id": [1, 2], "cell_type": ["A", "B"]})
    made = cc.DirectedNestedMatrix.from_connectivity(source, people)
    assert made.matrix.shape == made.sum_type_matrix.shape == shape
    assert cc.NestedMatrix.from_connectivity(source, people).matrix.shape == (sum(shape),) * 2
    assert cc.NestedMatrix.from_connectivity(source, pd.DataFrame(columns=list(CELLS))).matrix.shape == (0, 0)


def test_a_frame_of_nothing_is_an_adjacency_where_one_is_asked_for() -> None:
    people = pd.DataFrame({"root_id": [1], "cell_type": ["A"]})
    for cls in (cc.NestedMatrix, cc.DirectedNestedMatrix):
        assert cls.from_connectivity(pd.DataFrame(), people).matrix.shape == (0, 0)
        assert cls.from_connectivity(pd.DataFrame([]), people).sum_type_matrix.shape == (0, 0)
        with pytest.raises(cc.DataError, match="no columns"):
            cls.from_synapses(pd.DataFrame(), people)
    with pytest.raises(cc.DataError, match="no columns"):
        cc.get_connectivity(source=pd.DataFrame())
