"""Large text tables are read once, into Parquet: with the same answers, notes and errors as when they are not."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Crant
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import SETTINGS, Drawn, edge_tables, rules, synapse_tables

import crantcli as cc
from crantcli.engine.duckdb import Engine
from crantcli.sources.tables import convert, integers

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
    execute = Engine.execute

    def noting(self: Engine, sql: str, parameters: Any = None) -> Any:
        statements.append(sql)
        return execute(self, sql, parameters)

    monkeypatch.setattr(Engine, "execute", noting)
    monkeypatch.setattr(convert, "CONVERT_FROM", 0)
    cc.get_connectivity(source=path, min_size=3)
    whole = [sql for sql in statements if "read_csv" in sql and "LIMIT" not in sql and not sql.startswith("DESCRIBE")]
    copies = [sql for sql in whole if sql.startswith("COPY")]
    assert len(copies) == 1
    assert "note" not in copies[0].partition(" FROM ")[0]
    assert whole == copies


ALONE = re.compile(rb"[^\n]*(\n|$)((0|-?[1-9][0-9]*)?[,\n])*(0|-?[1-9][0-9]*)?")


@SETTINGS
@example(content="-0,1", block=4)
@example(content="7,-", block=4)
@example(content="00", block=1)
@example(content="1-2", block=2)
@given(
    content=st.text("019-,\n", max_size=12) | st.text('0-,\n\r\t "/:5e.\x00\xe9', max_size=6), block=st.integers(1, 4)
)
def test_integers_are_told_from_bytes(content: str, block: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """By the same rule as a regular expression has, wherever blocks end."""
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    written = b"a,b\n" + content.encode()
    path.write_bytes(written)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integers, "_BLOCK", block)
        assert integers.holds_integers_only(path, ",") == bool(ALONE.fullmatch(written))


@pytest.mark.parametrize("last", ["6,7", "6,07", "6,9223372036854775808"])
def test_integers_alone_are_read_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, last: str) -> None:
    """Whatever is something else, or larger, is looked at as text."""
    path = tmp_path / "table.csv"
    path.write_text("pre,post\n" + "".join(f"{n % 5 + 1},{n % 3 + 1}\n" for n in range(3000)) + f"{last}\n")
    copies: list[str] = []
    copy = Engine.copy

    def noting(self: Engine, query: str, *more: Any) -> None:
        copies.append(query)
        copy(self, query, *more)

    monkeypatch.setattr(Engine, "copy", noting)
    monkeypatch.setattr(convert, "CONVERT_FROM", 0)
    found = cc.get_connectivity(source=path)
    assert found["weight"].sum() == 2401
    assert ("'BIGINT'" in copies[0]) == (last != "6,07")
    assert len(copies) == {"6,7": 1, "6,07": 2, "6,9223372036854775808": 3}[last]
