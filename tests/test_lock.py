"""Locks through real HTTP: with one lock a pipeline sees one brain, or stops, whatever becomes of the servers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cave_brain
import mesh_sources
import pandas.testing as same
import pyarrow.parquet as pq
import pytest
import seatable_server
from cave_brain import DAY, FIRST_SUPERVOXEL, START
from cave_server import CaveServer
from conftest import Crant
from live import described, ids, rows
from mesh_sources import TRANSFORM, Site, grid_box, legacy
from seatable_server import SeaTable
from tables import complaint, parquet_file, record
from tokens import ACCOUNT_TOKEN

import crantcli as cc
from crantcli.remote import retry
from crantcli.sources.seatable import snapshot as cache

pytestmark = pytest.mark.slow

#: A mesh of each neuropil, by ID, and their names.
BOXES = {1: grid_box((0, 0, 0), (3, 2, 2)), 2: grid_box((5, 0, 0), (7, 2, 2))}
LABELS = ((1, "left"), (2, "right"))


@dataclass
class World:
    """A data set on three servers, described in brain.toml."""

    cave: CaveServer
    table: SeaTable
    site: Site

    def describe(self, more: str = "") -> None:
        """Write brain.toml."""
        labels = ", ".join(f'{key} = "{name}"' for key, name in LABELS)
        described(
            self.cave,
            f'[annotations]\nseatable_server = "{self.table.address}/"\nworkspace = {self.table.workspace}\n'
            f'base = "CRANTb"\ntable = "CRANTb_meta"\n[neuropils]\nsource = "{self.site.address}"\n'
            f"transform = {list(TRANSFORM)}\nlabels = {{ {labels} }}\n{more}",
            "brain.toml",
        )

    def edit_annotations(self) -> None:
        """Give another neuron the type that is asked for."""
        for number, row in enumerate(self.table.rows):
            row["cell_type"] = f"ER{(number + 1) % 4}"

    def edit_meshes(self) -> None:
        """Put a smaller mesh into the place of one."""
        legacy(self.site.folder, {2: grid_box((5, 0, 0), (6, 2, 2))})

    def edit_neurons(self) -> None:
        """Merge two neurons, and publish a version of that."""
        neurons = self.cave.brain.neurons
        merged = {neurons[0] + 1: list(range(FIRST_SUPERVOXEL, FIRST_SUPERVOXEL + 4))}
        self.cave.brain.graph.edit(START + 4 * DAY, neurons[:2], merged)
        self.cave.brain.versions.append(cave_brain.Version(4, START + 5 * DAY))


@pytest.fixture
def world(server: CaveServer, crant: Crant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CRANTTABLE_TOKEN", ACCOUNT_TOKEN)
    monkeypatch.setattr(retry, "sleep", lambda _: None)
    legacy(tmp_path / "site", BOXES)
    neurons = server.brain.neurons
    annotated = seatable_server.rows(len(neurons), root_id=lambda number: str(neurons[number]))
    with seatable_server.serve(SeaTable(annotated)) as table, mesh_sources.serve(tmp_path / "site") as site:
        made = World(server, table, site)
        made.describe()
        yield made


def locked(crant: Crant, *more: object) -> dict[str, Any]:
    """Make crant.lock; what it says."""
    done = crant("lock", "-d", "brain.toml", "-o", "crant.lock", *more)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(Path("crant.lock").read_text())
    return found


#: A command that sees each part of the brain.
COMMANDS: dict[str, tuple[str, ...]] = {
    "annotations": ("annotations", "--no-update-ids"),
    "meshes": ("meshes",),
    "criteria": ("connectivity", "-n", "cell_type=ER1", "--annotate", "side"),
}
LOCKED = ("--lock", "crant.lock")


def outputs(crant: Crant, *more: object) -> dict[str, bytes]:
    """What each command writes, provenance included."""
    found = {}
    for name, (command, *options) in COMMANDS.items():
        place = Path(f"out.{name}" if command == "meshes" else f"out.{name}.parquet")
        done = crant(command, "-d", "brain.toml", *options, "-o", place, *more)
        assert done.code == 0, done.err
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        found |= {str(file): file.read_bytes() for file in files}
    return found


# What a lock says


def test_a_lock_says_which_brain_it_is(crant: Crant, world: World) -> None:
    found = locked(crant)
    assert sorted(found) == ["annotations", "cave", "crantcli", "crantcli_lock", "dataset", "neuropils"]
    assert (found["crantcli_lock"], found["dataset"]) == (2, "brain")
    assert (found["cave"]["version"], found["cave"]["table"]) == (3, "synapses_v2")
    assert found["cave"]["resolution"] == [1.0, 1.0, 1.0]
    told = outputs(crant)
    (annotated,) = record("out.annotations.parquet")["inputs"]
    assert found["annotations"] == {
        "server": world.table.address, "base": "CRANTb", "table": "CRANTb_meta", "rows": 12,
        "sha256": annotated["sha256"],
    }  # fmt: skip
    inputs = json.loads(told["out.meshes/manifest.json"])["inputs"]
    assert found["neuropils"]["meshes"] == {mesh["name"]: mesh["sha256"] for mesh in inputs}
    assert found["neuropils"]["source"] == world.site.address
    assert len(found["neuropils"]["sha256"]) == 64


def test_the_same_brain_gives_the_same_lock(crant: Crant, world: World) -> None:
    locked(crant)
    first = Path("crant.lock").read_bytes()
    world.table.rows.reverse()
    said = json.loads(crant("lock", "-d", "brain.toml", "-o", "crant.lock", "--refresh", "--json").out)
    assert Path("crant.lock").read_bytes() == first
    assert said == {"command": "lock", "outputs": ["crant.lock"], **json.loads(first)}
    world.edit_meshes()
    digest = said["neuropils"]["sha256"]
    assert locked(crant, "--refresh")["neuropils"]["sha256"] != digest


def test_a_lock_that_says_the_same_is_left_alone(crant: Crant, world: World) -> None:
    """So that make does not make everything anew every night."""
    locked(crant)
    os.utime("crant.lock", ns=(10**18, 10**18))
    done = crant("lock", "-d", "brain.toml", "-o", "crant.lock", "--refresh")
    assert (done.code, Path("crant.lock").stat().st_mtime_ns) == (0, 10**18)
    assert done.err.endswith("-> crant.lock (as it was)\n")
    world.edit_neurons()
    done = crant("lock", "-d", "brain.toml", "-o", "crant.lock")
    assert Path("crant.lock").stat().st_mtime_ns != 10**18
    assert done.err.endswith("-> crant.lock\n")


def test_annotations_of_a_lock_have_the_ids_of_its_state(crant: Crant, world: World) -> None:
    """So that files of one lock go together: else the labels of edited neurons would be lost on the way."""
    world.edit_neurons()
    locked(crant)
    neurons = world.cave.brain.neurons
    ids = {"as they are": neurons, "now": [neurons[0] + 1] * 2 + neurons[2:]}
    for options, expected in (
        (LOCKED, "now"), (("--materialization", "latest"), "now"), (("--materialization", "1"), "as they are"),
        ((), "as they are"), ((*LOCKED, "--no-update-ids"), "as they are"),
    ):  # fmt: skip
        done = crant("annotations", "-d", "brain.toml", "-o", "a.parquet", *options)
        assert done.code == 0, done.err
        found = pq.read_table("a.parquet")
        raw = pq.read_table("first.parquet") if Path("first.parquet").exists() else found
        Path("a.parquet").rename("first.parquet")
        assert sorted(found["root_id"].to_pylist()) == sorted(ids[expected])
        others = [name for name in found.column_names if name != "root_id"]
        assert found.select(others).to_pylist() == raw.select(others).to_pylist()  # in the same order, too
        assert ("2 of 12 annotated neurons have another ID at materialization 4" in done.err) == (expected == "now")
    synapses = ("synapses", "-d", "brain.toml", *LOCKED, "--pre", neurons[0], "-q", "-o", "s.parquet")
    assert crant(*synapses).code == 0
    assert crant("annotations", "-d", "brain.toml", *LOCKED, "-q", "-o", "a.parquet").code == 0
    done = crant("connectivity", "s.parquet", "-a", "a.parquet", "--annotate", "cell_type", "-q")
    assert {row[3] for row in done.rows()[1:]} == {"ER0"}
    complaint(crant("annotations", "-d", "brain.toml", "--materialization", "1", "--no-update-ids"), 2, "use one")


def test_parts_can_be_left_out(crant: Crant, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRANTTABLE_TOKEN")
    lock = ("lock", "-d", "brain.toml", "-o", "crant.lock")
    complaint(crant(*lock), 5, "CRANTTABLE_TOKEN", "--no-annotations")
    assert not Path("crant.lock").exists()
    assert "annotations" not in locked(crant, "--no-annotations")
    assert "neuropils" not in locked(crant, "--no-annotations", "--no-meshes")
    assert list(locked(crant, "--no-annotations", "--exclude", "left")["neuropils"]["meshes"]) == ["right"]
    complaint(crant(*lock, "--no-meshes", "--exclude", "left"), 2, "contradict")
    complaint(crant("lock", "-o", "crant.lock"), 2, "Give a data set")
    Path("empty.toml").write_text("[voxel]\nsize_nm = [8, 8, 42]\n")
    complaint(crant("lock", "-d", "empty.toml", "-o", "crant.lock"), 2, "nothing to lock")


# One brain


def test_commands_with_one_lock_see_one_brain(
    crant: Crant, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, whatever was fetched without it meanwhile, and however long ago it was made."""
    plain = outputs(crant)
    locked(crant)
    assert outputs(crant, *LOCKED) == plain, "the lock shows"
    for edit in (world.edit_annotations, world.edit_meshes, world.edit_neurons):
        edit()
        assert outputs(crant, *LOCKED) == plain
    after = outputs(crant, "--refresh")
    assert not [name for name in after if after[name] == plain[name] and name != "out.meshes/left.ply"]
    now = cache.time.time()
    monkeypatch.setattr(cache.time, "time", lambda: now + 100 * cache.CACHE_SECONDS)
    world.table.requests.clear()
    world.site.requests.clear()
    assert outputs(crant, *LOCKED) == plain
    assert world.table.requests == world.site.requests == []


def test_functions_with_one_lock_see_one_brain(crant: Crant, world: World) -> None:
    locked(crant)
    live = cc.LiveOptions(lock="crant.lock")
    asked: dict[str, Any] = {"dataset": "brain.toml", "annotate": "side"}
    neurons = cc.NeuronCriteria(cell_type="ER1")
    before = cc.get_connectivity(neurons, live=live, **asked)
    world.edit_annotations()
    world.edit_neurons()
    same.assert_frame_equal(cc.get_connectivity(neurons, live=live, **asked), before)
    with pytest.warns(cc.CrantWarning) as told:
        assert not cc.get_connectivity(neurons, live=cc.LiveOptions(refresh=True), **asked).equals(before)
    assert any("were updated to materialization 4" in str(warning.message) for warning in told)
    with pytest.raises(cc.DataError, match=r"not what it was when lock crant\.lock was made"):
        cc.get_connectivity(neurons, live=cc.LiveOptions(lock="crant.lock", cache_dir="empty"), **asked)


def test_a_lock_of_somebody_else_serves_as_long_as_the_servers_have_it(crant: Crant, world: World) -> None:
    """What was fetched with it once is kept for good, too."""
    plain = outputs(crant)
    locked(crant)
    mine = (*LOCKED, "--cache-dir", "mine")
    assert crant("annotations", "-d", "brain.toml", "-o", "first.parquet", "--no-update-ids", *mine).code == 0
    assert crant("meshes", "-d", "brain.toml", "-o", "first", *mine).code == 0
    world.edit_annotations()
    world.edit_meshes()
    outputs(crant, "--cache-dir", "mine", "--refresh")
    assert outputs(crant, *mine) == plain


def test_what_is_locked_is_in_the_cache_from_then_on(crant: Crant, world: World) -> None:
    plain = outputs(crant)
    locked(crant)
    world.edit_annotations()
    world.edit_meshes()
    outputs(crant, "--refresh")
    assert outputs(crant, *LOCKED) == plain


def test_what_was_fetched_before_the_lock_came_is_kept_for_good_too(crant: Crant, world: World) -> None:
    locked(crant)
    outputs(crant, "--cache-dir", "mine")
    plain = outputs(crant, *LOCKED, "--cache-dir", "mine")
    world.edit_annotations()
    world.edit_meshes()
    outputs(crant, "--cache-dir", "mine", "--refresh")
    assert outputs(crant, *LOCKED, "--cache-dir", "mine") == plain


def test_a_cache_that_is_older_than_the_lock_is_no_hindrance(crant: Crant, world: World) -> None:
    outputs(crant, "--cache-dir", "mine")
    world.edit_annotations()
    world.edit_meshes()
    locked(crant)
    plain = outputs(crant)
    assert outputs(crant, *LOCKED, "--cache-dir", "mine") == plain


def test_a_damaged_cache_is_fetched_anew(crant: Crant, world: World, own_home: Path) -> None:
    plain, _ = outputs(crant), locked(crant)
    kept = [*own_home.rglob("seatable-*.parquet"), *own_home.rglob("mesh-*.npz")]
    assert len(kept) == 4
    for path in kept:
        content = bytearray(path.read_bytes())
        place = content.index(b"ER0") if path.suffix == ".parquet" else len(content) // 3
        content[place] ^= 1
        path.write_bytes(content)
    assert outputs(crant, *LOCKED) == plain
    one, two = own_home.rglob("mesh-*.npz")
    shutil.copyfile(one, two)
    assert outputs(crant, *LOCKED) == plain
    world.edit_annotations()
    world.edit_meshes()
    assert outputs(crant, *LOCKED) == plain


def test_a_mesh_that_came_later_is_not_seen(crant: Crant, world: World) -> None:
    locked(crant, "--exclude", "right")
    assert crant("meshes", "-d", "brain.toml", "-o", "out", *LOCKED).code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["left.ply", "manifest.json"]
    wanted = ("meshes", "-d", "brain.toml", "-o", "out", *LOCKED, "--neuropils", "right")
    complaint(crant(*wanted), 3, "--neuropils right: there is no such mesh in --lock crant.lock")


def test_the_table_is_locked_too(crant: Crant, world: World) -> None:
    """Where the description leaves it to the server to name it, which may come to name another."""
    locked(crant)
    question = ("synapses", "-d", "brain.toml", "--pre", ids(world.cave, 0), *LOCKED, "-q")
    before = rows(crant(*question))
    world.cave.brain.table = "synapses_v3"
    assert rows(crant(*question)) == before
    complaint(crant(*question, "--cache-dir", "empty"), 3, "no table synapses_v2 in version 3")


# Where it cannot be


CHANGES: dict[str, tuple[Callable[[World], None], str, str]] = {
    "annotations": (World.edit_annotations, "CRANTb/CRANTb_meta", "--annotations FILE"),
    "criteria": (World.edit_annotations, "CRANTb/CRANTb_meta", "--annotations FILE"),
    "meshes": (World.edit_meshes, "mesh right", "--meshes FOLDER"),
}


@pytest.mark.parametrize("refresh", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_what_is_gone_stops_the_command(crant: Crant, world: World, name: str, refresh: bool) -> None:
    locked(crant)
    edit, what, instead = CHANGES[name]
    edit(world)
    command, *options = COMMANDS[name]
    where = "--refresh" if refresh else "--cache-dir=empty"
    done = crant(command, "-d", "brain.toml", *options, "-o", "out.parquet", *LOCKED, where)
    complaint(done, 3, what, "not what it was when --lock crant.lock was made", "crantcli lock", instead)
    assert not Path("out.parquet").exists()


def test_a_mesh_that_is_gone_is_named(crant: Crant, world: World) -> None:
    locked(crant)
    for path in world.site.folder.glob("2:*"):
        path.unlink()
    labels = Path("brain.toml").read_text().replace('1 = "left", 2 = "right"', '1 = "left"')
    Path("brain.toml").write_text(labels)
    asked = ("meshes", "-d", "brain.toml", "-o", "out", *LOCKED, "--cache-dir", "empty")
    complaint(crant(*asked), 3, "mesh right: not what it was")
    assert crant(*asked, "--neuropils", "left").code == 0


def test_a_part_that_is_not_locked_is_an_error_where_it_is_needed(crant: Crant, world: World) -> None:
    locked(crant, "--no-annotations", "--no-meshes")
    assert crant("counts", "-d", "brain.toml", "-n", ids(world.cave, 0), *LOCKED).code == 0
    asked = ("counts", "-d", "brain.toml", "-n", "cell_type=ER1", *LOCKED)
    complaint(crant(*asked), 3, "holds no annotations", "--annotations FILE")
    assert crant("annotations", "-d", "brain.toml", "-o", "a.csv").code == 0
    assert crant(*asked, "-a", "a.csv").code == 0
    complaint(crant("meshes", "-d", "brain.toml", "-o", "out", *LOCKED), 3, "holds no meshes", "--meshes FOLDER")
    world.describe()
    text = Path("brain.toml").read_text()
    Path("brain.toml").write_text(text.partition("[voxel]")[2].partition("\n")[2])
    locked(crant)
    world.describe()
    complaint(crant("ids", ids(world.cave, 0), "-d", "brain.toml", *LOCKED), 3, "holds no materialization")


def test_a_lock_of_another_data_set_is_refused(crant: Crant, world: World) -> None:
    locked(crant)
    text = Path("brain.toml").read_text()
    Path("brain.toml").write_text(text.replace("CRANTb_meta", "notes"))
    words = (f"locks the annotations in CRANTb/CRANTb_meta at {world.table.address}", "not those in CRANTb/notes")
    complaint(crant("annotations", "-d", "brain.toml", *LOCKED), 3, *words)
    Path("brain.toml").write_text(text.replace(f'source = "{world.site.address}', f'source = "{world.site.address}/b'))
    words = (f"locks the meshes of {world.site.address}", f"not those of {world.site.address}/b")
    complaint(crant("meshes", "-d", "brain.toml", "-o", "out", *LOCKED), 3, *words)


# Local files


@pytest.fixture
def files(crant: Crant) -> None:
    """A data set of local files, and its lock."""
    parquet_file("s.parquet", pre=[1, 1, 2], post=[2, 3, 3])
    Path("a.csv").write_text("root_id,cell_type\n1,A\n2,B\n3,B\n")
    legacy(Path("source"), BOXES)
    toml = f'[neuropils]\nsource = "source"\ntransform = {list(TRANSFORM)}\n'
    Path("source.toml").write_text(toml)
    assert crant("meshes", "-d", "source.toml", "-o", "m").code == 0
    Path("brain.toml").write_text('[files]\nsynapses = "s.parquet"\nannotations = "a.csv"\nmeshes = "m"\n')
    found = locked(crant)
    assert {name for name in found if isinstance(found[name], dict)} == {"synapses", "annotations", "neuropils"}
    assert found["annotations"]["files"] == [record_of("a.csv")]
    assert found["synapses"]["files"] == [record_of("s.parquet")]
    assert (found["neuropils"]["source"], sorted(found["neuropils"]["meshes"])) == ("m", ["1", "2"])


def record_of(name: str) -> dict[str, Any]:
    import hashlib

    content = Path(name).read_bytes()
    return {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.usefixtures("files")
def test_local_files_are_held_to_their_fingerprints(crant: Crant) -> None:
    edges = ("connectivity", "-d", "brain.toml", "--by", "type", *LOCKED)
    drawn = ("meshes", "-d", "brain.toml", "-o", "out", *LOCKED)
    assert rows(crant(*edges))
    assert crant(*drawn).code == 0
    shutil.copyfile("a.csv", "old.csv")
    Path("a.csv").write_text("root_id,cell_type\n1,A\n2,B\n3,C\n")
    complaint(crant(*edges), 3, "a.csv: not what it was when --lock crant.lock was made", "--annotations FILE")
    assert rows(crant(*edges, "-a", "old.csv"))
    shutil.copyfile("old.csv", "a.csv")
    parquet_file("s.parquet", pre=[1, 1, 2], post=[2, 3, 1])
    complaint(crant(*edges), 3, "s.parquet: not what it was", "SOURCE")
    assert rows(crant("connectivity", "s.parquet", *edges[1:]))
    shutil.copyfile("m/1.ply", "m/2.ply")
    complaint(crant(*drawn), 3, "mesh 2: not what it was", "--meshes FOLDER")
    assert crant(*drawn, "--neuropils", "1").code == 0
    assert crant("meshes", "m", *drawn[1:]).code == 0


@pytest.mark.usefixtures("files")
def test_a_lock_does_not_overwrite_what_it_locks(crant: Crant) -> None:
    for name in ("a.csv", "s.parquet"):
        before = Path(name).read_bytes()
        complaint(crant("lock", "-d", "brain.toml", "-o", name), 2, "is an input of this command")
        assert Path(name).read_bytes() == before


@pytest.mark.usefixtures("files")
def test_a_source_in_a_folder_is_locked_by_its_meshes(crant: Crant) -> None:
    assert crant("lock", "-d", "source.toml", "-o", "source.lock").code == 0
    asked = ("meshes", "-d", "source.toml", "-o", "out", "--lock", "source.lock")
    assert crant(*asked).code == 0
    legacy(Path("source"), {2: BOXES[1]})
    complaint(crant(*asked), 3, "mesh 2: not what it was")


# Files that are no locks, or others'


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "something else": (lambda lock: lock.pop("crantcli_lock"), "is no lock file of crantcli, or damaged"),
    "a version that is none": (lambda lock: lock["cave"].update(version="3"), "is no lock file"),
    "a time without a zone": (lambda lock: lock["cave"].update(time="2026-01-01T00:00:00"), "is no lock file"),
    "two axes": (lambda lock: lock["cave"].update(resolution=[8, 8]), "is no lock file"),
    "no server": (lambda lock: lock["cave"].update(server=None), "is no lock file"),
    "no hash": (lambda lock: lock["annotations"].pop("sha256"), "is no lock file"),
    "a hash that is none": (lambda lock: lock["annotations"].update(sha256=3), "is no lock file"),
    "another mesh": (lambda lock: lock["neuropils"]["meshes"].update(left="0" * 64), "is no lock file"),
    "meshes without hashes": (lambda lock: lock["neuropils"].update(meshes=["left"]), "is no lock file"),
    "a file without a hash": (lambda lock: lock["annotations"].update(files=[{"name": "a"}]), "is no lock file"),
    "a file with another": (lambda lock: lock.update(synapses={"files": [{"name": "s", "sha256": 3}]}), "is no lock"),
    "an older one": (lambda lock: lock.update(crantcli_lock=1), "make it anew with crantcli lock --materialization 3"),
    "a newer one": (lambda lock: lock.update(crantcli_lock=3), "is of format 3"),
}


def test_what_is_no_lock_is_refused(crant: Crant, world: World) -> None:
    whole = locked(crant)
    asked = ("counts", "-d", "brain.toml", "-n", ids(world.cave, 0), "--lock")
    for damage, said in DAMAGE.values():
        content = json.loads(json.dumps(whole))
        damage(content)
        Path("bad.lock").write_text(json.dumps(content))
        complaint(crant(*asked, "bad.lock"), 3, said)
    for text in ("crantcli_lock = 2", "[1, 2]", "2", ""):
        Path("bad.lock").write_text(text)
        complaint(crant(*asked, "bad.lock"), 3, "is no lock file of crantcli, or damaged")
    complaint(crant(*asked, "none.lock"), 2, "no such file")
