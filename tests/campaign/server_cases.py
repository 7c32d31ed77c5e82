"""Damaged lock files, and damaged files in the cache, and commands that ask stand-ins of the servers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import values
from shape_cases import harmed
from table_cases import Case

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cave_server
import mesh_sources
import seatable_server
import tokens
from cave_brain import DAY, START, Version, make_brain

Run = Callable[[list[str]], int | None]


@dataclass
class World:
    """A folder with the description of a data set on three servers, a lock, and a cache with all of it.

    Attributes
    ----------
    right : dict
        What each command gives: files by name.
    """

    folder: Path
    commands: list[list[str]]
    right: dict[int, dict[str, object]] = field(default_factory=dict)


@contextlib.contextmanager
def world(folder: Path, run: Callable[[list[str], Path], int | None]) -> Iterator[World]:
    """Set the servers up, lock, and fetch everything once."""
    folder.mkdir()
    brain = make_brain(neurons=12, synapses=800, late=40)
    brain.versions[2:] = [Version(3, START + 3 * DAY, merged=False)]
    annotated = seatable_server.rows(12, root_id=lambda number: str(brain.neurons[number]))
    boxes = {1: mesh_sources.grid_box((0, 0, 0), (3, 2, 2)), 2: mesh_sources.grid_box((5, 0, 0), (7, 2, 2))}
    mesh_sources.legacy(folder / "site", boxes)
    with (
        cave_server.serving(brain) as cave,
        seatable_server.serve(seatable_server.SeaTable(annotated)) as table,
        mesh_sources.serve(folder / "site") as site,
    ):
        cave.weather.token = tokens.CAVE_TOKEN
        os.environ |= {"CRANTCLI_CAVE_TOKEN": tokens.CAVE_TOKEN, "CRANTTABLE_TOKEN": tokens.ACCOUNT_TOKEN}
        (folder / "d.toml").write_text(
            f'[cave]\nserver = "{cave.url}"\ndatastack = "{brain.datastack}"\n[voxel]\nsize_nm = [8, 8, 42]\n'
            f'[annotations]\nseatable_server = "{table.address}"\nworkspace = {table.workspace}\n'
            f'base = "{table.base}"\ntable = "{table.table}"\n'
            f'[neuropils]\nsource = "{site.address}"\nlabels = {{ 1 = "left", 2 = "right" }}\n'
        )
        some = ",".join(map(str, brain.neurons[:5]))
        common = ["-d", "d.toml", "--lock", "crant.lock", "--cache-dir", "cache"]
        made = World(
            folder,
            [
                ["annotations", *common, "-o", "out.csv"],
                ["meshes", *common, "-o", "out.d"],
                ["connectivity", "-n", some, *common, "-o", "out.csv"],
                ["counts", "-n", "cell_type=ER1", *common, "-o", "out.csv"],
                ["synapses", "--pre", some, *common, "-o", "out.csv"],
            ],
        )
        if run(["lock", "-d", "d.toml", "--cache-dir", "cache", "-o", "crant.lock"], folder) != 0:
            raise RuntimeError((folder / "stderr").read_text())
        for place, words in enumerate(made.commands):
            if run(words, folder) != 0:
                raise RuntimeError((folder / "stderr").read_text())
            made.right[place] = outputs(folder)
            shutil.rmtree(folder / "out.d", ignore_errors=True)
            (folder / "out.csv").unlink(missing_ok=True)
        yield made


def outputs(folder: Path) -> dict[str, object]:
    """Answers in a folder: the bytes of files, without those that name the lock."""
    found: dict[str, object] = {}
    for path in sorted([*folder.glob("out.csv"), *folder.glob("out.d/*")]):
        found[path.name] = path.read_bytes() if path.name != "manifest.json" else None
    return found


def case(rng: random.Random, folder: Path, at: World) -> Case:
    """The lock or a file of the cache is damaged: the right answer, or none."""
    for name in ("d.toml", "crant.lock"):
        shutil.copy(at.folder / name, folder)
    shutil.copytree(at.folder / "cache", folder / "cache")
    place = rng.randrange(len(at.commands))
    if rng.random() < 0.5:
        path, kind = folder / "crant.lock", "lock"
    else:
        path, kind = (
            rng.choice(sorted(p for p in (folder / "cache").rglob("*") if p.is_file() and p.stat().st_size)),
            "cache",
        )
    harm = harmed(rng, path, kind == "lock")
    whole = json.loads((at.folder / "crant.lock").read_text())
    more = rng.choice([[], [], ["--refresh"]])

    def judge(where: Path, run: Run) -> str | None:
        if outputs(where) == at.right[place]:
            return None
        if kind == "lock":
            try:
                said = json.loads(path.read_text())
            except ValueError as error:
                return f"an answer from what is no JSON: {error}"
            if said != whole:
                raise values.NotJudgedError
        return "wrong values"

    return Case([*at.commands[place], *more], f"{harm} {kind}", path.name, judge, ["--retries", "0"])
