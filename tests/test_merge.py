"""`merge`: what was made of parts, put together, is what one run on the whole makes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from strategies import AS_TYPED, SETTINGS, Drawn, edge_tables, maybe_asked, rules, seeded_frame, seeded_synapses
from strategies import synapse_tables as synapses
from tables import complaint, parquet_file, record, text_file

import crantcli as cc
from crantcli.cli.app import run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]


def crantcli(*words: Any) -> bool:
    """Whether a command succeeds."""
    return run([*map(str, words), "-q"]) == 0


class Split:
    """A table, and the same in parts, in a folder."""

    def __init__(self, folder: str, table: pd.DataFrame | Path, number: int) -> None:
        self.folder = Path(folder)
        self.source = self.folder / "source.parquet"
        if isinstance(table, Path):
            shutil.copyfile(table, self.source)
        else:
            table.to_parquet(self.source)
        assert crantcli("partition", self.source, *AS_TYPED, "--parts", number, "-o", self.folder / "parts")

    def together(self, command: str, *words: Any) -> list[Path] | None:
        """What is put together of all parts, as CSV and Parquet; None where a part, or that, is refused."""
        made = []
        for part in sorted((self.folder / "parts").glob("*.parquet")):
            made.append(self.folder / f"{command}-{part.name}")
            if not crantcli(command, part, *words, "-o", made[-1]):
                return None
        merged = [self.folder / f"merged{suffix}" for suffix in (".csv", ".parquet")]
        return merged if all(crantcli("merge", *reversed(made), "-o", file) for file in merged) else None

    def check(self, command: str, *words: Any) -> None:
        """The same bytes as one run, and the same is said of them; or both are refused."""
        whole, text, again = (self.folder / name for name in ("whole.parquet", "whole.csv", "again.parquet"))
        able = crantcli(command, self.source, *AS_TYPED, *words, "-o", whole)
        merged = self.together(command, *words)
        assert able == (merged is not None)
        if merged is None:
            return
        assert crantcli(command, self.source, *AS_TYPED, *words, "-o", text)
        assert merged[0].read_bytes() == text.read_bytes()
        same_tables(merged[1], whole)
        # The folder of parts is the table, too.
        assert crantcli(command, self.folder / "parts", *words, "-o", again)
        same_tables(again, whole)
        told, known, of_folder = map(record, (merged[1], whole, again))
        for name in ("ledger", "complete_for", "kind", "rows", "filters", "command"):
            assert told[name] == known[name], name
        own = {"merged", "inputs", "read_as"}
        assert {name: told[name] for name in told if name not in own} == {
            name: of_folder[name] for name in of_folder if name not in own
        }
        assert sorted(told["inputs"], key=str) == sorted(of_folder["inputs"], key=str)


def same_tables(one: Path, other: Path) -> None:
    """The same values of the same types."""
    first, second = (pq.read_table(path).replace_schema_metadata() for path in (one, other))
    assert [(field.name, field.type) for field in first.schema] == [(field.name, field.type) for field in second.schema]
    assert first.to_pydict() == second.to_pydict()


def filters(rule: Any, sized: bool = True) -> list[str]:
    """Rules as options."""
    found = ["--threshold", str(rule.threshold)] if rule.threshold > 1 else []
    found += [] if rule.clean else ["--no-clean"]
    return found + (["--min-size", str(rule.min_size)] if sized and rule.min_size is not None else [])


def chosen(folder: str, option: str, neurons: Sequence[Any] | None) -> list[str]:
    """Neurons as an option, in a file."""
    if neurons is None:
        return []
    name = Path(folder, f"{option.strip('-')}.txt")
    name.write_text("\n".join(map(str, neurons)) + "\n")
    return [option, f"@{name}"]


@SETTINGS
@given(data=st.data(), table=synapses() | edge_tables(), number=st.integers(2, 3))
def test_edges_of_parts_are_those_of_the_whole(data: st.DataObject, table: Drawn, number: int) -> None:
    rule = data.draw(rules(table))
    with TemporaryDirectory() as folder:
        words = filters(rule) + chosen(folder, "--neurons", data.draw(maybe_asked(table)))
        sides = data.draw(st.sampled_from([[], ["--no-upstream"], ["--no-downstream"]]))
        words += sides
        if table.has("neuropil") and data.draw(st.booleans()):
            words += ["--by", "neuropil"]
        if table.has("weight") and data.draw(st.booleans()):
            words += ["--sum-duplicates"]
        if table.has("size") and data.draw(st.booleans()):
            words += ["--weight", data.draw(st.sampled_from(["sum:size", "mean:size"]))]
        elif data.draw(st.booleans()):
            words += ["--normalize", "output"]
        if sides == ["--no-upstream"] and data.draw(st.booleans()):
            words += ["--top", "1"]
        Split(folder, table.frame, number).check("connectivity", *words)


@SETTINGS
@given(data=st.data(), table=synapses() | edge_tables(tidy=True), number=st.integers(2, 3))
def test_counts_of_parts_add_up(data: st.DataObject, table: Drawn, number: int) -> None:
    rule = data.draw(rules(table))
    with TemporaryDirectory() as folder:
        words = filters(rule) + chosen(folder, "--neurons", data.draw(maybe_asked(table)))
        if table.has("neuropil") and data.draw(st.booleans()):
            words += ["--by", "neuropil"]
        if table.has("size") and data.draw(st.booleans()):
            words += ["--weight", "sum:size"]
        Split(folder, table.frame, number).check("counts", *words)


@SETTINGS
@given(data=st.data(), table=synapses(), number=st.integers(2, 3))
def test_rows_of_parts_are_those_of_the_whole(data: st.DataObject, table: Drawn, number: int) -> None:
    rule = data.draw(rules(table))
    with TemporaryDirectory() as folder:
        words = filters(rule) + chosen(folder, "--pre", data.draw(maybe_asked(table)))
        words += chosen(folder, "--post", data.draw(maybe_asked(table)))
        Split(folder, table.frame, number).check("synapses", *words)


@pytest.mark.parametrize("text", [False, True])
def test_a_larger_table(tmp_path: Path, text: bool) -> None:
    """Text IDs that look like numbers in some parts are names in all."""
    split = Split(str(tmp_path), seeded_frame(seeded_synapses(text=text)), 4)
    for words in (["connectivity", "-t", "3"], ["counts"], ["synapses"], ["sort"]):
        split.check(*words)


def test_labels_and_groups_of_the_sample_brain(tmp_path: Path) -> None:
    split = Split(str(tmp_path), SAMPLE / "synapses.parquet", 3)
    cells = ["-a", SAMPLE / "annotations.csv"]
    signs = ["--sign", "known_nt", "--inhibitory", "gaba,glutamate", "--unsigned", "drop"]
    split.check("connectivity", *cells, "--annotate", "cell_type", *signs)
    split.check("counts", *cells, "--by", "cell_type", "-n", "cell_class=ER")


def test_neuropils_of_parts(crant: Crant, tmp_path: Path) -> None:
    """Assignments as of the folder of parts; what lies in each neuropil, but for numbers of different neurons."""
    shutil.copyfile(SAMPLE / "synapses.parquet", "raw.parquet")
    assert crant("synapses", "raw.parquet", "-o", "s.parquet").code == 0  # each synapse once
    assert crant("partition", "s.parquet", "--parts", "3", "-o", "parts").code == 0
    words = ("--meshes", SAMPLE / "meshes", "--coordinates", "nm", "--no-plot", "--assignments-only", "-o")
    folders = []
    for part in sorted(Path("parts").glob("*.parquet")):
        folders.append(f"of-{part.stem}")
        assert crant("neuropil", part, *words, folders[-1]).code == 0
    assert crant("neuropil", "parts", *words, "whole").code == 0
    merged = crant("merge", *folders[::-1], "-o", "merged")
    assert merged.code == 0, merged.err
    assert "numbers of different neurons do not add up" in merged.err
    same_tables(Path("merged/assignments.parquet"), Path("whole/assignments.parquet"))
    told, known = (pd.read_csv(f"{folder}/summary.csv") for folder in ("merged", "whole"))
    pd.testing.assert_frame_equal(told, known.drop(columns="neurons"))
    one, other = (json.loads(Path(f"{folder}/manifest.json").read_text()) for folder in ("merged", "whole"))
    for name in ("kind", "rows", "ledger", "complete_for", "assigned", "files", "options"):
        assert one[name] == other[name], name
    for name in ("ledger", "complete_for", "rows"):
        records = [record(f"{folder}/assignments.parquet")[name] for folder in ("merged", "whole")]
        assert records[0] == records[1]
    frame = cc.merge_parts(folders)
    assert frame.equals(pd.read_parquet("whole/assignments.parquet"))
    complaint(crant("merge", *folders[:2], "-o", "out"), 3, "part 3 of 3 is missing")
    complaint(crant("merge", folders[0], "s.parquet", "-o", "out"), 2, "s.parquet is not")
    shutil.rmtree("parts")
    assert crant("partition", "raw.parquet", "--parts", "2", "-o", "parts").code == 0
    for number in (1, 2):
        assert crant("neuropil", f"parts/part-0{number}.parquet", *words, f"n{number}").code == 0
    complaint(crant("merge", "n1", "n2", "-o", "out"), 3, "ids that come twice", "folder of all parts")


# What is refused


@pytest.fixture
def parts(crant: Crant) -> list[str]:
    """Edges of three parts of a small table, in e1, e2 and e3."""
    parquet_file("s.parquet", id=[1, 2, 3, 4, 5, 6], pre=[1, 1, 2, 2, 3, 3], post=[2, 3, 3, 1, 1, 2])
    assert crant("partition", "s.parquet", "--parts", "3", "-o", "parts").code == 0
    for number in (1, 2, 3):
        assert crant("connectivity", f"parts/part-0{number}.parquet", "-o", f"e{number}.parquet").code == 0
    return ["e1.parquet", "e2.parquet", "e3.parquet"]


def test_a_part_that_is_missing_or_comes_twice(crant: Crant, parts: list[str]) -> None:
    complaint(crant("merge", *parts[:2], "-o", "out.csv"), 3, "part 3 of 3 is missing", "e1.parquet, e2.parquet")
    complaint(crant("merge", parts[1], "-o", "out.csv"), 3, "parts 1, 3 of 3 are missing")
    shutil.copyfile("e2.parquet", "copy.parquet")
    complaint(crant("merge", *parts, "copy.parquet", "-o", "out.csv"), 3, "part 2 of 3 is given twice", "copy.parquet")
    shutil.copyfile("parts/part-02.parquet", "part.parquet")
    complaint(crant("connectivity", "parts/part-02.parquet", "part.parquet"), 3, "part 2 of 3 is given twice")
    assert not Path("out.csv").exists()


def test_parts_that_do_not_belong_together(crant: Crant, parts: list[str]) -> None:
    parquet_file("t.parquet", id=[1, 2, 3, 4, 5, 7], pre=[1, 1, 2, 2, 3, 3], post=[2, 3, 3, 1, 1, 2])
    assert crant("partition", "t.parquet", "--parts", "3", "-o", "others").code == 0
    assert crant("connectivity", "others/part-03.parquet", "-o", "e3.parquet").code == 0
    complaint(crant("merge", *parts, "-o", "out.csv"), 3, "e3.parquet was made of another partition than e1.parquet")
    for words, told in (
        (("connectivity", "-t", "2"), "e3.parquet was made with threshold 2, and e1.parquet with 1"),
        (("connectivity", "--no-clean"), "e3.parquet was made with clean false, and e1.parquet with true"),
        (("counts",), 'e3.parquet was made with command "counts"'),
        (("connectivity", "-n", "1"), "e3.parquet was made with"),
    ):
        assert crant(*words, "parts/part-03.parquet", "-o", "e3.parquet").code == 0
        complaint(crant("merge", *parts, "-o", "out.csv"), 3, told)


def test_parts_made_with_other_files_or_by_another_version(crant: Crant, parts: list[str]) -> None:
    for number in (1, 2, 3):
        text_file("cells.csv", f"root_id,cell_type\n1,{'A' if number < 3 else 'B'}\n")
        words = ("-a", "cells.csv", "--annotate", "cell_type")
        assert crant("connectivity", f"parts/part-0{number}.parquet", *words, "-o", f"e{number}.parquet").code == 0
    complaint(crant("merge", *parts, "-o", "out.csv"), 3, "was made of cells.csv, part-0", "same files")
    made = pq.read_table("parts/part-01.parquet")
    for number in (1, 2, 3):
        assert crant("connectivity", f"parts/part-0{number}.parquet", "-o", f"e{number}.parquet").code == 0
    made = pq.read_table("e2.parquet")
    told = {**record("e2.parquet"), "crantcli": "0.0.9"}
    pq.write_table(made.replace_schema_metadata({"crantcli": json.dumps(told)}), "e2.parquet")
    complaint(crant("merge", *parts, "-o", "out.csv"), 3, 'e2.parquet was made with version "0.0.9"')


def test_what_does_not_say_what_it_is(crant: Crant, parts: list[str]) -> None:
    assert crant("connectivity", "parts/part-01.parquet", "-o", "e1.csv").code == 0
    complaint(crant("merge", "e1.csv", *parts[1:], "-o", "out.csv"), 3, "e1.csv: does not say which part it is of")
    complaint(crant("merge", "s.parquet", "-o", "out.csv"), 3, "s.parquet: does not say how it was made")
    pq.write_table(pq.read_table("e1.parquet").slice(1), "e1.parquet")  # with the provenance of all rows
    complaint(crant("merge", *parts, "-o", "out.csv"), 3, "e1.parquet: does not say how it was made, or was changed")
    assert crant("connectivity", "parts", "-o", "whole.parquet").code == 0
    complaint(crant("merge", "whole.parquet", "-o", "out.csv"), 3, "was not made of parts")
    complaint(crant("merge", "parts", "-o", "out.csv"), 3, "every command reads it as the whole table")
    complaint(crant("merge", "parts/*.parquet", "-o", "out.csv"), 3, "is a part of the table itself")
    complaint(crant("merge", "nothing.parquet", "-o", "out.csv"), 2, "no such file")
    complaint(crant("merge", *parts[1:], "-o", "e2.parquet"), 3, "part 1 of 3 is missing")


def test_damaged_provenance(crant: Crant, parts: list[str]) -> None:
    made, told = pq.read_table("e2.parquet"), record("e2.parquet")
    ledger = {**told["ledger"], "kept": 1}
    part = {**told["complete_for"], "part": {**told["complete_for"]["part"], "numbers": [4]}}
    for damaged in ({**told, "ledger": ledger}, {**told, "complete_for": part}, {**told, "complete_for": 3}):
        pq.write_table(made.replace_schema_metadata({"crantcli": json.dumps(damaged)}), "e2.parquet")
        complaint(crant("merge", *parts, "-o", "out.csv"), 3, "e2.parquet: its provenance is damaged")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("connectivity", "-a", "cells.csv", "--by", "type"), "holds sums per type"),
        (("connectivity", "-a", "cells.csv", "--by", "cell_type"), "whole table"),
        (("connectivity", "--top", "1"), "--no-upstream"),
        (("counts", "-w", "mean:size"), "means"),
    ],
)
def test_what_does_not_add_up(crant: Crant, words: tuple[str, ...], told: str) -> None:
    text_file("cells.csv", "root_id,cell_type\n1,A\n2,A\n3,B\n")
    parquet_file("s.parquet", id=[1, 2, 3, 4], pre=[1, 1, 2, 2], post=[2, 3, 3, 1], size=[1, 2, 3, 4])
    assert crant("partition", "s.parquet", "--parts", "2", "-o", "parts").code == 0
    words = tuple("--weight" if word == "-w" else word for word in words)
    made = [crant(*words, f"parts/part-0{number}.parquet", "-o", f"e{number}.parquet") for number in (1, 2)]
    if made[0].code:
        assert told in made[0].err
        return
    complaint(crant("merge", "e1.parquet", "e2.parquet", "-o", "out.csv"), 3, told)


def test_a_part_is_not_taken_for_the_whole(crant: Crant, parts: list[str]) -> None:
    """It has all outputs of its neurons, and nobody's inputs."""
    part = "parts/part-02.parquet"
    alone = crant("counts", part, "-o", "totals.parquet")
    assert "part 2 of 3 of a partitioned table" in alone.err
    assert crant("connectivity", part, "--normalize", "output").code == 0
    complaint(crant("connectivity", part, "--normalize", "input"), 3, "does not hold every input")
    asked = crant(
        "connectivity", "parts", "--no-upstream", "-n", "1", "--normalize", "output", "--totals", "totals.parquet"
    )
    complaint(asked, 3, "does not hold every output of 1 of 1 neurons, such as 1")
    assert crant("connectivity", "parts", "--normalize", "input").code == 0
    told = crant("info", part).text
    assert "2 of 3 of partition" in told
    assert "outputs of neurons from 2 and below 3" in told


def test_results_of_several_parts_and_feather(crant: Crant, parts: list[str]) -> None:
    whole = crant("connectivity", "s.parquet").out
    assert crant("connectivity", "parts/part-01.parquet", "parts/part-03.parquet", "-o", "some.feather").code == 0
    merged = crant("merge", "some.feather", "e2.parquet")
    assert merged.out == whole
    for place, names in (("some", ("01", "03")), ("one", ("02",))):
        files = [f"parts/part-{name}.parquet" for name in names]
        assert crant("synapses", *files, "-o", f"{place}.parquet").code == 0
    complaint(crant("merge", "some.parquet", "one.parquet", "-o", "out.csv"), 3, "between which others lie")
    pd.testing.assert_frame_equal(cc.merge_parts(parts), cc.get_connectivity(source="s.parquet"))
    with pytest.raises(cc.DataError, match="part 1 of 3 is missing"):
        cc.merge_parts(parts[1:])
