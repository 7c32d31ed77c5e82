"""The heat map that `crantcli influence --plot` draws."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE, Crant
from PIL import Image

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.questions import influence
from crantcli.output.figures.influence import draw_influence

WORM = (SAMPLE / "celegans_edges.csv", "-a", SAMPLE / "celegans_cells.csv", "-t", "5")
SETS = ("--seeds", "smell=cell_type=AWC", "--seeds", "touch=AVM,ALML,ALMR")


def cells(name: str, key: str) -> dict[str, dict[str, float]]:
    """Group or neuron -> set -> what is drawn of it, of a table."""
    found: dict[str, dict[str, float]] = {}
    for row in csv.DictReader(Path(name).read_text("utf-8").splitlines()):
        if key == "neuron_id":
            mean = 0.0 if row["is_seed"] == "true" else float(row["influence"])
        else:
            mean = float(row["mean_without_seeds"] or 0)
        size = abs(mean)
        adjusted = math.copysign(math.log(size) + 24, mean) if size > math.exp(-24) else 0.0
        found.setdefault(row[key], {})[row["seed"]] = adjusted
    return found


@pytest.mark.parametrize(("key", "most"), [("cell_class", 60), ("cell_type", 60), ("cell_type", 7), ("neuron_id", 9)])
def test_the_most_driven_are_shown(crant: Crant, key: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influence, "MOST_SHOWN", most)
    by = () if key == "neuron_id" else ("--by", key)
    done = crant("influence", *WORM, *SETS, *by, "-o", "i.csv", "--plot", "i.png")
    assert done.code == 0, done.err
    table = cells("i.csv", key)
    drawn = sorted(table, key=lambda name: (-max(map(abs, table[name].values())), name))[:most]
    what = "neurons" if key == "neuron_id" else "groups"
    told = f"the picture shows the {most} most driven of {len(table)} {what}"
    assert (told in done.err) == (len(table) > most)
    with Image.open("i.png") as image:
        facts = json.loads(image.info["crantcli"])["picture"]
    assert facts["matrix"] == [len(drawn), 2]
    values = [value for name in drawn for value in table[name].values() if value]
    assert facts["connections"] == len(values)
    scale = facts["colour_scale"]
    assert (scale["vmin"], scale["vmax"]) == pytest.approx((min(values), max(values)), rel=1e-5)
    assert (scale["kind"], facts["labels"]["rows"]["written"]) == ("linear", len(drawn))


@pytest.mark.parametrize("signed", [False, True])
def test_cells_are_the_influences(signed: bool) -> None:
    dense = np.array([[25.0, 0.0], [-20.5 if signed else 20.5, 12.25], [0.0, 3.0]])
    rows, columns = np.nonzero(dense)
    made = LabelledMatrix.from_entries(
        np.array(["a", "b", "c"]), np.array(["x", "y"]), rows, columns, dense[rows, columns]
    )
    drawn = draw_influence(made, "groups", 3)
    image = np.ma.filled(drawn.axes.images[0].get_array(), 0.0)
    down, across = ((2 * np.arange(n) + 1) * size // (2 * n) for n, size in zip((3, 2), image.shape, strict=True))
    assert np.array_equal(np.nan_to_num(image[np.ix_(down, across)]), dense)
    written = [text.get_text() for text in drawn.axes.texts]
    assert written[:3] == ["a", "b", "c"]
    assert drawn.notes == []
    assert draw_influence(made, "groups", 9).notes == ["the picture shows the 3 most driven of 9 groups"]


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_the_same_bytes_each_time(crant: Crant, tmp_path: Path, form: str) -> None:
    for name in ("one", "two"):
        assert crant("influence", *WORM, *SETS, "--by", "cell_class", "-q", "--plot", f"{name}.{form}").code == 0
    assert (tmp_path / f"one.{form}").read_bytes() == (tmp_path / f"two.{form}").read_bytes()


def test_seeds_that_drive_nobody_are_a_picture_without_cells(crant: Crant) -> None:
    Path("e.csv").write_text("pre,post,weight\n1,2,5\n2,1,5\n3,1,5\n", encoding="utf-8")
    assert crant("influence", "e.csv", "--seeds", "1,2", "-q", "-o", "i.csv", "--plot", "i.png").code == 0
    with Image.open("i.png") as image:
        assert json.loads(image.info["crantcli"])["picture"]["connections"] == 0


def test_groups_that_read_alike_are_not_added_up(crant: Crant) -> None:
    Path("e.csv").write_text("pre,post,weight\n1,2,5\n2,3,5\n3,1,5\n", encoding="utf-8")
    Path("a.csv").write_text("root_id,x,y\n2,a b,c\n3,a,b c\n", encoding="utf-8")
    words = ("e.csv", "--seeds", "1", "-a", "a.csv", "--by", "x,y", "-q", "-o", "i.csv", "--plot", "i.png")
    assert crant("influence", *words).code == 0
    with Image.open("i.png") as image:
        facts = json.loads(image.info["crantcli"])["picture"]
    assert (facts["matrix"], facts["connections"]) == ([2, 1], 2)


def test_too_many_sets_are_refused_and_nothing_is_written(crant: Crant, tmp_path: Path) -> None:
    sets = [f"--seeds=s{number}=AWCL" for number in range(61)]
    done = crant("influence", *WORM, *sets, "-o", "i.csv", "--plot", "i.png")
    assert (done.code, "--plot shows at most 60 sets of seeds, and there are 61" in done.err) == (2, True), done.err
    assert list(tmp_path.glob("i.*")) == []
