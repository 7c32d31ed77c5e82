"""README.md's nightly pipelines, from a token to matrices, against servers on this machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mesh_sources
import pandas as pd
import pytest
import readme
import seatable_server
from cave_brain import DAY, FIRST_SUPERVOXEL, START, Version
from cave_server import CaveServer
from live import described
from seatable_server import SeaTable
from tokens import ACCOUNT_TOKEN, CAVE_TOKEN

import crantcli as cc

pytestmark = pytest.mark.slow

TYPES = ("ER1", "ER2", "EPG", "PFN", "EPG", "ER1")

#: What is made, beside the lock.
MADE = ("annotations.parquet", "synapses.parquet", "nested.npz", "nested.png", "types.csv")


def example(language: str, start: str = "") -> str:
    """One of README.md's code blocks about servers."""
    (found,) = (block for block in readme.fences(language) if "lock" in block or block.startswith(start or "\0"))
    return found


@dataclass
class Night:
    """A brain on servers, and the folder in which its pipeline runs."""

    home: Path
    cave: CaveServer
    table: SeaTable

    @property
    def folder(self) -> Path:
        return self.home / "brain"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program with an environment as poor as cron's."""
        path = f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
        own = {"HOME": str(self.home), "PATH": path, "BRAIN": "brain.toml", "CRANTTABLE_TOKEN": ACCOUNT_TOKEN}
        own["MPLCONFIGDIR"] = os.environ["MPLCONFIGDIR"]  # a list of all fonts, which takes a while, and is told of
        return subprocess.run(
            command, cwd=self.folder, env=own, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
            check=False, timeout=300,
        )  # fmt: skip

    def contents(self) -> dict[str, tuple[int, bytes]]:
        """Each file's time and content."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts]
        return {str(p.relative_to(self.folder)): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}

    def results(self) -> dict[str, tuple[int, bytes]]:
        """The same without what is kept of the night before, and what tells of every night."""
        others = ("before/", "report.html", "history.parquet", ".history.parquet.lock")
        return {name: made for name, made in self.contents().items() if not name.startswith(others)}

    def version(self) -> dict[str, Any]:
        """What the lock says of the synapses."""
        return dict(json.loads((self.folder / "crant.lock").read_text())["cave"])

    def page(self) -> str:
        """What the page of the night says, without its marks."""
        body = (self.folder / "report.html").read_text(encoding="utf-8").partition("</style>")[2]
        return " ".join(re.sub(r"<[^>]*>", " ", body).split())

    def rows(self) -> dict[str, float]:
        """Night -> rows of the edges by type, as the history has them."""
        kept = pd.read_parquet(self.folder / "history.parquet")
        kept = kept[(kept["file"] == "types.csv") & (kept["figure"] == "rows")]
        return dict(zip(kept["night"], kept["value"], strict=True))

    def edit(self) -> None:
        """Day 4: a neuron gets another ID; day 5: that is published."""
        old = self.cave.brain.neurons[0]
        self.cave.brain.graph.edit(START + 4 * DAY, [old], {old + 1: [FIRST_SUPERVOXEL, FIRST_SUPERVOXEL + 1]})
        self.cave.brain.versions.append(Version(4, START + 5 * DAY))


@pytest.fixture
def night(server: CaveServer, own_home: Path, tmp_path: Path) -> Iterator[Night]:
    neurons = server.brain.neurons
    annotated = seatable_server.rows(
        len(TYPES),
        root_id=lambda place: str(neurons[place]),
        supervoxel_id=lambda place: str(FIRST_SUPERVOXEL + 2 * place),
        cell_type=lambda place: TYPES[place],
    )
    boxes = {1: mesh_sources.grid_box((0, 0, 0), (2, 4, 17)), 2: mesh_sources.grid_box((2, 0, 0), (4, 4, 17))}
    mesh_sources.legacy(tmp_path / "site", boxes)
    with seatable_server.serve(SeaTable(annotated)) as table, mesh_sources.serve(tmp_path / "site") as site:
        made = Night(own_home, server, table)
        made.folder.mkdir()
        place = f'seatable_server = "{table.address}"\nworkspace = {table.workspace}\nbase = "CRANTb"\n'
        described(
            server,
            f'[annotations]\n{place}table = "CRANTb_meta"\n[neuropils]\nsource = "{site.address}"\n'
            'transform = [1e5, 0, 0, 0, 0, 1e5, 0, 0, 0, 0, 1e5, 0]\nlabels = { 1 = "left", 2 = "right" }\n',
            str(made.folder / "brain.toml"),
        )
        secrets = own_home / ".cloudvolume" / "secrets"
        secrets.mkdir(parents=True)
        (secrets / f"{server.url.partition('//')[2]}-cave-secret.json").write_text(json.dumps({"token": CAVE_TOKEN}))
        token = own_home / ".seatable-token"
        token.write_text(ACCOUNT_TOKEN + "\n")
        yield made
        token.unlink()


def test_cron_and_make_follow_the_brain_from_night_to_night(night: Night) -> None:
    (night.folder / "Makefile").write_text(example("make"))
    script = night.folder / "nightly.sh"
    script.write_text(next(block for block in readme.fences("sh") if block.startswith("#!")))
    script.chmod(0o755)
    (night.folder / ".venv").mkdir()
    (night.folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    *when, command = readme.fences("crontab")[0].split(maxsplit=5)
    assert len(when) == 5
    job = ("env", "-u", "CRANTTABLE_TOKEN", "/bin/sh", "-c", command)

    first = night.run(*job)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    before = night.results()
    assert {*MADE, "crant.lock", "meshes/left.ply", "neuropils/summary.csv"} <= set(before)
    neurons = night.cave.brain.neurons
    types = pd.read_csv(night.folder / "types.csv")
    assert set(types["pre"]) == {"ER1", "ER2", "EPG"}
    assert set(types["post"]) == set(TYPES)
    summary = pd.read_csv(night.folder / "neuropils" / "summary.csv").set_index("neuropil")["synapses"]
    assert summary["left"] > 20 < summary["right"]

    nights = [night.version()["time"][:10]]
    assert "and nothing failed" in night.page()
    assert (
        f"{night.version()['table']} 3 {night.version()['time']} annotations.parquet , crant.lock , synapses.parquet"
        in night.page()
    )
    assert night.rows() == {nights[0]: len(types)}
    assert night.run("make", "--silent", "nightly").stderr == ""
    assert night.rows() == {nights[0]: len(types)}

    night.cave.asked.clear()
    assert night.run(*job).stderr == ""
    assert night.rows() == {nights[0]: len(types)}, "no other brain, no other night"
    assert night.results() == before
    assert night.cave.data_queries() == []
    assert not (night.folder / "changes.csv").exists(), "nothing had changed"

    night.edit()
    script.write_text(script.read_text().replace("removed>1000", "neurons_renamed>0"))
    changed = night.run(*job)
    assert (changed.returncode, changed.stdout) == (7, ""), changed.stderr
    assert "neurons_renamed > 0 (1)" in changed.stderr
    became = pd.read_csv(night.folder / "changed_neurons.csv", dtype=str).set_index("neuron")["change"]
    assert became[became != "same"].to_dict() == {str(night.cave.brain.neurons[0] + 1): "renamed"}
    changes = json.loads((night.folder / "changes.json").read_text())
    assert changes["removed"] == changes["added"] == 0
    assert "compare ended with exit code 7" in night.page()
    assert f"{neurons[0] + 1} renamed {neurons[0]} {neurons[0] + 1}" in night.page()
    nights.append(night.version()["time"][:10])
    assert night.rows() == {nights[0]: len(types), nights[1]: len(types)}
    after = night.results()
    assert json.loads(after["crant.lock"][1])["cave"]["version"] == 4
    assert after["types.csv"][1] == before["types.csv"][1], "the neuron has another ID, and its label"
    ids = pd.read_parquet(night.folder / "synapses.parquet")["pre_pt_root_id"]
    assert neurons[0] + 1 in set(ids)
    assert neurons[0] not in set(ids)

    night.cave.weather.token = "another"
    refused = night.run(*job)
    assert (refused.returncode, refused.stdout) == (7, "")
    told, of_make, of_report = refused.stderr.splitlines()
    assert told.startswith("crantcli lock:")
    assert "not accepted" in told
    assert "crant.lock" in of_make
    assert of_report == "crantcli report: the night failed: make ended with exit code 2"
    assert "make ended with exit code 2" in night.page()
    assert set(night.rows()) == set(nights)
    assert night.results() == after


def test_snakemake_follows_the_brain(night: Night) -> None:
    pytest.importorskip("snakemake", reason="snakemake is a development dependency and not installed")
    (night.folder / "Snakefile").write_text(example("python"))
    snakemake = (sys.executable, "-m", "snakemake", "--cores", "1", "--config", "brain=brain.toml")
    first = night.run(*snakemake)
    assert first.returncode == 0, first.stderr
    before = night.contents()
    assert set(MADE) <= set(before)
    locks = [asked for asked in night.cave.asked if asked.path.endswith("/metadata")]
    assert len(locks) == 1, "one lock for all jobs"
    again = night.run(*snakemake)
    assert "Nothing to be done" in again.stderr
    assert night.contents() == before


def test_python_is_told_which_state_it_is(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(night.folder)
    assert night.run("crantcli", "lock", "-d", "brain.toml", "-o", "crant.lock").returncode == 0
    (block,) = readme.fences("py")
    found: dict[str, Any] = {"cc": cc}
    exec(block.replace("crantb", "brain.toml"), found)
    assert len(found["edges"]) > 5
    assert found["edges"].attrs["crantcli"]["source"]["materialization"] == 3


def test_commands_told_of_are_spelled_as_they_are() -> None:
    """The examples that no test runs name options that there are."""
    for block in (*readme.fences("make"), *readme.fences("python"), *readme.fences("sh")):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.split("crantcli ")[1:]
            for command in words:
                name, *rest = shlex.split(command.partition("#")[0].replace('"', " ").replace("'", " "))
                known = {
                    option for item in readme.commands()[name].params for option in (*item.opts, *item.secondary_opts)
                }
                unknown = {word for word in rest if word.startswith("-") and word != "-d"} - known
                assert not unknown, (name, unknown)
