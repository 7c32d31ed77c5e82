"""The one way of a question, from Python and from the shell: the same answer, whoever asks."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import trimesh
from closed import box
from conftest import Crant
from tables import text_file

import crantcli as cc

SYNAPSES = "id,pre,post,x,y,z\n1,10,20,5,5,5\n2,10,20,50,5,5\n3,20,30,150,5,5\n4,0,30,5,5,5\n"


def regions() -> str:
    """Two boxes as meshes, in a folder."""
    Path("regions").mkdir()
    for name, start in (("low", 0), ("high", 40)):
        trimesh.Trimesh(*box((start, 0, 0), (start + 60, 60, 60)), process=False).export(f"regions/{name}.ply")
    return "regions"


def test_ask_assigns_synapses_to_neuropils_without_annotations(crant: Crant) -> None:
    source, meshes = text_file("s.csv", SYNAPSES), regions()
    asked = cc.questions.Neuropil(assignments_only=True)
    found = cc.ask(asked, source=source, meshes=meshes, coordinates="nm")
    done = crant("neuropil", source, "--meshes", meshes, "--coordinates", "nm", "--assignments-only", "-o", "made")
    assert done.code == 0, done.err
    pd.testing.assert_frame_equal(found, pd.read_parquet("made/assignments.parquet"))
    assert len(found) == 5


def test_ask_takes_one_neuropil_by_its_name(crant: Crant) -> None:
    source, meshes = text_file("s.csv", SYNAPSES), regions()
    asked = cc.questions.Neuropil(assignments_only=True, neuropils="high", include_other=False)  # type: ignore[arg-type]
    found = cc.ask(asked, source=source, meshes=meshes, coordinates="nm")
    assert set(found["neuropil"]) == {"high"}


def test_ask_attaches_to_the_skeletons_of_the_data_set(crant: Crant) -> None:
    text_file("s.csv", SYNAPSES)
    text_file("swc/10.swc", "1 0 0 0 0 1 -1\n2 0 9 9 9 1 1\n")
    text_file("brain.toml", '[files]\nsynapses = "s.csv"\nskeletons = "swc"\n')
    found = cc.ask(cc.questions.Attach(), dataset="brain.toml", coordinates="nm")
    assert found["synapse_id"].tolist() == [1, 2]
    with pytest.raises(cc.UsageError, match="nothing to attach to: give skeletons"):
        cc.ask(cc.questions.Attach(), source="s.csv", coordinates="nm")


def test_an_empty_list_of_sources_is_none(crant: Crant) -> None:
    with pytest.raises(cc.UsageError, match="give source="):
        cc.ask(cc.questions.Counts(), source=[])
    text_file("s.csv", SYNAPSES)
    text_file("brain.toml", '[files]\nsynapses = "s.csv"\n')
    assert len(cc.ask(cc.questions.Counts(), source=[], dataset="brain.toml")) == 3


def test_points_are_not_said_to_be_cleaned(crant: Crant) -> None:
    points, meshes = text_file("p.csv", "x,y,z\n5,5,5\n50,5,5\n"), regions()
    done = crant("neuropil", points, "--meshes", meshes, "--coordinates", "nm", "--assignments-only", "-o", "made")
    assert done.code == 0, done.err
    manifest = json.loads(Path("made/manifest.json").read_text())
    assert manifest["filters"]["clean"] is False
    assert manifest["options"]["clean"] is False
    assert "background_ids" not in manifest["options"]
