"""`NestedMatrix` and `DirectedNestedMatrix` in Python: what is let through, and what nobody can change."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from nested_cases import SPELLINGS, warned

import crantcli as cc
from crantcli.core.matrix.blocks import BlockMatrix
from crantcli.errors import ArgumentTypeError
from crantcli.output.figures.nested import quantity

FIRST = 576460752641833773
EDGES = pd.DataFrame({"pre": [1, 1, 2, 3], "post": [2, 3, 3, 1], "weight": [4, 2, 5, 1]})
CELLS = pd.DataFrame({"root_id": [1, 2, 3], "cell_type": ["ER2", "ER10", "ER2"]})


def cells(types: dict[Any, Any]) -> pd.DataFrame:
    return pd.DataFrame({"root_id": list(types), "cell_type": list(types.values())})


def square(**more: Any) -> cc.NestedMatrix:
    """Neurons a, b of type x, c of type y, and d without one."""
    names = ["a", "b", "c", "d"]
    values = np.array([[0, 2, 0, 1], [3, 0, 4, 0], [0, 0, 5, 0], [0, 6, 0, 0]])
    given: dict[str, Any] = {
        "matrix": pd.DataFrame(values, index=names, columns=names),
        "type_boundaries": {"x": (0, 2), "y": (2, 3)},
        "ordered_neurons": names,
        "neuron_to_type": {"a": "x", "b": "x", "c": "y", "d": None},
    }
    return cc.NestedMatrix(**{**given, **more})


def directed(**more: Any) -> cc.DirectedNestedMatrix:
    given: dict[str, Any] = {
        "matrix": pd.DataFrame([[1, 0, 2], [0, 3, 4]], index=[1, 2], columns=[5, 6, 7]),
        "source_neurons": [1, 2],
        "target_neurons": [5, 6, 7],
    }
    return cc.DirectedNestedMatrix(**{**given, **more})


# ------------------------------------------------------------------------------------------ constructors


def test_a_square_matrix_from_its_parts() -> None:
    made = square()
    assert made.ordered_neurons == ("a", "b", "c", "d")
    assert dict(made.type_boundaries) == {"x": (0, 2), "y": (2, 3)}
    assert dict(made.neuron_to_type) == {"a": "x", "b": "x", "c": "y", "d": None}
    assert made.matrix.loc["b", "c"] == 4
    assert made.sum_type_matrix.to_dict("split") == {
        "index": ["x", "y"],
        "columns": ["x", "y"],
        "data": [[5, 4], [0, 5]],
    }
    assert made.mean_type_matrix.to_numpy().tolist() == [[5 / 4, 4 / 2], [0, 5]]
    assert made.get_relative_weights().to_numpy().tolist() == [
        [0, 2 / 3, 0, 1 / 3], [3 / 7, 0, 4 / 7, 0], [0, 0, 1, 0], [0, 1, 0, 0]
    ]  # fmt: skip
    assert made.get_relative_weights(by_type=True).to_numpy().tolist() == [[5 / 9, 4 / 9], [0, 1]]
    assert (made.matrix.to_numpy().dtype, made.sum_type_matrix.to_numpy().dtype) == ("int64", "int64")
    assert made.quantity == "weight"
    assert "4 x 4 neurons, 2 x 2 types, 6 connections" in repr(made)


def test_blocks_come_from_boundaries_or_from_types() -> None:
    one = directed(source_type_boundaries={"b": (1, 2), "a": (0, 1)}, target_type_boundaries={"z": (0, 2)})
    other = directed(source_neuron_to_type={1: "a", "2": "b"}, target_neuron_to_type={5: "z", 6: "z", 7: float("nan")})
    for made in (one, other):
        assert list(made.source_type_boundaries.items()) == [("a", (0, 1)), ("b", (1, 2))]
        assert dict(made.target_type_boundaries) == {"z": (0, 2)}
        assert dict(made.source_neuron_to_type) == {"1": "a", "2": "b"}
        assert dict(made.target_neuron_to_type) == {"5": "z", "6": "z", "7": None}
        assert made.source_neurons == ("1", "2")
        assert made.target_neurons == ("5", "6", "7")
        assert made.sum_type_matrix.to_numpy().tolist() == [[1], [3]]
    assert directed().sum_type_matrix.shape == (0, 0)
    assert dict(directed().source_neuron_to_type) == {"1": None, "2": None}
    labels = directed(target_neuron_to_type=pd.Series(["NaT", "NA", "nan"], index=[5, 6, 7])).target_type_boundaries
    assert dict(labels) == {"NaT": (0, 1), "NA": (1, 2), "nan": (2, 3)}
    numbers = directed(source_type_boundaries={1.0: (0, 2)}, source_neuron_to_type={1: 1, 2: "1"})
    assert dict(numbers.source_type_boundaries) == {"1": (0, 2)}


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_array, sp.coo_array])
def test_sparse_inputs(form: Any) -> None:
    entries = form(sp.coo_array(([1.5, 1.0, 2.0, 0.0], ([0, 0, 1, 1], [1, 1, 2, 0])), shape=(2, 3)))
    made = directed(matrix=entries)
    assert made.matrix.to_numpy().tolist() == [[0, 2.5, 0], [0, 0, 2]]
    assert len(made.sparse.data) == 2
    entries.data[:] = 9
    assert made.sparse.toarray().tolist() == [[0, 2.5, 0], [0, 0, 2]]


def test_nothing_is_a_matrix_too() -> None:
    made = cc.NestedMatrix(pd.DataFrame(), {}, [], {})
    assert made.matrix.shape == made.sum_type_matrix.shape == made.mean_type_matrix.shape == (0, 0)
    assert made.get_relative_weights(by_type=True).shape == (0, 0)
    assert (made.ordered_neurons, dict(made.type_boundaries)) == ((), {})


FRAME = square().matrix
#: What is wrong, and what the complaint names.
VIOLATIONS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: square(ordered_neurons=["a", "b", "c"], neuron_to_type={}, type_boundaries={}),
        "matrix has 4 rows, and ordered_neurons has 3 neurons",
    ),
    (lambda: square(matrix=FRAME.iloc[:, :3]), "matrix has 3 columns, and ordered_neurons has 4 neurons"),
    (lambda: square(matrix=sp.csr_array((4, 5))), "matrix has 5 columns"),
    (lambda: square(matrix=FRAME.iloc[[1, 0, 2, 3]]), "matrix has neuron b where ordered_neurons has a"),
    (lambda: square(matrix=FRAME.rename(columns={"c": "q"})), "matrix has neuron q where ordered_neurons has c"),
    (lambda: square(ordered_neurons=["a", "b", "b", "d"]), "ordered_neurons: neuron b stands there twice"),
    (lambda: square(ordered_neurons=["a", "b", 3.0, "d"]), "ordered_neurons: 3.0"),
    (lambda: square(ordered_neurons=["a", "b", True, "d"]), "ordered_neurons: True"),
    (lambda: square(type_boundaries={"x": (0, 2), "y": (1, 3)}), "'y' starts at 1 and overlaps"),
    (lambda: square(type_boundaries={"x": (0, 1), "y": (2, 3)}), "'y' starts at 2 and leaves out neuron b"),
    (lambda: square(type_boundaries={"x": (1, 2)}), "'x' starts at 1 and leaves out neuron a"),
    (lambda: square(type_boundaries={"x": (0, 5)}), r"'x' is \(0, 5\); there are 4 neurons"),
    (lambda: square(type_boundaries={"x": (2, 2)}), r"'x' is \(2, 2\)"),
    (lambda: square(type_boundaries={"x": (-1, 2)}), r"'x' is \(-1, 2\)"),
    (lambda: square(type_boundaries={"x": (0, 2.0)}), "'x' has .* instead of two integers"),
    (lambda: square(type_boundaries={"x": 3}), "'x' has 3 instead of two integers"),
    (lambda: square(type_boundaries={1: (0, 1), "1": (1, 2)}, neuron_to_type={}), "two types are '1' as text"),
    (lambda: directed(source_type_boundaries={None: (0, 2)}), r"source_type_boundaries: \(0, 2\) has no type"),
    (lambda: directed(source_type_boundaries={" ": (0, 2)}), r"source_type_boundaries: \(0, 2\) has no type"),
    (lambda: square(type_boundaries=[("x", 0, 2)]), "type_boundaries is a list"),
    (lambda: square(neuron_to_type=["x"]), "neuron_to_type is a list"),
    (lambda: square(neuron_to_type={"a": "x", "b": "x"}), "neuron c is None, and type_boundaries puts it among 'y'"),
    (lambda: square(neuron_to_type={"a": "x", "b": "z", "c": "y"}), "neuron b is 'z', and .* among 'x'"),
    (lambda: square(neuron_to_type={"a": "x", "b": "x", "c": "y", "d": "y"}), "neuron d is 'y', and is in no block"),
    (lambda: square(neuron_to_type={"q": "x"}), "neuron q is not among ordered_neurons"),
    (lambda: square(neuron_to_type={2.0: "x"}), "neuron_to_type: 2.0"),
    (lambda: directed(source_neuron_to_type={2: "x"}), "source_neuron_to_type: neuron 2 has a type and stands after"),
    (
        lambda: directed(target_neuron_to_type={5: "x", 6: "y", 7: "x"}),
        "target_neuron_to_type: the neurons of 'x' do not stand together; neuron 7",
    ),
    (lambda: directed(target_neurons=[5, 6, 8]), "matrix has neuron 7 where target_neurons has 8"),
    (lambda: square(matrix=FRAME.to_numpy()), "matrix is a ndarray"),
    (lambda: square(matrix=sp.coo_array([1, 2, 3, 4])), "matrix is a coo_array"),
    (lambda: square(matrix=FRAME["a"]), "matrix is a Series"),
    (lambda: square(matrix=FRAME.astype(str)), "something else than numbers"),
    (lambda: square(matrix=FRAME.astype(complex)), "something else than numbers"),
    (lambda: square(matrix=FRAME.astype(float).replace(5, np.nan)), "weight from c to c is nan"),
    (lambda: square(matrix=FRAME.astype(float).replace(6, np.inf)), "weight from d to b is inf"),
    (lambda: square(matrix=FRAME.astype("uint64").replace(6, 2**64 - 1)), f"{2**64 - 1} is beyond int64"),
]


@pytest.mark.parametrize(("make", "words"), VIOLATIONS)
def test_contradictions_are_named(make: Callable[[], Any], words: str) -> None:
    with pytest.raises((cc.DataError, ArgumentTypeError), match=words):
        make()


def test_kinds_of_errors() -> None:
    with pytest.raises(ValueError, match="twice"):
        square(ordered_neurons=["a", "a", "b", "c"])
    with pytest.raises(TypeError, match="ndarray"):
        square(matrix=np.zeros((4, 4)))


# ------------------------------------------------------------------------------------------ nobody can change them


def state(made: cc.NestedMatrix) -> list[Any]:
    frames = (made.matrix, made.sum_type_matrix, made.mean_type_matrix, made.get_relative_weights())
    texts = [(frame.index.tolist(), frame.columns.tolist(), frame.to_numpy().tolist()) for frame in frames]
    views = (made.ordered_neurons, dict(made.type_boundaries), dict(made.neuron_to_type))
    return [*texts, *views, made.sparse.toarray().tolist()]


def _set(target: Any, key: Any, value: Any) -> None:
    target[key] = value


def _refused(edit: Callable[[Any], Any], frame: Any) -> bool:
    try:
        edit(frame)
    except ValueError as error:
        return "read-only" in str(error)
    return False


#: Ways to change a frame. Those that change the frame at hand alone would be forgotten with it.
EDITS: dict[str, Callable[[Any], Any]] = {
    "iloc": lambda frame: _set(frame.iloc, (0, 0), 99),
    "iloc with another type": lambda frame: _set(frame.iloc, (0, 0), "x"),
    "loc": lambda frame: _set(frame.loc, (frame.index[0], frame.columns[0]), 99),
    "loc of a column": lambda frame: _set(frame.loc, (slice(None), frame.columns[0]), 99),
    "loc of a new row": lambda frame: _set(frame.loc, "new", 99),
    "at": lambda frame: _set(frame.at, (frame.index[0], frame.columns[0]), 99),
    "iat": lambda frame: _set(frame.iat, (0, 0), 99),
    "[]": lambda frame: _set(frame, frame.columns[0], 99),
    "[] of a new column": lambda frame: _set(frame, "more", 99),
    "[] of a mask": lambda frame: _set(frame, frame > 1, 99),
    "del": lambda frame: frame.__delitem__(frame.columns[0]),
    "insert": lambda frame: frame.insert(0, "more", 1),
    "pop": lambda frame: frame.pop(frame.columns[0]),
    "isetitem": lambda frame: frame.isetitem(0, 1),
    "index": lambda frame: setattr(frame, "index", range(len(frame))),
    "columns": lambda frame: setattr(frame, "columns", range(frame.shape[1])),
    "values": lambda frame: _set(frame.values, (0, 0), 99),
    "to_numpy": lambda frame: _set(frame.to_numpy(), (0, 0), 99),
    "+=": lambda frame: frame.__iadd__(1),
    "drop": lambda frame: frame.drop(columns=frame.columns[0], inplace=True),
    "rename": lambda frame: frame.rename(columns={frame.columns[0]: "q"}, inplace=True),
    "sort_index": lambda frame: frame.sort_index(ascending=False, inplace=True),
    "reset_index": lambda frame: frame.reset_index(inplace=True),
    "fillna": lambda frame: frame.fillna(0, inplace=True),
    "names": lambda frame: _set(frame.index.values, 0, "q"),
    "names of columns": lambda frame: _set(frame.columns.values, 0, "q"),
}


@pytest.mark.parametrize("asked_before", [False, True])
def test_views_cannot_be_written_to(asked_before: bool) -> None:
    made = square()
    before = state(square())
    if asked_before:
        assert state(made) == before
    for name in ("matrix", "ordered_neurons", "type_boundaries", "sum_type_matrix", "quantity", "anything", "_blocks"):
        with pytest.raises(AttributeError, match=name):
            setattr(made, name, 1)
        with pytest.raises(AttributeError):
            delattr(made, name)
    for frame in (made.matrix, made.sum_type_matrix, made.mean_type_matrix):
        let_through = [name for name, edit in EDITS.items() if not _refused(edit, frame)]
        assert not let_through
        frame.index.name = "changed"  # of this view
    for mapping in (made.type_boundaries, made.neuron_to_type):
        with pytest.raises(TypeError):
            mapping["x"] = (0, 1)  # type: ignore[index]
    for array in (made.sparse.data, made.sparse.indices, made.sparse.indptr):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    for place in ((0, 0), (0, 1)):  # without an entry, and with one
        with pytest.raises(ValueError, match="read-only"):
            made.sparse[place] = 1
    relative = made.get_relative_weights()
    relative.iloc[0, 0] = 99  # a copy
    assert state(made) == before
    assert made.matrix.index.name is None


def test_what_is_made_of_a_view_is_like_any_other() -> None:
    made = square()
    frame, plain = made.matrix, pd.DataFrame(made.matrix.to_numpy(), list("abcd"), list("abcd"))
    for one, other in ((frame, plain), (plain, frame)):
        pd.testing.assert_frame_equal(one, other)
        assert one.equals(other)
    for own in (
        frame.copy(), frame + 0, frame.loc[["a", "b", "c"]], copy.deepcopy(frame), pickle.loads(pickle.dumps(frame)),
        pd.DataFrame(frame, copy=True), frame.reset_index(drop=True), frame.assign(b=1), pd.concat([frame, frame]),
    ):  # fmt: skip
        assert type(own) is pd.DataFrame
        own.iloc[0, 0] = 99
        own["more"] = 1
    assert frame.sum().tolist() == [3, 8, 9, 1]
    assert frame.groupby(list("xxyy")).sum().loc["x"].tolist() == [3, 2, 4, 1]
    assert frame.to_string() == plain.to_string()
    assert made.matrix.equals(plain)
    doubled = made.sparse * 2
    doubled[0, 1] = 7
    assert doubled.toarray()[0].tolist() == [0, 7, 0, 2]
    assert made.sparse.toarray()[0].tolist() == [0, 2, 0, 1]


def test_what_the_caller_does_later_has_no_effect() -> None:
    matrix, neurons = square().matrix.copy(), ["a", "b", "c", "d"]
    bounds, types = {"x": (0, 2), "y": (2, 3)}, {"a": "x", "b": "x", "c": "y"}
    made = cc.NestedMatrix(matrix, bounds, neurons, types)
    before = state(made)
    matrix.iloc[:, :] = 7
    neurons.reverse()
    bounds.clear()
    types["a"] = "z"
    assert state(made) == before == state(square())
    edges, people = EDGES.copy(), CELLS.copy()
    built = cc.NestedMatrix.from_connectivity(edges, people)
    before = state(built)
    edges["weight"] = 0
    people["cell_type"] = "z"
    assert state(built) == before
    assert list(EDGES.columns) == ["pre", "post", "weight"]


@pytest.mark.parametrize("again", [lambda made: pickle.loads(pickle.dumps(made)), copy.copy, copy.deepcopy])
def test_copies(again: Callable[[Any], Any]) -> None:
    made = square()
    assert made.sum_type_matrix.size == 4
    other = again(made)
    assert type(other) is cc.NestedMatrix
    assert state(other) == state(made)
    with pytest.raises(AttributeError):
        other.matrix = 1
    assert type(again(directed())) is cc.DirectedNestedMatrix


def test_a_frame_too_large_is_refused_with_its_size() -> None:
    size = 20_000
    made = cc.NestedMatrix(sp.coo_array(([1], ([3], [7])), shape=(size, size)), {"x": (0, size)}, range(size), {
        str(n): "x" for n in range(size)
    })  # fmt: skip
    with pytest.raises(cc.UsageError, match=r"20,000 x 20,000 takes 3\.2 GB, over the limit of 2\.0 GB.*max_bytes"):
        _ = made.matrix
    with pytest.raises(ValueError, match=r"3\.2 GB"):
        made.get_relative_weights()
    assert made.sum_type_matrix.to_numpy().tolist() == [[1]]
    assert made.mean_type_matrix.to_numpy().tolist() == [[1 / size**2]]
    assert made.sparse.nnz == 1
    small = square()
    with pytest.raises(cc.UsageError, match=r"limit of 0\.0 GB"):
        small.dense(max_bytes=127)
    assert small.dense(max_bytes=128).shape == (4, 4)


# ------------------------------------------------------------------------------------------ from tables


def test_the_examples_of_the_reference() -> None:
    adjacency = pd.DataFrame({1: [0, 10, 0], 2: [5, 0, 15], 3: [0, 20, 0]}, index=[1, 2, 3])
    made = cc.NestedMatrix.from_connectivity(adjacency, cells({1: "ER", 2: "ER", 3: "Pbt"}))
    assert made.matrix.to_numpy().tolist() == adjacency.to_numpy().tolist()
    synapses = pd.DataFrame({"pre_pt_root_id": [1, 1, 2], "post_pt_root_id": [3, 4, 3], "Weight": [10, 20, 15]})
    people = cells({1: "KC", 2: "KC", 3: "MB", 4: "MB"})
    made = cc.NestedMatrix.from_synapses(synapses, people, weight_mode="column", weight_column="Weight")
    assert made.sum_type_matrix.loc["KC", "MB"] == 45
    assert made.quantity == "sum of Weight"
    relative = cc.NestedMatrix.from_synapses(synapses, people)
    assert relative.matrix.loc["1"].tolist() == [0, 0, 0.5, 0.5]
    assert relative.quantity == "fraction of output shown"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_edges(spelling: tuple[str, str, str]) -> None:
    table = EDGES.set_axis(list(spelling), axis="columns")
    for source in (table, str(_written(table, "edges.csv")), _written(table, "edges.parquet")):
        made = cc.NestedMatrix.from_connectivity(source, CELLS)
        assert made.ordered_neurons == ("1", "3", "2")
        assert made.matrix.to_numpy().tolist() == [[0, 2, 4], [1, 0, 0], [0, 5, 0]]


def _written(table: pd.DataFrame, name: str) -> Path:
    path = Path(name)
    table.to_csv(path, index=False) if name.endswith("csv") else table.to_parquet(path, index=False)
    return path


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("ids", [[1, 2, 3], ["1", "2", "3"], ["1.0", "2.0", "3.0"], ["1", "2.0", "3"]])
@pytest.mark.parametrize("named", [[1, 2, 3], ["1", "2", "3"], ["1.0", "2.0", "3.0"]])
def test_ids_as_1_and_as_text(ids: list[Any], named: list[Any]) -> None:
    """1, "1" and "1.0" are one neuron."""
    table = pd.DataFrame({"pre": ids, "post": ids[1:] + ids[:1], "weight": [1, 2, 3]})
    people = cells(dict(zip(named, ["a", "b", "a"], strict=True)))
    made = cc.NestedMatrix.from_connectivity(table, people)
    assert made.ordered_neurons == ("1", "3", "2")
    assert made.matrix.to_numpy().tolist() == [[0, 0, 1], [3, 0, 0], [0, 2, 0]]
    some = cc.DirectedNestedMatrix.from_connectivity(table, people, source_neurons=["1"], target_neurons=2)
    assert some.matrix.to_dict() == {"2": {"1": 1}}


def test_text_that_is_no_integer_annotates_no_integer() -> None:
    """007, 1.5 and 1e0 are names of other neurons than 7, 2 and 1."""
    people = cells({"007": "a", "1.5": "b", "1e0": "c", "x": "d", "3": "e"})
    with warned("3 neurons without annotation, at the end"):
        made = cc.NestedMatrix.from_connectivity(
            pd.DataFrame({"pre": [1, 2], "post": [7, 3], "weight": 1}), people, annotation_scope="all"
        )
    assert dict(made.neuron_to_type) == {"3": "e", "1": None, "2": None, "7": None}


def test_ids_that_are_one_float() -> None:
    table = pd.DataFrame({"pre": [FIRST, FIRST + 1], "post": [FIRST + 1, FIRST + 2], "weight": [1, 2]})
    made = cc.NestedMatrix.from_connectivity(table, cells({FIRST: "a", FIRST + 1: "b", FIRST + 2: "c"}))
    assert made.ordered_neurons == (str(FIRST), str(FIRST + 1), str(FIRST + 2))
    assert made.sum_type_matrix.to_numpy().tolist() == [[0, 1, 0], [0, 0, 2], [0, 0, 0]]
    with pytest.raises(cc.DataError, match="floating"):
        cc.NestedMatrix.from_connectivity(table.astype(float), CELLS)
    with pytest.raises(TypeError, match="never a float"):
        cc.DirectedNestedMatrix.from_connectivity(table, CELLS, source_neurons=[float(FIRST)])


def test_labels_of_every_kind() -> None:
    """Integers with gaps are floats in pandas; a type NA is a type; None and blanks are none."""
    people = cells({1: 2, 2: 10, 3: None})
    assert people["cell_type"].dtype == float
    with warned("1 annotated neuron without a type, after the typed blocks"):
        made = cc.NestedMatrix.from_connectivity(EDGES, people, type_order=[10])
    assert dict(made.neuron_to_type) == {"2": "10", "1": "2", "3": None}
    for kind in ("category", object, "string"):
        labels = CELLS.assign(cell_type=pd.Series(["NA", "nan", " NA "], dtype=kind))
        with warned("blanks at the ends of 1 value of the annotations are left out"):
            made = cc.NestedMatrix.from_connectivity(EDGES, labels)
        assert dict(made.type_boundaries) == {"NA": (0, 2), "nan": (2, 3)}
    chosen = cc.DirectedNestedMatrix.from_connectivity(EDGES, people.assign(cell_type=[2, 10, 2]), source_types=10)
    assert chosen.source_neurons == ("2",)


def test_missing_labels_in_parquet_are_none() -> None:
    """Other programs than pandas write a gap among floats as NaN."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"root_id": [1, 2, 3], "cell_type": pa.array([1.0, float("nan"), 2.0])}), "cells.parquet")
    with warned("1 annotated neuron without a type"):
        made = cc.NestedMatrix.from_connectivity(EDGES, "cells.parquet")
    assert dict(made.neuron_to_type) == {"1": "1", "3": "2", "2": None}


def test_selectors_are_scalars_or_iterables() -> None:
    build = cc.DirectedNestedMatrix.from_connectivity
    expected = {"2": {"1": 4, "3": 0}}
    assert build(EDGES, CELLS, source_types="ER2", target_types="ER10").matrix.to_dict() == expected
    for target in (2, "2", [2], {"2"}, np.array([2]), pd.Series([2]), (n for n in [2])):
        assert build(EDGES, CELLS, source_types=("ER2",), target_neurons=target).matrix.to_dict() == expected
    chosen = build(EDGES, CELLS, source_neurons=cc.NeuronCriteria(cell_type="ER10"), target_types=iter(["ER2"]))
    assert chosen.matrix.to_dict() == {"1": {"2": 0}, "3": {"2": 5}}
    for nobody in ({"source_neurons": []}, {"source_types": []}, {"source_types": (), "source_neurons": ()}):
        assert build(EDGES, CELLS, **nobody).matrix.shape == (0, 3)
    assert build(EDGES, CELLS, source_types=[], source_neurons=[3]).source_neurons == ("3",)


def test_a_scope_of_fractions_does_not_change_counts() -> None:
    for cls in (cc.NestedMatrix, cc.DirectedNestedMatrix):
        counted = cls.from_synapses(EDGES, CELLS, pre_col="pre", post_col="post", weight_mode="count")
        scoped = cls.from_synapses(
            EDGES, CELLS, pre_col="pre", post_col="post", weight_mode="count", normalization_scope="all"
        )
        assert scoped.matrix.equals(counted.matrix)
        assert scoped.quantity == counted.quantity == "synapses"


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
def test_a_neuron_counts_whatever_its_partners_are() -> None:
    edges = pd.DataFrame({"pre": [1, 2, 3], "post": [3, 9, 9], "weight": [8, 5, 0]})
    people = cells({1: "A", 2: "A", 3: "B", 4: "A"})
    made = cc.NestedMatrix.from_connectivity(edges, people)
    assert made.mean_type_matrix.to_numpy().tolist() == [[0, 4], [0, 0]]
    chosen = cc.DirectedNestedMatrix.from_connectivity(edges, people, source_types="A", target_types="B")
    assert chosen.mean_type_matrix.to_numpy().tolist() == [[4]]
    synapses = edges.loc[edges.index.repeat(edges["weight"]), ["pre", "post"]]
    counted = cc.NestedMatrix.from_synapses(synapses, people, "pre", "post", "count")
    assert counted.mean_type_matrix.to_numpy().tolist() == [[0, 4], [0, 0]]


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
def test_unconnected_neurons_are_kept_by_either_name() -> None:
    people, background = cells({1: "A", 2: "A", 3: "B", 4: "A"}), cells({0: "A", 1: "A"})
    square_, directed_ = cc.NestedMatrix.from_connectivity, cc.DirectedNestedMatrix.from_connectivity
    for kept in ({"keep_unconnected": True}, {"keep_silent": True}, {"keep_unconnected": True, "keep_silent": True}):
        assert square_(EDGES, people, **kept).ordered_neurons == ("1", "2", "4", "3")
        assert directed_(EDGES, people, source_types="A", **kept).source_neurons == ("1", "2", "4")
        synapses = cc.NestedMatrix.from_synapses(EDGES[["pre", "post"]], people, "pre", "post", **kept)
        assert synapses.ordered_neurons == ("1", "2", "4", "3")
        assert square_(EDGES, background, **kept).ordered_neurons == ("1",)
    for other in ({}, {"keep_silent": False}, {"keep_unconnected": False, "keep_silent": None}):
        assert square_(EDGES, people, **other).ordered_neurons == ("1", "2", "3")
        assert directed_(EDGES, people, source_types="A", **other).source_neurons == ("1", "2")
    for build in (square_, directed_):
        with pytest.raises(cc.UsageError, match="keep_unconnected=True and keep_silent=False: two names of one"):
            build(EDGES, people, keep_unconnected=True, keep_silent=False)
    assert cc.get_adjacency([7], [8], source=EDGES, keep_unconnected=True).shape == (1, 1)
    with pytest.raises(cc.UsageError, match="two names of one"):
        cc.get_adjacency([7], [8], source=EDGES, keep_unconnected=False, keep_silent=True)


def test_orders_per_axis() -> None:
    build = cc.DirectedNestedMatrix.from_connectivity
    made = build(EDGES, CELLS, type_order="size", source_type_order=["ER10"])
    assert (list(made.source_type_boundaries), list(made.target_type_boundaries)) == (["ER10", "ER2"], ["ER2", "ER10"])
    made = build(EDGES, CELLS, type_order=["ER10"], target_type_order=[])
    assert (list(made.source_type_boundaries), list(made.target_type_boundaries)) == (["ER10", "ER2"], ["ER2", "ER10"])
    with warned("type order: no type on the target axis is FB"):
        build(EDGES, CELLS, target_type_order="FB")


def test_nothing_is_cleaned() -> None:
    synapses = pd.DataFrame({"pre": [0, 1, 1], "post": [1, 1, 2]})
    made = cc.NestedMatrix.from_synapses(synapses, cells({0: "a", 1: "b", 2: "c"}), "pre", "post", "count")
    assert made.matrix.to_numpy().tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cc.NestedMatrix.from_connectivity(EDGES, None), "annotations"),
        (lambda: cc.NestedMatrix.from_connectivity("none.csv", CELLS), "none.csv"),
        (lambda: cc.NestedMatrix.from_connectivity(EDGES, CELLS, cell_type_column="type"), "type: .* no such column"),
        (lambda: cc.NestedMatrix.from_connectivity(EDGES, CELLS, neuron_id_column="id"), "id: .* no such column"),
        (lambda: cc.NestedMatrix.from_connectivity(EDGES, CELLS, annotation_scope="some"), "annotation_scope='some'"),
        (lambda: cc.NestedMatrix.from_connectivity(EDGES, CELLS, neuron_order="place"), "neuron_order='place'"),
        (lambda: cc.NestedMatrix.from_connectivity(EDGES[["pre", "post"]], CELLS), "use from_synapses"),
        (lambda: cc.NestedMatrix.from_connectivity(pd.concat([EDGES, EDGES]), CELLS), "the pair pre 1, post 2 stands"),
        (lambda: cc.NestedMatrix.from_synapses(EDGES, CELLS), "pre_pt_root_id"),
        (lambda: cc.NestedMatrix.from_synapses(EDGES, CELLS, "pre", "post", "sum"), "weight_mode='sum'"),
        (lambda: cc.NestedMatrix.from_synapses(EDGES, CELLS, "pre", "post", "column"), "weight column"),
        (lambda: cc.NestedMatrix.from_synapses(EDGES, CELLS, "pre", "post", "count", "weight"), "weight column"),
        (lambda: cc.NestedMatrix.from_synapses(EDGES, CELLS, "pre", "post", "column", "wait"), "wait"),
        (
            lambda: cc.NestedMatrix.from_synapses(EDGES, CELLS, "pre", "post", normalization_scope="some"),
            "normalization_scope='some'",
        ),
        (lambda: cc.DirectedNestedMatrix.from_connectivity(EDGES, CELLS, source_types="ER3"), "near names: ER2"),
        (lambda: cc.DirectedNestedMatrix.from_connectivity(EDGES, CELLS, source_types="er2"), "near names: ER2"),
        (lambda: square().plot(level="types"), "level='types'"),
        (lambda: square().plot(min_neurons_for_plot=0), "min_neurons_for_plot=0"),
        (lambda: square().plot("picture.jpg"), "picture.jpg"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_value_errors(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        call()
    assert isinstance(raised.value, cc.CrantError)


def test_an_adjacency_is_no_table_of_synapses() -> None:
    with pytest.raises(cc.DataError, match="use from_connectivity"):
        cc.NestedMatrix.from_synapses("adjacency.npz", CELLS, **_saved())


def _saved() -> dict[str, Any]:
    one = np.array([1], dtype=np.int64)
    arrays = {"data": one, "indices": one * 0, "indptr": np.array([0, 1]), "shape": np.array([1, 1])}
    np.savez("adjacency.npz", format=b"csr", pre=one, post=one + 1, **arrays)
    return {"pre_col": None, "post_col": None}


def test_columns_that_differ_in_case_only_are_refused() -> None:
    """The engine would call the second one B_1: a neuron that does not exist."""
    table = pd.DataFrame([[1, 2], [3, 4]], index=["b", "B"], columns=["b", "B"])
    with pytest.raises(cc.DataError, match="'b' and 'B' are called the same"):
        cc.NestedMatrix.from_connectivity(table, cells({"b": "x"}))
    table.to_parquet("wide.parquet")
    with pytest.raises(cc.DataError, match="'B' and 'b' are called the same"):
        cc.NestedMatrix.from_connectivity("wide.parquet", cells({"b": "x"}))
    fine = pd.DataFrame([[1, 2], [3, 4]], index=["b_1", "b"], columns=["b_1", "b"])
    fine.to_parquet("wide.parquet")
    assert cc.NestedMatrix.from_connectivity("wide.parquet", cells({"b_1": "x", "b": "x"})).matrix.loc["b", "b"] == 4


def test_warnings_point_at_the_caller() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cc.NestedMatrix.from_connectivity(EDGES, CELLS.iloc[:2])
    assert [Path(warning.filename).name for warning in caught] == ["test_nested_classes.py"]
    assert "3 edges of neurons without annotation are left out" in str(caught[0].message)


def test_plot_says_what_is_shown(tmp_path: Path) -> None:
    """Of every level, on the colour bar; folders of the picture are made."""
    made = square()
    figure, axes = made.plot(tmp_path / "new" / "picture.png", figsize=(4, 4))
    assert (tmp_path / "new" / "picture.png").stat().st_size
    assert axes in figure.axes
    assert any("weight" in other.get_ylabel() for other in figure.axes if other is not axes)
    parts: BlockMatrix = made._blocks
    fractions = BlockMatrix(parts.matrix, parts.source, parts.target, "fraction of output shown")
    assert quantity(parts, "neuron") == quantity(parts, "type_sum") == "weight"
    assert quantity(parts, "type_mean") == "weight, mean of all pairs"
    assert quantity(fractions, "type_sum") == "fraction of output shown, summed"


def test_small_types_are_left_out_of_pictures_by_axis() -> None:
    parts = directed(source_neuron_to_type={1: "a", 2: "b"}, target_neuron_to_type={5: "z", 6: "z"})._blocks.of_types(2)
    assert (parts.source.neurons.tolist(), parts.source.types) == ([], ())
    assert (parts.target.neurons.tolist(), parts.target.blocks) == (["5", "6", "7"], (("z", 0, 2),))
    parts = square()._blocks.of_types(2)
    assert parts.matrix.dense_rows(0, 3).tolist() == [[0, 2, 1], [3, 0, 0], [0, 6, 0]]
    assert (parts.source.blocks, parts.source.neurons.tolist()) == ((("x", 0, 2),), ["a", "b", "d"])
    same = square()._blocks.of_types(1)
    assert same.source.blocks == square()._blocks.source.blocks
