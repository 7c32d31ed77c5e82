"""Files that are changed, replaced or removed while a command reads them: no result, whatever was read of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Crant
from tables import complaint, parquet_file, text_file

import crantcli as cc
from crantcli.errors import IncompleteError

ROWS = "pre,post\n1,2\n1,2\n2,3\n"


def appended(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("3,1\n")


def replaced(path: Path) -> None:
    text_file("next.csv", ROWS.replace("2,3", "2,4"))
    os.replace("next.csv", path)


def overwritten(path: Path) -> None:
    """In place, with as many bytes."""
    before = path.stat().st_mtime_ns
    path.write_text(ROWS.replace("2,3", "2,4"), encoding="utf-8")
    os.utime(path, ns=(before + 1, before + 1))  # the clock of a file system may tick slower than this test


def removed(path: Path) -> None:
    path.unlink()


CHANGES = (appended, replaced, overwritten, removed)


@contextmanager
def pipe_after(change: Callable[[], None], content: str = ROWS) -> Iterator[None]:
    """A named pipe, into which something is written when somebody reads from it, after something else has happened."""
    os.mkfifo("pipe")

    def write() -> None:
        with Path("pipe").open("w", encoding="utf-8") as pipe:
            change()
            pipe.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        os.close(os.open("pipe", os.O_RDONLY | os.O_NONBLOCK))  # where nobody has read, the thread waits
        thread.join(60)
        Path("pipe").unlink()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("s.csv", ROWS)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["s.csv", "folder", "*.csv"])
def test_no_result_of_a_table_that_changes(crant: Crant, name: str, change: Callable[[Path], None]) -> None:
    path = Path("s.csv")
    if name == "folder":
        Path("folder").mkdir()
        path = Path("folder", "s.csv")
        os.rename("s.csv", path)
    with pipe_after(lambda: change(path)):
        outcome = crant("connectivity", name, "pipe", "-o", "out.csv")
    complaint(outcome, 6, f"{path}: the file was changed, replaced or removed while it was read; run the command again")
    assert not Path("out.csv").exists()


def test_no_result_of_other_inputs_that_change(crant: Crant) -> None:
    """Annotations, a list of neurons, Parquet, and a matrix."""
    types = "root_id,cell_type\n1,A\n2,B\n3,B\n"
    for words, changed in (
        (["s.csv", "-a", "types.csv"], "types.csv"),
        (["s.csv", "-n", "@ids.txt"], "ids.txt"),
        (["s.parquet"], "s.parquet"),
        (["s.npz"], "s.npz"),
    ):
        text_file("types.csv", types)
        text_file("ids.txt", "1\n2\n")
        parquet_file("s.parquet", pre=[1, 1, 2], post=[2, 2, 3])
        assert crant("adjacency", "s.parquet", "-o", "s.npz").code == 0
        # The last neurons are read when all else has been found.
        with pipe_after(lambda path=Path(changed): os.utime(path, ns=(0, 0)), "2\n3\n"):  # type: ignore[misc]
            outcome = crant("connectivity", *words, "-n", "@pipe", "-o", "out.csv")
        complaint(outcome, 6, f"{changed}: the file was changed")
        assert not Path("out.csv").exists()


def test_no_link_to_what_has_changed(crant: Crant) -> None:
    text_file("types.csv", "root_id,cell_type\n1,A\n2,B\n3,B\n")
    text_file("brain.toml", '[files]\nannotations = "types.csv"\n')
    with pipe_after(lambda: appended(Path("types.csv")), "2\n3\n"):
        outcome = crant("link", "@pipe", "-d", "brain.toml", "-o", "state.json")
    complaint(outcome, 6, "types.csv: the file was changed")
    assert not Path("state.json").exists()


def test_python_gives_no_answer_of_it() -> None:
    with pipe_after(lambda: appended(Path("s.csv"))), pytest.raises(IncompleteError, match=r"s\.csv: the file was"):
        cc.ask(cc.questions.Connectivity(), source=["s.csv", "pipe"])  # type: ignore[attr-defined]


def test_a_table_that_stays(crant: Crant) -> None:
    with pipe_after(lambda: text_file("other.csv", ROWS)):
        assert crant("connectivity", "s.csv", "pipe", "-q", "-o", "out.csv").code == 0
    assert Path("out.csv").read_text(encoding="utf-8") == "pre,post,weight\n1,2,4\n2,3,2\n"
