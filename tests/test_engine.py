"""The engine opens what it was told of, and nothing else. One thread has it a database of its own here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from boxes import mesh_folder
from cave_server import CaveServer
from conftest import SAMPLE, Crant
from live import described, ids, rows
from tables import answer, feather_file, parquet_file, text_file

import crantcli as cc
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("told.csv", "untold.csv", "folder/inside.csv", "tmp/other.csv"):
        text_file(name, "pre,post\n1,2\n")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(threads=1, tmp_dir="tmp", files=["told.csv", Path("folder"), "made.csv"]) as engine:
        yield engine


def read(engine: Engine, name: str) -> int:
    return int(engine.execute(f"SELECT count(*) FROM read_csv('{name}')")[0][0])


def test_what_it_was_told_of_is_opened(engine: Engine, tmp_path: Path) -> None:
    os.symlink("told.csv", "link.csv")
    for name in ("told.csv", "./told.csv", tmp_path / "told.csv", "folder/inside.csv", "folder/*.csv", "link.csv"):
        assert read(engine, str(name)) == 1
    for name in ("made.csv", engine.scratch / "made.csv"):
        engine.execute(f"COPY (SELECT 1) TO '{name}'")
        assert Path(name).is_file()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('untold.csv')",
        "SELECT * FROM 'untold.csv'",
        "SELECT * FROM read_csv('*.csv')",
        "SELECT * FROM read_csv('folder/../untold.csv')",
        "SELECT * FROM read_csv('folder/out.csv')",
        "SELECT * FROM read_csv('tmp/other.csv')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/dev/stdin')",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO 'other.csv'",
        "COPY (SELECT 1) TO 'untold.csv'",
        "ATTACH 'other.db'",
        "EXPORT DATABASE 'dump'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD 'untold.csv'",
        "SELECT * FROM read_csv('https://127.0.0.1:9/a.csv')",
        "SELECT * FROM read_parquet('s3://bucket/a.parquet')",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET allowed_paths = ['/etc/passwd']",
        "SET autoinstall_known_extensions = true",
        "SET memory_limit = '1TB'",
        "PRAGMA temp_directory = '/'",
        "CREATE PERSISTENT SECRET s (TYPE S3)",
    ],
)
def test_nothing_else_is_opened_or_changed(engine: Engine, query: str) -> None:
    os.symlink("../untold.csv", "folder/out.csv")
    with pytest.raises(CrantError):
        engine.execute(query)
    assert not Path("other.csv").exists()
    assert not Path("other.db").exists()
    assert Path("untold.csv").read_text() == "pre,post\n1,2\n"


def test_a_variable_of_the_program_is_no_table(engine: Engine) -> None:
    untold = pq.read_table(parquet_file("some.parquet", a=[1]))
    with pytest.raises(CrantError):
        engine.execute("SELECT * FROM untold")
    assert untold.num_rows == 1


WEIGHTS = [("1", "2", "1")]


def test_every_input_of_a_command_is_told(crant: Crant) -> None:
    """Sources, annotations, lists of IDs, totals, assignments: with an engine that is closed off in earnest."""
    one = ("-q", "--threads", "1")
    os.symlink(Path("told.csv").absolute(), "folder/link.csv")
    text_file("wei[rd] *.csv", "pre,post\n3,4\n")
    text_file("dir[1]/a.csv", "pre,post\n3,4\n")
    for source in ("told.csv", "./told.csv", "tol*.csv", Path("told.csv").absolute()):
        assert answer(crant("connectivity", source, *one)) == WEIGHTS
    assert answer(crant("connectivity", "folder", *one)) == [("1", "2", "2")]
    for source in ("wei[rd] *.csv", "dir[1]", "dir[1]/a.csv", "dir*/a.csv"):
        assert answer(crant("connectivity", source, *one)) == [("3", "4", "1")]
    feather_file("told.feather", pre=[1], post=[2])
    assert answer(crant("connectivity", "told.feather", *one)) == WEIGHTS
    text_file("types.csv", "root_id,cell_type\n1,A\n2,B\n")
    named = ("connectivity", "told.csv", *one, "-a", "types.csv", "-n")
    assert answer(crant(*named, "cell_type=A")) == WEIGHTS
    for name in ("types.csv", "types.csv:root_id"):
        assert answer(crant(*named, f"@{name}")) == WEIGHTS
    assert crant("counts", "told.csv", *one, "-o", "totals.parquet").code == 0
    fractions = ("connectivity", "told.csv", *one, "--normalize", "input", "--totals", "totals.parquet")
    assert answer(crant(*fractions)) == [("1", "2", "1", "1.0")]
    done = crant(
        "nested", "told.csv", *one, "-a", "types.csv", "--normalization-scope", "all", "--totals", "totals.parquet"
    )
    assert done.code == 0, done.err
    text_file("brain.toml", '[files]\nsynapses = "told.csv"\nannotations = "types.csv"\n')
    assert answer(crant("connectivity", "-d", "brain.toml", "-n", "cell_type=A", *one)) == WEIGHTS


def test_every_output_of_a_command_is_told(crant: Crant) -> None:
    one = ("-q", "--threads", "1")
    sample = ("-d", SAMPLE / "sample.toml")
    tables = [("--type-sum", "a.csv"), ("--type-mean", "b.parquet"), ("--relative", "c.csv.gz"), ("--order", "d.csv")]
    done = crant("nested", *sample, *one, "-o", "e.parquet", *(word for pair in tables for word in pair))
    assert done.code == 0, done.err
    done = crant("attach", *sample, *one, "-n", "cell_type=ER2", "-o", "f.parquet", "--summary", "g.csv")
    assert done.code == 0, done.err
    for name in ("a.csv", "b.parquet", "c.csv.gz", "d.csv", "e.parquet", "f.parquet", "g.csv"):
        assert Path(name).is_file()


def test_the_folder_of_neuropil_and_what_is_made_of_it(crant: Crant, tmp_path: Path) -> None:
    one = ("-q", "--threads", "1")
    meshes = mesh_folder(tmp_path / "meshes")
    text_file("sites.csv", "id,pre,post,ctr_pt_position_x,ctr_pt_position_y,ctr_pt_position_z\n1,1,2,5,5,5\n")
    done = crant(
        "neuropil", "sites.csv", "--coordinates", "nm", "--meshes", meshes, "--assignments-only", *one, "-o", "n"
    )
    assert done.code == 0, done.err
    found = ("--assignments", "n/assignments.parquet", "--neuropil", "other")
    assert crant("connectivity", "sites.csv", *found, *one).code == 0


def test_skeletons_and_their_names(crant: Crant) -> None:
    text_file("swc/a.swc", "1 0 0 0 0 1 -1\n2 0 0 0 9 1 1\n")
    text_file("names.csv", "name,neuron_id\na,1\n")
    text_file("sites.csv", "id,pre,post,ctr_pt_position_x,ctr_pt_position_y,ctr_pt_position_z\n1,1,2,0,0,8\n")
    named = ("--coordinates", "nm", "--skeletons", "swc", "--id-map", "names.csv", "-q", "--threads", "1")
    assert len(answer(crant("attach", "sites.csv", *named))) == 1


def test_what_was_fetched_from_a_server(crant: Crant, server: CaveServer) -> None:
    live = described(server)
    asked = ("-d", live, "--pre", ids(server, 0, 1), "-q", "--threads", "1")
    first = rows(crant("synapses", *asked))
    assert rows(crant("synapses", *asked)) == first
    assert first.count(b"\n") > 1
    assert rows(crant("synapses", *asked, "--materialization", "live")) != b""


def test_python_functions() -> None:
    with pytest.warns(cc.CrantWarning, match="no id column"):
        frame = cc.get_connectivity(source=["told.csv", "folder"], max_memory="1GB")
    assert frame["weight"].tolist() == [2]
    text_file("types.csv", "root_id,cell_type\n1,A\n2,B\n")
    chosen = cc.NeuronCriteria(cell_type="A")
    assert len(cc.get_connectivity(chosen, source=Path("told.csv"), annotations="types.csv", max_memory="1GB")) == 1
    with pytest.raises(cc.UsageError, match="iterator"):
        cc.get_connectivity(source=iter(["told.csv"]))
