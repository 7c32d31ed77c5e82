"""Where outputs go: suffixes and their writers, files that appear together, stdout, and folders."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from conftest import Crant
from tables import complaint, record, text_file

from crantcli import output
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.question import Figure, Folder, FolderFile, Matrix, Table
from crantcli.core.relation import Completeness
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, UsageError
from crantcli.output import writers
from crantcli.output.figures.heatmap import Style
from crantcli.output.files import FileSink
from crantcli.output.writers import Writer, find_writer, register
from crantcli.schema import MANIFEST
from crantcli.text import as_flags

RUN = {"crantcli": "1", "command": "test", "kind": "rows", "rows": 7, "units": "nm"}
NUMBERS = Table("SELECT range AS number FROM range(30) ORDER BY 1", ("number",), 30)
ALL = {"": Matrix, "type_sum": Matrix, "order": Table, "plot": Figure}


class Viewer:
    """A stdout that keeps what it gets."""

    def __init__(self, is_terminal: bool = False) -> None:
        self.stdout, self.is_terminal = io.BytesIO(), is_terminal
        self.shown: list[tuple[Sequence[str], Sequence[Sequence[Any]], int]] = []

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> None:
        self.shown.append((columns, rows, total))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sink(
    outputs: Mapping[str, type] = ALL, json: bool = False, terminal: Viewer | None = None, **more: Any
) -> FileSink:
    """A sink; keywords that are names of outputs say where these go, `o` is that of -o."""
    destinations = {name: more.pop(name or "o", None) for name in outputs}
    return FileSink("test", outputs, destinations, json=json, terminal=terminal or Viewer(), **more)


def filled(
    take: Callable[[FileSink, Engine], Any], outputs: Mapping[str, type] = ALL, commit: bool = True, **more: Any
) -> Any:
    """What `take` returns, which was given an open sink with its engine."""
    with sink(outputs, **more) as opened, Engine(threads=1, files=opened.paths) as engine:
        opened.check([])
        returned = take(opened, engine)
        if commit:
            opened.commit()
        return returned


def matrix(rows: int = 2, columns: int = 3) -> LabelledMatrix:
    """Every neuron has a synapse with the last one."""
    indptr = np.arange(rows + 1)
    indices = np.full(rows, columns - 1, dtype=np.int32)
    return LabelledMatrix(np.arange(rows) + 1, np.arange(columns) + 1, indptr, indices, np.ones(rows, dtype=np.int64))


def left() -> list[str]:
    """What there is in the current folder."""
    return sorted(os.listdir())


# Options.


def test_what_is_wanted() -> None:
    assert sink().wanted == {""}
    assert sink(json=True).wanted == set()
    assert sink(o="-").wanted == {""}
    assert sink(order="o.csv").wanted == {"order"}
    made = sink(plot="p.png", o="m.npz", type_sum="t.csv")
    assert made.wanted == {"", "type_sum", "plot"}
    assert made.destinations == ["m.npz", "t.csv", "p.png"]
    assert sink(o="-", plot="p.png").destinations == ["p.png"]


@pytest.mark.parametrize(
    ("kind", "suffixes"),
    [
        (Table, "write to .parquet, .feather, .csv, .csv.gz, .tsv, .tsv.gz"),
        (
            Matrix,
            "write to .parquet, .feather, .csv, .csv.gz, .tsv, .tsv.gz, .npz, .gexf, .graphml, .h5ad, .mtx, .sqlite",
        ),
        (Figure, "a picture ends in .png, .pdf, .svg"),
    ],
)
def test_a_suffix_that_nobody_writes(kind: type, suffixes: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_writer(kind, "x.doc")
    assert str(caught.value) == f"x.doc: unknown suffix; {suffixes}"


def test_case_does_not_matter_in_suffixes() -> None:
    assert find_writer(Table, "A.CSV.GZ").suffix == ".csv.gz"
    assert find_writer(Matrix, "A.Npz").suffix == ".npz"
    assert find_writer(Figure, "A.SVG").suffix == ".svg"


def test_what_goes_to_devices_without_a_suffix() -> None:
    assert [find_writer(kind, os.devnull).suffix for kind in (Table, Matrix, Figure)] == [".csv", ".csv", ".png"]


def test_a_suffix_has_one_writer() -> None:
    with pytest.raises(ValueError, match=r"Table: two writers for \.csv"):
        register(Table, Writer(".csv", lambda *_: []))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"o": "x", "plot": "p.doc", "type_sum": "-"}, "p.doc: unknown suffix; a picture"),
        ({"o": "x", "type_sum": "-", "order": "-"}, "--type-sum -: only --output writes to stdout; give a file name"),
        ({"o": "x", "type_sum": "t.doc", "order": "-"}, "t.doc: unknown suffix"),
        ({"o": "-", "order": "-", "json": True}, "--output - and --json both write to stdout; use one of them"),
        ({"plot": "/dev/stdout", "json": True}, "--output /dev/stdout and --json both write to stdout"),
        ({"o": "x", "order": "-"}, "x: unknown suffix; write to"),
        ({"o": "m.npz", "order": "-"}, "--order -: only --output writes to stdout; give a file name"),
        ({"order": "o.npz"}, "o.npz: unknown suffix; write to"),
    ],
)
def test_what_is_said_first_of_options(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        sink(**given)
    assert as_flags(caught.value.message).startswith(message)


@pytest.mark.parametrize("given", [{}, {"o": "-"}])
def test_a_folder_has_to_be_named(given: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"^crantcli test makes many files; say where with output$"):
        sink({"": Folder}, **given)


# Files that are there.


def test_destinations_are_checked_before_any_work() -> None:
    text_file("in.csv", "a\n1\n")
    for given, inputs, message in (
        ({"o": "none/m.npz"}, [], "none/m.npz: there is no folder none; make it first"),
        ({"o": "in.csv"}, [Path("in.csv")], "in.csv is an input of this command; write to another file"),
        ({"o": "m.csv", "order": "./m.csv"}, [], "two outputs have the same name: m.csv, ./m.csv"),
        ({"o": "none/m.csv", "order": "none/m.csv"}, [], "two outputs have the same name: none/m.csv, none/m.csv"),
    ):
        with pytest.raises(UsageError) as caught:
            sink(**given).check(inputs)
        assert str(caught.value) == message
    sink(o=os.devnull, order=os.devnull).check([])
    os.mkdir("full")
    text_file("full/mine.txt", "")
    with pytest.raises(UsageError, match=r"^full: the folder is not empty, and has no manifest\.json of crantcli"):
        sink({"": Folder}, o="full").check([])
    with pytest.raises(UsageError, match=r"^full is a folder; give a file name$"):
        sink({"": object}, o="full").check([])


def test_a_pipe_that_is_read_is_not_written_to() -> None:
    os.mkfifo("pipe")
    sink({"": Table}, o="pipe").check_pipes(["other", "-"])
    with pytest.raises(UsageError, match=r"^pipe is an input of this command; write to another file$"):
        sink({"": Table}, o="pipe").check_pipes(["./pipe"])


# Writing.


def test_outputs_appear_together_and_say_how_they_came_about() -> None:
    def take(opened: FileSink, engine: Engine) -> None:
        assert opened.take("", Matrix(matrix), RUN, engine) == []
        sums = Matrix(matrix, "sum", "types", Completeness(filtered_by="cut"))
        assert opened.take("type_sum", sums, RUN, engine) == []
        order = NUMBERS._replace(stated={"kind": "order", "units": None})
        assert opened.take("order", order, RUN, engine) == []
        assert opened.take("plot", Figure("matrix", matrix()), RUN, engine) == []
        assert [name for name in left() if not name.startswith(".")] == []

    filled(take, o="m.npz", type_sum="t.parquet", order="o.feather", plot="p.svg")
    assert left() == ["m.npz", "o.feather", "p.svg", "t.parquet"]
    assert record("m.npz") == {**RUN, "rows": 2}
    complete = Completeness(filtered_by="cut").as_dict()
    assert record("t.parquet") == {**RUN, "rows": 2, "cells": "sum", "labels": "types", "complete_for": complete}
    assert record("o.feather") == {"crantcli": "1", "command": "test", "kind": "order", "rows": 30}
    assert scipy.sparse.load_npz("m.npz").toarray().tolist() == [[0, 0, 1], [0, 0, 1]]
    assert pd.read_feather("o.feather")["number"].tolist() == list(range(30))
    assert '"picture"' in Path("p.svg").read_text().replace("&quot;", '"')


def test_without_commit_nothing_is_left() -> None:
    text_file("m.npz", "old")
    filled(lambda opened, engine: opened.take("", Matrix(matrix), RUN, engine), commit=False, o="m.npz")
    assert left() == ["m.npz"]
    assert Path("m.npz").read_text() == "old"


def test_nothing_is_taken_outside_of_with(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside of `with`"):
        sink(o="m.npz").place("")
    assert left() == []


def test_what_has_no_writer_here_is_placed() -> None:
    def take(opened: FileSink, engine: Engine) -> None:
        opened.place("").write_text("locked")

    filled(take, {"": object}, o="brain.lock")
    assert Path("brain.lock").read_text() == "locked"


def test_wide_tables_are_refused_unless_forced() -> None:
    wide = Matrix(lambda: matrix(1, 5001))

    def take(opened: FileSink, engine: Engine) -> None:
        opened.take("", wide, RUN, engine)

    for given, name in (("m.csv", "m.csv"), (None, "stdout")):
        with pytest.raises(UsageError, match=f"^{name}: a wide table with 5,001 columns"):
            filled(take, o=given)
    filled(take, o="m.csv", force_wide=True)
    filled(take, o="m.npz")
    assert len(Path("m.csv").read_text().splitlines()[0].split(",")) == 5002
    assert left() == ["m.csv", "m.npz"]


def test_stdout_has_the_bytes_of_a_file() -> None:
    for one, given in ((NUMBERS, {"": Table}), (Matrix(matrix), {"": Matrix})):
        for where in ("-", None):
            viewer = Viewer()
            filled(lambda opened, engine: opened.take("", one, RUN, engine), given, terminal=viewer, o=where)  # noqa: B023
            filled(lambda opened, engine: opened.take("", one, RUN, engine), given, o="file.csv")  # noqa: B023
            assert viewer.stdout.getvalue() == Path("file.csv").read_bytes()
            assert viewer.shown == []


def test_a_terminal_shows_the_first_rows_unless_it_is_asked_for_all() -> None:
    viewer = Viewer(is_terminal=True)
    filled(lambda opened, engine: opened.take("", NUMBERS, RUN, engine), {"": Table}, terminal=viewer)
    assert viewer.shown == [(("number",), [(number,) for number in range(20)], 30)]
    assert viewer.stdout.getvalue() == b""
    filled(lambda opened, engine: opened.take("", NUMBERS, RUN, engine), {"": Table}, terminal=viewer, o="-")
    assert viewer.stdout.getvalue().startswith(b"number\n0\n1\n")
    filled(lambda opened, engine: opened.take("", Matrix(matrix), RUN, engine), terminal=viewer)
    assert viewer.shown[1:] == [(("pre/post", "1", "2", "3"), [(1, 0, 0, 1), (2, 0, 0, 1)], 2)]


def test_figures_look_as_they_are_asked_to() -> None:
    figure = Figure("matrix", matrix(), {"quantity": "weight", "title": "of the question"})

    def take(opened: FileSink, engine: Engine) -> None:
        opened.take("plot", figure, RUN, engine)

    filled(take, plot="a.svg")
    filled(take, plot="b.svg", drawing={"matrix": {"style": Style(title="of the user")}, "bars": {"rest": "x"}})
    for name, title in (("a.svg", "of the question"), ("b.svg", "of the user")):
        text = Path(name).read_text()
        assert f">{title}<" in text
        assert "weight" in text
    with pytest.raises(ValueError, match="no figure is of the kind 'pie'"):
        filled(lambda opened, engine: opened.take("plot", Figure("pie", None), RUN, engine), plot="c.svg")
    assert left() == ["a.svg", "b.svg"]


def test_bars_are_drawn() -> None:
    bars = Figure("bars", {"AL": 3, "other": 1}, {"quantity": "synapses", "rest": "other"})
    filled(lambda opened, engine: opened.take("plot", bars, RUN, engine), plot="a.svg")
    assert ">AL<" in Path("a.svg").read_text()


def test_a_folder_is_filled_one_file_after_another_and_replaced_as_a_whole() -> None:
    made: list[str] = []

    def files(fail: bool = False) -> Iterator[FolderFile]:
        yield FolderFile("a.order", NUMBERS, RUN)
        made.append("a")
        wide = Matrix(lambda: matrix(1, 5001))
        yield FolderFile("a.matrix", Matrix(matrix), RUN, ".npz", part="A")
        yield FolderFile("a.sum", Matrix(matrix, "sum"), RUN, part="A")
        yield FolderFile("b.sum", wide, RUN, part="B")
        if fail:
            raise CrantError("the disk is full")
        foreign = LabelledMatrix(*(np.array(["字"]),) * 2, np.array([0, 1]), np.array([0], np.int32), np.array([1]))
        yield FolderFile("b", Figure("matrix", foreign), RUN, part="B")
        yield FolderFile("assignments", NUMBERS, {**RUN, "kind": "assignments"}, ".parquet")

    def folder(fail: bool = False) -> Folder:
        return Folder(files(fail), lambda: {**RUN, "made": made})

    def take(opened: FileSink, engine: Engine) -> list[str]:
        return opened.take("", folder(), {}, engine)

    notes = filled(take, {"": Folder}, o="out")
    assert notes == ["B: the picture's font lacks some letters, which become boxes in PNG and PDF: 字"]
    names = ["a.matrix.npz", "a.order.csv", "a.sum.csv", "assignments.parquet", "b.png", "b.sum.npz"]
    assert sorted(os.listdir("out")) == [*names, MANIFEST]
    assert json.loads(Path("out", MANIFEST).read_text()) == {**RUN, "made": ["a"], "files": names}
    assert record("out/a.matrix.npz") == {**RUN, "rows": 2}
    assert record("out/assignments.parquet") == {**RUN, "kind": "assignments", "rows": 30}
    before = Path("out", MANIFEST).stat()
    with pytest.raises(CrantError, match="the disk is full"):
        filled(lambda opened, engine: opened.take("", folder(True), {}, engine), {"": Folder}, o="out")
    assert Path("out", MANIFEST).stat().st_ino == before.st_ino
    filled(take, {"": Folder}, o="out")
    assert Path("out", MANIFEST).stat().st_ino != before.st_ino
    assert left() == ["out"]


def test_units_are_told_where_the_format_has_no_place_for_them() -> None:
    for name, expected in (
        ("s.csv", ["CSV does not record units: the positions are in nm; do this"]),
        ("s.parquet", []),
        ("-", []),
        (None, []),
    ):
        made = sink({"": Table}, o=name)
        assert made.unit_notes({"units": "nm"}, "do this") == expected
        assert made.unit_notes({}, "do this") == []


# A format of one's own.

TOY = """
import json

from crantcli.core.question import Matrix
from crantcli.output.writers import Writer, register


def _write(engine, matrix, record, target):
    content = {"pre": matrix.pre.tolist(), "kind": record["kind"], "cells": record.get("cells")}
    content["to"] = target.destination
    target.place().write_text(json.dumps(content))
    return []


register(Matrix, Writer(".toy", _write))
"""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A further module of the folder of writers."""
    text_file("more/toy.py", TOY)
    find_writer(Table, "a.csv")  # those that there are have registered
    monkeypatch.setattr(writers, "_WRITERS", {kind: dict(known) for kind, known in writers._WRITERS.items()})
    monkeypatch.setattr(output, "__path__", [*output.__path__, "more"])
    monkeypatch.setitem(sys.modules, "crantcli.output.toy", None)  # is taken away again at the end
    del sys.modules["crantcli.output.toy"]
    writers._load.cache_clear()


@pytest.mark.usefixtures("toy")
def test_a_format_takes_one_file_that_registers(crant: Crant) -> None:
    text_file("edges.csv", "pre,post,weight\n1,2,3\n2,3,4\n")
    text_file("types.csv", "root_id,cell_type\n1,A\n2,A\n3,B\n")
    done = crant("adjacency", "edges.csv", "-o", "m.toy")
    assert done.code == 0, done.err
    told = {"kind": "adjacency", "cells": None}
    assert json.loads(Path("m.toy").read_text()) == {"pre": [1, 2], "to": "m.toy", **told}
    done = crant("nested", "edges.csv", "-a", "types.csv", "--type-sum", "t.toy", "-o", "n.toy")
    assert done.code == 0, done.err
    assert json.loads(Path("t.toy").read_text()) == {"pre": ["A", "B"], "to": "t.toy", **told, "cells": "sum"}
    assert complaint(crant("adjacency", "edges.csv", "-o", "m.doc"), 2, "unknown suffix").endswith(".sqlite, .toy")
    complaint(crant("counts", "edges.csv", "-o", "m.toy"), 2, "m.toy: unknown suffix")
