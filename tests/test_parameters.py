"""Parameters in messages: marked below the command line, spelled by whoever shows them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Crant

import crantcli as cc
from crantcli import errors
from crantcli.cli.command import find_commands
from crantcli.cli.names import flags_of
from crantcli.errors import CrantError, UsageError
from crantcli.remote import cache, outcomes
from crantcli.text import Flag, P, as_flags, flag_of, in_python

PACKAGE = ROOT / "crantcli"
TREES = {path.relative_to(PACKAGE): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
COMMANDS = [f"crantcli {command.name}" for command in find_commands()]
#: `--min-size`, `--` before a name that a message fills in, and `-o`.
OPTION = re.compile(r"(?<![\w-])(--([a-z]|$)|-[A-Za-z](?![\w-]))")
#: What the help calls the arguments, such as `SOURCE`.
ARGUMENTS = {flag.on for label in COMMANDS for flag in flags_of(label).values() if not flag.on.startswith("-")}


@pytest.mark.parametrize(
    ("text", "python", "shell"),
    [
        (f"{P.min_size} needs sizes", "min_size needs sizes", "--min-size needs sizes"),
        (P.by("type"), 'by="type"', "--by type"),
        (P.top(3), "top=3", "--top 3"),
        (P.where("size > 3"), 'where="size > 3"', "--where 'size > 3'"),
        (P.where("type = ''"), "where=\"type = ''\"", "--where 'type = '\"'\"''\"'\"''"),
        (P.null_text(""), 'null_text=""', "--null-text ''"),
        (P.null_text('"'), r'null_text="\""', "--null-text '\"'"),
        (P.clean(False), "clean=False", "--no-clean"),
        (P.signed(True), "signed=True", "--signed"),
        (P.log(False), "log=False", "--linear"),
        (P.totals.metavar("FILE"), "totals", "--totals FILE"),
        (P.header.metavar("A,B", "@FILE"), "header", "--header A,B or --header @FILE"),
        (f"crantcli synapses {P.pre.flag} 5", "crantcli synapses --pre 5", "crantcli synapses --pre 5"),
        (" or ".join([P.pre, P.post]), "pre or post", "--pre or --post"),
        ("\ufdd0 of a file \ufdd1", "\ufdd0 of a file \ufdd1", "\ufdd0 of a file \ufdd1"),
    ],
)
def test_a_parameter_is_spelled_for_whoever_reads(text: str, python: str, shell: str) -> None:
    assert in_python(text) == python
    assert as_flags(text, flags_of("crantcli nested")) == shell
    assert str(UsageError(text)) == python


def test_a_function_may_call_a_parameter_otherwise() -> None:
    assert in_python(f"{P.neuropils} EB, {P.annotations('a.csv')}", {"neuropils": "names"}) == (
        'names EB, annotations="a.csv"'
    )


def test_options_are_those_that_typer_is_told() -> None:
    assert flags_of("crantcli nested")["clean"] == Flag("--clean", "--no-clean")
    assert flags_of("crantcli nested")["log"] == Flag("--log", "--linear")
    assert as_flags(P.source, flags_of("crantcli nested")) == "SOURCE"
    assert as_flags(P.neurons, flags_of("crantcli ids")) == "NEURONS"
    assert not flags_of("crantcli")


def test_options_that_files_record_follow_the_rule() -> None:
    """Files and other commands do not know which command declares an option."""
    found = {
        (name, flag.on) for label in COMMANDS for name, flag in flags_of(label).items() if flag.on.startswith("--")
    }
    assert found
    assert [name for name, flag in sorted(found) if flag_of(name).on != flag] == []


def constants(tree: ast.Module) -> Iterator[ast.Constant]:
    """Texts, docstrings apart."""
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node


#: Beside `text.py`, which spells options.
BELOW = [path for path in TREES if path.parts[0] not in ("cli", "text.py")]


@pytest.mark.parametrize("path", BELOW, ids=str)
def test_no_option_is_named_below_the_command_line(path: Path) -> None:
    assert [(node.lineno, node.value) for node in constants(TREES[path]) if OPTION.search(node.value)] == []


def test_the_search_finds_options() -> None:
    text = (
        '"""Of --this not."""\nraise E(f"--where {x}: no", "leave --no-clean out", "a--b", f"--{x} no", "with -o", '
        '"-a FILE", "-", "co-op", "-1", "x -inf")'
    )
    found = {node.value for node in constants(ast.parse(text)) if OPTION.search(node.value)}
    assert found == {"--where ", "leave --no-clean out", "--", "with -o", "-a FILE"}


@pytest.mark.parametrize("path", BELOW, ids=str)
def test_no_argument_is_named_below_the_command_line(path: Path) -> None:
    """What stands for a value is told to `metavar` alone."""
    tree = TREES[path]
    allowed = {
        id(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "metavar"
        for value in node.args
    }
    assert {"SOURCE", "NEURONS"} <= ARGUMENTS
    names = re.compile(rf"(?<![@\w])({'|'.join(map(re.escape, sorted(ARGUMENTS)))})\b")
    found = [node for node in constants(tree) if id(node) not in allowed and names.search(node.value)]
    assert [(node.lineno, node.value) for node in found] == []


def test_every_parameter_that_a_message_names_is_an_option() -> None:
    known = {name for label in COMMANDS for name in flags_of(label)}
    named = {
        (str(path), node.attr)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "P"
    }
    assert len(named) > 100
    assert sorted(found for found in named if found[1] not in known) == []


KINDS = {
    name
    for module in (errors, outcomes, cache)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, CrantError)
}


@pytest.mark.parametrize("path", BELOW, ids=str)
def test_an_error_that_says_more_of_another_keeps_its_marks(path: Path) -> None:
    """`str(error)` has parameters spelled for Python, which the shell cannot undo: `error.message` has them marked."""
    for node in ast.walk(TREES[path]):
        if not isinstance(node, ast.ExceptHandler) or node.name is None or node.type is None:
            continue
        if not KINDS & {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}:
            continue
        for inner in ast.walk(node):
            shown = isinstance(inner, ast.FormattedValue) and inner.value
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "str":
                shown = inner.args[0]
            assert not (isinstance(shown, ast.Name) and shown.id == node.name), f"{path}:{inner.lineno}"


EDGES = "pre,post,weight\n1,2,3\n1,3,4\n2,3,5\n"
TYPES = "root_id,cell_type\n1,A\n2,A\n3,B\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with edges and types."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edges.csv").write_text(EDGES)
    (tmp_path / "types.csv").write_text(TYPES)
    (tmp_path / "long.csv").write_text(TYPES.replace("A", "rather-long-" * 20))
    (tmp_path / "none.csv").write_text("pre,post,size\n1,2,5\n")
    return tmp_path


def test_files_and_summaries_record_options(crant: Crant, folder: Path) -> None:
    made = crant("connectivity", "edges.csv", "--top", "1", "--by", "type", "-a", "types.csv", "-o", "out.parquet")
    assert made.code == 0
    told = json.loads(crant("info", "out.parquet", "--json").out)
    assert told["provenance"]["complete_for"]["thinned_by"] == "--top 1 and --by type, which leaves out untyped neurons"
    refused = crant("connectivity", "out.parquet", "--normalize", "input")
    assert "thinned by --top 1 and --by type" in refused.err
    summary = crant("connectivity", "none.csv", "--kind", "synapses", "--where", "size > 9", "--json")
    assert json.loads(summary.out)["read_as"][1:] == ["none.csv: no row meets --where size > 9"]
    assert "none.csv: no row meets --where size > 9" in summary.err
    for path in folder.iterdir():
        assert "\ufdd0".encode() not in path.read_bytes()
        assert b"\\ufdd0" not in path.read_bytes()


def test_warnings_name_parameters(folder: Path) -> None:
    with pytest.warns(cc.CrantWarning, match="make figsize larger"):
        cc.NestedMatrix.from_connectivity("edges.csv", "long.csv").plot(figsize=(6, 5))
    frame = cc.get_connectivity(source="none.csv", kind="synapses", where="size > 9")
    assert frame.attrs["crantcli"]["read_as"][1:] == ["none.csv: no row meets where size > 9"]


def test_what_files_are_refused_for_is_told_with_options(crant: Crant, folder: Path) -> None:
    (folder / "two.csv").write_text("pre,post,source,target\n1,2,3,4\n")
    assert b"say which with --pre-col and --post-col" in crant("info", "two.csv").out
    assert "--pre-col and --post-col" in json.loads(crant("info", "two.csv", "--json").out)["refused"]
