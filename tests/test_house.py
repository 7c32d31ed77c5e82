"""Rules of the house that can be read from the source: names that stand once, sizes, folders, one way out."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT

import crantcli as cc

PACKAGE = ROOT / "crantcli"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}

#: Lines that a module may have. `api/nested.py` repeats the parameter lists of the functions that it follows.
LONGEST, EXEMPT = 450, {"api/nested.py"}

#: Names that were in use before the field's own: a class, function or module of such a name would be a step back.
OLD = {
    "brain", "companions", "crew", "facts", "job", "moment", "patience", "recorded", "roster", "session", "told",
    "wholes", "wire", "workspace",
}  # fmt: skip

#: Where files are written (`fetch.py` keeps pieces of an answer), and where servers are spoken to.
WRITERS = ("output/", "remote/", "engine/", "system/", "sources/cave/fetch.py")
CLIENTS = ("remote/", "sources/cave/")


def definitions(kind: type[ast.AST], public: bool = False) -> Counter[str]:
    """How often names of classes, or of functions, are defined at the top of modules."""
    return Counter(
        node.name
        for tree in TREES.values()
        for node in tree.body
        if isinstance(node, kind) and not (public and node.name.startswith("_"))  # type: ignore[attr-defined]
    )


def test_no_class_stands_twice() -> None:
    assert [name for name, number in definitions(ast.ClassDef).items() if number > 1] == []


def test_no_public_function_stands_twice_but_those_named_as_commands() -> None:
    """`ask` is asked from Python and from the command line; `main` is what runs."""
    commands = {path.stem for path in (PACKAGE / "cli" / "commands").glob("*.py")} | {"main", "ask"}
    found = definitions(ast.FunctionDef, public=True)
    assert [name for name, number in found.items() if number > 1 and name not in commands] == []


@pytest.mark.parametrize("name", TREES)
def test_modules_can_be_read_in_one_go(name: str) -> None:
    lines = len((PACKAGE / name).read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST or name in EXEMPT


def test_the_top_is_clear() -> None:
    """What everybody needs, and nothing else."""
    loose = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert len(loose) <= 5, loose


def test_the_map_shows_every_folder() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    folders = {path.parent.relative_to(PACKAGE).as_posix() for path in MODULES} - {
        ".",
        "cli/commands",
        "output/figures",
    }
    assert [folder for folder in sorted(folders) if f"`{folder}/`" not in text] == []
    for path in sorted(set(re.findall(r"`((?:[a-z]+/)+[a-z_]+\.py)`", text))):
        assert "influence" in path or (PACKAGE / path).exists() or (ROOT / path).exists(), path


def test_names_are_the_fields_own() -> None:
    used = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}
    used |= {name.lower() for name in definitions(ast.ClassDef)} | set(definitions(ast.FunctionDef, public=True))
    assert sorted(used & OLD) == []


#: What servers, files and libraries call so, too.
ALLOWED = {"facts", "patience", "recorded", "session", "workspace"}


@pytest.mark.parametrize("name", TREES)
def test_members_have_the_fields_own_names(name: str) -> None:
    """Methods, properties and attributes, wherever they are used."""
    for node in ast.walk(TREES[name]):
        used = {node.attr} if isinstance(node, ast.Attribute) else set()
        used |= {node.name} if isinstance(node, ast.FunctionDef) else set()
        assert not used & ((OLD - ALLOWED) | {"forgotten"}), f"{name}:{node.lineno}"  # type: ignore[attr-defined]


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func) + "(" + ", ".join(map(ast.unparse, node.args)) + ")"


@pytest.mark.parametrize("name", [name for name in TREES if not name.startswith(WRITERS)])
def test_files_are_written_by_output_alone(name: str) -> None:
    for line, call in calls(TREES[name]):
        written = (".write_text(", ".write_bytes(", ".to_csv(", ".to_parquet(", ".to_feather(", ".savefig(")
        assert not any(word in call for word in written), f"{name}:{line}: {call}"
        assert not (call.startswith("open(") and "'w" in call), f"{name}:{line}: {call}"


@pytest.mark.parametrize("name", [name for name in TREES if not name.startswith(CLIENTS)])
def test_servers_are_spoken_to_in_one_place(name: str) -> None:
    for node in ast.walk(TREES[name]):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not any(name.partition(".")[0] in ("requests", "urllib3", "http") for name in names), name


#: Function -> its question, and parameters that it calls otherwise.
FUNCTIONS = {
    "get_synapses": ("Synapses", {"pre": "pre_ids", "post": "post_ids"}),
    "get_connectivity": ("Connectivity", {"neurons": "neuron_ids"}),
    "get_synapse_counts": ("Counts", {"neurons": "neuron_ids"}),
    "get_adjacency": ("Adjacency", {"pre": "pre_ids", "post": "post_ids"}),
    "attach_synapses": ("Attach", {}),
}

#: Defaults that differ, and why.
REASONS = {
    ("get_adjacency", "keep_unconnected"): "None tells whether the older name is used",
    ("attach_synapses", "max_distance"): "the number, where None stands for it",
    ("attach_synapses", "neurons"): "navis neurons, which must be given",
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_the_defaults_of_its_question(function: str) -> None:
    question, renamed = FUNCTIONS[function]
    defaults: dict[str, Any] = {
        field.name: field.default for field in dataclasses.fields(getattr(cc.questions, question))
    }
    parameters = inspect.signature(getattr(cc, function)).parameters
    for name, default in defaults.items():
        parameter = parameters.get(renamed.get(name, name))
        if parameter is not None and (function, name) not in REASONS:
            assert parameter.default == default, name


def options(command: str) -> dict[str, Any]:
    """Defaults of a command's options."""
    from crantcli.cli.app import _command

    found = _command().get_command(None, command)
    return {parameter.name: parameter.default for parameter in found.params}


@pytest.mark.parametrize("question", sorted(set(cc.questions.__all__) - {"Neuropil"}))
def test_a_command_has_the_defaults_of_its_question(question: str) -> None:
    kind = getattr(cc.questions, question)
    asked = options(kind.command)
    compared = 0
    for field in dataclasses.fields(kind):
        if field.name in asked:
            compared += 1
            assert asked[field.name] in (field.default, None) or asked[field.name] == [], field.name
    assert compared or not dataclasses.fields(kind)


#: What nobody calls by name in the package: what pandas and click call, and what the tests and benchmarks read with.
#: Of these, `modified` and `seekable` are asked by the packages that read through them.
UNCALLED = {"_constructor", "contains_each", "format_options", "modified", "read_neuropils", "seekable"}


def test_everything_is_used() -> None:
    """Outside of where it is defined, but for what the package offers."""
    words = Counter(word for path in MODULES for word in re.findall(r"\w+", path.read_text(encoding="utf-8")))
    defined = Counter(
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    )
    offered = {name for kind in (cc.NestedMatrix, cc.DirectedNestedMatrix, cc.NeuropilCollection) for name in dir(kind)}
    unused = {name for name, number in defined.items() if words[name] <= number and not name.startswith("__")}
    assert sorted(unused - offered - UNCALLED - set(cc.__all__)) == []


def test_slow_tests_are_there_and_stand_once() -> None:
    tests = ROOT / "tests"
    listed = [line for line in (tests / "slow.txt").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert listed == sorted(set(listed))
    files = {path.name: path.read_text(encoding="utf-8") for path in tests.glob("test_*.py")}
    named = [name.split("::") for name in listed]
    assert [name for file, name in named if f"\ndef {name}(" not in files.get(file, "")] == []
