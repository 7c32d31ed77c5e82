"""Large text tables are read once, into Parquet: with the same answers, notes and errors as when they are not."""

from __future__ import annotations

import csv
import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import Crant
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import SETTINGS, Drawn, edge_tables, rules, synapse_tables

import crantcli as cc
from crantcli.engine.duckdb import Engine
from crantcli.sources.tables import blocks, convert, gzipped, streams

NEVER = 10**18

#: Digits and signs that are no integers, or none as they are written.
ODD = ("-", "--1", "1-", "1-2", "-0", "-07", "00", "-9223372036854775809", "9" * 40)


def both(monkeypatch: pytest.MonkeyPatch, question: Callable[[], Any]) -> tuple[Any, Any]:
    found = []
    for size in (0, NEVER):
        monkeypatch.setattr(convert, "CONVERT_FROM", size)
        found.append(question())
    return found[0], found[1]


def write(path: Path, table: Drawn, odd: str, newline: str) -> None:
    """A table as text, in which values may be written in another way than integers are."""
    rows = [["" if row[name] is None else str(row[name]) for name in table.columns] for row in table.rows]
    for place, row in enumerate(rows):
        if odd and place == len(rows) - 1:
            row[-1] = odd
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator=newline).writerows([table.columns, *rows])


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
def test_both_ways_give_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Rows, types, provenance and warnings, whatever is written in some row."""

    @SETTINGS
    @given(
        data=st.data(),
        table=synapse_tables() | edge_tables(tidy=True),
        odd=st.sampled_from(["", "", " 7", "007", "7.0", "1e3", "NA", "x", "9223372036854775808", "-1", "+1", *ODD]),
        newline=st.sampled_from(["\n", "\n", "\r\n"]),
    )
    def check(data: st.DataObject, table: Drawn, odd: str, newline: str) -> None:
        rule = data.draw(rules(table))
        path = tmp_path / "table.csv"
        write(path, table, odd, newline)

        def asked() -> Any:
            found: list[Any] = []
            for ask in (cc.get_connectivity, cc.get_synapses):
                try:
                    frame = ask(source=path, allow_null=True, min_size=rule.min_size, threshold=rule.threshold)
                    found += [frame.to_csv(), frame.dtypes.astype(str).tolist(), frame.attrs]
                except cc.CrantError as error:
                    found.append(f"{type(error).__name__}: {error}")
            return found

        ours, theirs = both(monkeypatch, asked)
        assert ours == theirs

    check()


@pytest.mark.parametrize("packed", [False, True])
def test_a_value_that_is_no_integer_after_many_that_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, crant: Crant, packed: bool
) -> None:
    """It is told as what it is, and where it stands in its own file."""
    lines = [f"{pre},{pre % 7 + 1},{pre % 50}\n" for pre in range(8, 3000)]
    for number, last in enumerate(("5,6,7\n", "5,6,many\n")):
        content = "".join(["pre,post,size\n", *lines, last]).encode()
        name = f"{number}.csv" + (".gz" if packed else "")
        (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    (tmp_path / "both").mkdir()
    for file in tmp_path.glob("?.csv*"):
        file.rename(tmp_path / "both" / file.name)

    def asked() -> tuple[int, str, str]:
        done = crant("connectivity", "both", "--min-size", "1", "-o", "-")
        return done.code, done.text, done.err

    ours, theirs = both(monkeypatch, asked)
    assert ours == theirs
    assert ours[0] == 3
    assert f"1.csv{'.gz' if packed else ''}, column size, row 2993" in ours[2]


def test_a_text_table_is_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Apart from its first rows; and columns that play no part are not kept."""
    path = tmp_path / "table.csv"
    path.write_text("id,pre,post,size,note\n" + "".join(f"{n},{n % 5 + 1},{n % 3 + 1},{n},a\n" for n in range(5000)))
    statements: list[str] = []
    kept: list[Any] = []
    execute, copy = Engine.execute, convert.copy_of_blocks

    def noting(self: Engine, sql: str, parameters: Any = None) -> Any:
        statements.append(sql)
        return execute(self, sql, parameters)

    def noted(*given: Any) -> Any:
        kept.append(given[2])
        return copy(*given)

    monkeypatch.setattr(Engine, "execute", noting)
    monkeypatch.setattr(convert, "copy_of_blocks", noted)
    monkeypatch.setattr(convert, "CONVERT_FROM", 0)
    cc.get_connectivity(source=path, min_size=3)
    whole = [sql for sql in statements if "read_csv" in sql and "LIMIT" not in sql and not sql.startswith("DESCRIBE")]
    assert whole == []
    assert kept == [["id", "pre", "post", "size"]]


INTEGER = re.compile("0|-?[1-9][0-9]*")


@SETTINGS
@example(texts=["7", None, "-0"])
@example(texts=["0x1F"])
@example(texts=["00"])
@given(
    texts=st.lists(st.none() | st.integers().map(str) | st.text("019-", min_size=1) | st.text(min_size=1), max_size=5)
)
def test_integers_are_told_as_they_are_written(texts: list[str | None]) -> None:
    """By the same rule as a regular expression has, wherever a column begins in its memory."""
    plain = all(text is None or (INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63) for text in texts)
    for before in ([], ["", "12", None]):
        column = pa.chunked_array([pa.array([*before, *texts], pa.string()).slice(len(before))])
        found = blocks.as_integers(column)
        assert (found is not None) == plain
        if found is not None:
            assert found.to_pylist() == [None if text is None else int(text) for text in texts]


#: Ways of writing a row that some readers take for something else, and the way it is copied.
WAYS = {
    "6,7,x": "blocks",
    "6,7,": "blocks",
    "6,7,\xe9": "blocks",
    "6,7,'": "blocks",
    "06,7,x": "blocks, blocks",
    "6,9223372036854775808,x": "blocks, blocks",
    '6,7,"x"': "blocks, engine",
    '6,7,"x\n,y"': "blocks, engine",
    "6,7,x\r": "blocks, engine",
    "6,7,x\n\n6,7,x": "blocks, engine",
    "6,7,\ufeff": "blocks, engine",
    "6,7": "blocks, engine",
    "6,7,x,y": "blocks, engine",
}


@pytest.mark.parametrize("last", WAYS)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [64, 2**22])
def test_text_is_read_in_blocks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, last: str, threads: int, size: int
) -> None:
    """Whatever their size; what readers may take for something else is left to the engine, with its answer."""
    path = tmp_path / "table.csv"
    lines = [f"{n % 5 + 1},{n % 3 + 1},note {n}" for n in range(3000)]
    path.write_text("\n".join(["pre,post,note", *lines, last]), encoding="utf-8", newline="")
    ways: list[str] = []

    def noting(way: str, copy: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any) -> Any:
            ways.append(way)
            return copy(*given)

        return noted

    for way, name in (("blocks", "_copy_of_blocks"), ("engine", "_copy_by_engine")):
        monkeypatch.setattr(convert, name, noting(way, getattr(convert, name)))
    monkeypatch.setattr(blocks, "_BLOCK", size)
    monkeypatch.setattr(gzipped, "_BLOCK", size)
    monkeypatch.setattr(os, "cpu_count", lambda: threads)

    def asked() -> Any:
        try:
            found = cc.get_synapses(source=path)
        except cc.CrantError as error:
            return str(error)
        return found.to_csv(), found.attrs

    ours, theirs = both(monkeypatch, asked)
    assert ours == theirs
    assert ", ".join(ways) == WAYS[last]


def postponed(monkeypatch: pytest.MonkeyPatch, later: bool) -> None:
    """Unpack text when it is read, however little it is, or at once."""
    monkeypatch.setattr(streams, "LATER_FROM", 0 if later else NEVER)
    monkeypatch.setattr(streams, "_HEAD", 40)
    monkeypatch.setattr(gzipped, "_BLOCK", 64)
    monkeypatch.setattr(convert, "CONVERT_FROM", 0)


#: Tables, what is asked about them, and whether they are copied in blocks, so that the unpacked text is never written.
PACKED = {
    "edges": ("pre,post,weight\n1,2,3\n2,3,4\n", "connectivity t.csv.gz", True),
    "edges with names": ("pre,post,weight\na,b,3\nb,c,4\n", "connectivity t.csv.gz", True),
    "synapses": ("id,pre,post,size\n1,2,3,4\n2,3,4,5\n", "synapses t.csv.gz", True),
    "a quote": ('pre,post,weight\n1,2,"3"\n', "connectivity t.csv.gz", False),
    "lines of Windows": ("pre,post,weight\r\n1,2,3\r\n", "connectivity t.csv.gz", False),
    "an adjacency": (",a,b\na,0,1\nb,2,0\n", "connectivity t.csv.gz --kind adjacency", False),
    "a comparison": ("pre,post,weight_a,weight_b,difference\n1,2,3,4,1\n", "view t.csv.gz -o v.html", False),
    "blanks between": ("pre post weight\n1 2 3\n2 3 4\n", "connectivity t.csv.gz", False),
    "a long first line": (f"pre,post,weight,{'n' * 100}\n1,2,3,x\n", "connectivity t.csv.gz", False),
    "totals": ("neuron_id,pre_synapses,post_synapses\n1,9,9\n2,9,9\n",
               "connectivity t.csv --totals t.csv.gz --normalize input", False),
    "annotations": ("root_id,cell_type\n1,A\n2,B\n", "connectivity t.csv -a t.csv.gz --by cell_type", False),
    "a list of neurons": ("root_id\n1\n2\n", "connectivity t.csv -n @t.csv.gz", False),
    "two tables": ("pre,post,weight\n1,2,3\n2,3,4\n", "compare t.csv.gz t.csv", True),
    "one table twice": ("pre,post,weight\n1,2,3\n2,3,4\n", "connectivity t.csv.gz -n @t.csv.gz:pre", False),
    "info": ("pre,post,weight\n1,2,3\n2,3,4\n", "info t.csv.gz", False),
    "a row of too many": ("pre,post,weight\n" + "1,2,3\n" * 40 + "2,3,4,5\n", "connectivity t.csv.gz", False),
    "no number": ("pre,post,weight\n1,2,3\n2,3,4\n2,3,x\n", "connectivity t.csv.gz", True),
}  # fmt: skip


@pytest.mark.parametrize("name", PACKED)
def test_packed_text_is_unpacked_when_it_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, crant: Crant, name: str
) -> None:
    text, words, in_blocks = PACKED[name]
    Path("t.csv").write_text("pre,post,weight\n1,2,3\n")
    Path("t.csv.gz").write_bytes(gzip.compress(text[:30].encode()) + gzip.compress(text[30:].encode()) + bytes(9))
    unpacked: list[Path] = []
    unpack = streams.unpack

    def noting(path: Path, *more: Any) -> None:
        unpacked.append(path)
        unpack(path, *more)

    monkeypatch.setattr(streams, "unpack", noting)
    found = []
    for later in (False, True):
        postponed(monkeypatch, later)
        unpacked.clear()
        done = crant(*words.split())
        files = {path.name: path.read_bytes() for path in Path().glob("v.*")}
        found.append((done.code, done.out, done.err, files))
    assert found[0] == found[1]
    assert found[0][0] == (3 if name in ("a row of too many", "no number") else 0), found[0][2]
    assert (not unpacked) == in_blocks


@pytest.mark.parametrize("place", range(0, 3000, 149))
def test_damage_behind_the_first_lines_of_packed_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, crant: Crant, place: int
) -> None:
    """It is the same complaint, whenever it is unpacked."""
    lines = [f"{n * 7919 % 1000 + 1},{n * 104729 % 997 + 1},{n % 7 + 1}\n" for n in range(1500)]
    content = bytearray(gzip.compress("".join(["pre,post,weight\n", *lines]).encode(), mtime=0))
    content[len(content) - 1 - place] ^= 32
    Path("t.csv.gz").write_bytes(content)
    found = []
    for later in (False, True):
        postponed(monkeypatch, later)
        done = crant("connectivity", "t.csv.gz", "--sum-duplicates")
        found.append((done.code, done.out, done.err))
    assert found[0] == found[1]
    assert found[0][0] == 3
    assert "t.csv.gz" in found[0][2]


def test_a_line_without_an_end_is_left_to_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A block of lines would not fit into memory."""
    path = tmp_path / "table.csv"
    path.write_text("pre,post,note\n6,7," + "x" * 100 + "\n6,7,x\n")
    monkeypatch.setattr(gzipped, "_BLOCK", 8)
    ways: list[str] = []
    copy = convert._copy_by_engine
    monkeypatch.setattr(convert, "_copy_by_engine", lambda *given: ways.append("engine") or copy(*given))
    for size in (32, 2**21):
        monkeypatch.setattr(blocks, "_BLOCK", size)
        ours, theirs = both(monkeypatch, lambda: cc.get_synapses(source=path).to_csv())
        assert ours == theirs
        assert ours.count("\n") == 3
    assert ways == ["engine"]
