"""Which engine answers: what is chosen, and what is refused by name rather than answered by the other one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from conftest import Crant
from tables import text_file

from crantcli.core.questions import base
from crantcli.engine.spark.text import spelled, unordered
from crantcli.errors import UsageError

NOT_YET = {
    "similar": "similar t.csv -o out.csv",
    "partition": "partition t.csv --parts 2 -o out",
    "sort": "sort t.csv -o out.parquet",
    "export": "export t.csv -o out.graphml",
    "compare": "compare t.csv t.csv -o out.csv",
}


@pytest.fixture(autouse=True)
def _table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("t.csv", "pre,post\n1,2\n1,2\n2,3\n")


@pytest.mark.parametrize("command", NOT_YET)
@pytest.mark.parametrize("chosen", ["option", "environment"])
def test_commands_that_spark_does_not_answer_say_so(
    crant: Crant, monkeypatch: pytest.MonkeyPatch, command: str, chosen: str
) -> None:
    words = NOT_YET[command].split()
    if chosen == "option":
        words += ["--engine", "spark"]
    else:
        monkeypatch.setenv("CRANTCLI_ENGINE", "spark")
    outcome = crant(*words)
    assert (outcome.code, outcome.out) == (2, b"")
    assert outcome.err.startswith(f"crantcli {command}: --engine spark: ")
    assert "leave --engine out" in outcome.err
    assert not list(Path().glob("out*"))


def test_merge_has_no_use_for_spark(crant: Crant) -> None:
    assert crant("counts", "t.csv", "-o", "a.parquet").code == 0
    outcome = crant("merge", "a.parquet", "--engine", "spark", "-o", "out.parquet")
    assert (outcome.code, Path("out.parquet").exists()) == (2, False)


def test_the_option_goes_before_the_environment(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRANTCLI_ENGINE", "spark")
    assert crant("adjacency", "t.csv", "--engine", "duckdb", "-o", "out.csv").code == 0
    monkeypatch.setenv("CRANTCLI_ENGINE", "sprak")
    outcome = crant("counts", "t.csv")
    assert outcome.code == 2
    assert "CRANTCLI_ENGINE is 'sprak': it says duckdb or spark" in outcome.err
    monkeypatch.setenv("CRANTCLI_ENGINE", "")
    assert crant("counts", "t.csv").code == 0


def test_where_spark_runs_is_said_of_spark_only(crant: Crant) -> None:
    outcome = crant("counts", "t.csv", "--spark", "spark://localhost:7077")
    assert outcome.code == 2
    assert "--spark spark://localhost:7077 goes with --engine spark" in outcome.err


def test_without_pyspark_it_is_said_what_to_install(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pyspark" else found(name, *a))
    outcome = crant("counts", "t.csv", "--engine", "spark", "-o", "out.csv")
    assert (outcome.code, Path("out.csv").exists()) == (2, False)
    assert "pip install 'crantcli[spark]'" in outcome.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("counts abfss://host/table", "abfss://host/table is an address"),
        ("counts t.csv --assignments a.parquet --neuropil EB", "--assignments cannot be asked of Spark yet"),
        ("connectivity -d crantb -n 5", "fetched from a server"),
    ],
)
def test_what_spark_does_not_read_is_refused_before_it_starts(crant: Crant, words: str, told: str) -> None:
    outcome = crant(*words.split(), "--engine", "spark", "-o", "out.csv")
    assert outcome.code == 2
    assert told in outcome.err


def test_questions_say_whether_spark_answers_them() -> None:
    """They are those that tests have compared."""
    known = base.Question.__subclasses__()
    compared = {"adjacency", "connectivity", "counts", "nested", "neuropil", "synapses"}
    assert {question.command for question in known if question.spreads} <= compared


SPELLED = {
    "SELECT 'it''s', 'a\\b' AS \"a`\"\"b\"": r"SELECT 'it\'s' , 'a\\b' AS `a``\"b`".replace('\\"', '"'),
    "SELECT a FROM t ORDER BY a, b DESC LIMIT 1": "SELECT a FROM t ORDER BY a NULLS LAST, b DESC NULLS LAST LIMIT 1",
    "SELECT rank() OVER (ORDER BY a NULLS FIRST)": "SELECT rank() OVER (ORDER BY a NULLS FIRST)",
    "SELECT count(*) FILTER (a = 1)": "SELECT count(*) FILTER (WHERE a = 1)",
    "SELECT CAST(a AS VARCHAR), trim(b, ' ')": "SELECT cast(a AS STRING) , btrim(b , ' ')",
    'SELECT "p"[3]': "SELECT `p` [2]",
    "SELECT ['a', 'b'][n + 1] FROM t": "SELECT element_at(array('a' , 'b'), n + 1) FROM t",
    "SELECT 1 FROM t WHERE NOT (t.a IN (SELECT id FROM u))": "SELECT 1 FROM t WHERE NOT (CASE WHEN t.a IS NOT NULL "
    "THEN EXISTS (SELECT 1 FROM (SELECT id AS `the id` FROM u) WHERE `the id` = t.a) END)",
    "SELECT id NOT IN (SELECT id FROM u)": "SELECT CASE WHEN id IS NOT NULL THEN NOT EXISTS (SELECT 1 FROM "
    "(SELECT id AS `the id` FROM u) WHERE `the id` = id) END",
    "SELECT a + b IN (SELECT id FROM u)": "SELECT a + b IN (SELECT id FROM u)",
    "SELECT a IN (SELECT id FROM u WHERE b)": "SELECT a IN (SELECT id FROM u WHERE b)",
    "SELECT isfinite(a)": "SELECT (abs(a) < double('Infinity'))",
    "SELECT row_number() OVER (PARTITION BY a)": "SELECT row_number() OVER (PARTITION BY a ORDER BY a)",
    "SELECT 1 FROM t GROUP BY name ORDER BY name": "SELECT 1 FROM t GROUP BY name ORDER BY name NULLS LAST",
}


@pytest.mark.parametrize("statement", SPELLED)
def test_statements_in_sparks_words(statement: str) -> None:
    assert spelled(statement) == SPELLED[statement]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT round(a) FROM t",
        "SELECT log(a) FROM t",
        "SELECT concat(a, b) FROM t",
        "SELECT a FROM t UNION ALL BY NAME SELECT a FROM u",
        "SELECT row_number() OVER () FROM t",
        "SELECT p[n + 1] FROM t",
        "SELECT p[1][2] FROM t",
        "SELECT bitstring_agg(a, 1, 2) FROM t",
    ],
)
def test_what_may_mean_something_else_is_refused(statement: str) -> None:
    with pytest.raises(UsageError, match="not known to mean the same in Spark"):
        spelled(statement)


def test_only_the_last_order_is_left_out() -> None:
    query = "SELECT a, ' ORDER BY x' FROM (SELECT * FROM t ORDER BY b) "
    assert unordered(f"{query}ORDER BY a") == query
    assert unordered(query) == query
