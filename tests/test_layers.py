"""Who may import whom, read from the source: data goes forward only, and the command line is on top."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "crantcli"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: Part of the package -> parts that it may import, beside itself and what everybody may import.
PARTS = {
    "errors": set(),
    "version": set(),
    "signals": set(),
    "descriptors": set(),
    "temporary": set(),
    "crantb": set(),
    "schema": set(),
    "ids": {"schema"},
    "core": {"schema", "ids", "crantb"},
    "addresses": {"core", "crantb"},
    "remote": set(),
    "settings": {"remote"},
    "engine": {"schema", "ids", "core"},
    "sources": {"schema", "ids", "crantb", "core", "engine", "addresses", "remote", "settings"},
    "output": {"schema", "ids", "core", "engine"},
    "workspace": {"schema", "ids", "crantb", "core", "engine", "addresses", "remote", "settings", "sources"},
    "session": {"schema", "ids", "core", "engine", "addresses", "remote", "settings", "sources", "workspace"},
    "api": {"schema", "ids", "core", "engine", "addresses", "remote", "settings", "sources", "session", "workspace"},
    "nested_sources": {
        "schema",
        "ids",
        "core",
        "engine",
        "addresses",
        "remote",
        "settings",
        "sources",
        "output",
        "workspace",
    },
    "neuropil": {"schema", "output"},
    "nested": {"core", "nested_sources", "neuropil", "addresses", "remote", "settings", "sources"},
    "connectors": {"schema", "ids", "core", "engine", "addresses", "remote", "settings", "sources", "session"},
    "cli": {
        "schema",
        "ids",
        "crantb",
        "core",
        "engine",
        "addresses",
        "remote",
        "settings",
        "sources",
        "output",
        "workspace",
    },
    "__main__": {"cli"},
    "__init__": {"api", "connectors", "ids", "nested", "neuropil", "addresses", "remote", "settings", "sources"},
}
EVERYBODY = {"descriptors", "errors", "signals", "temporary", "version"}

#: Part -> other people's packages that it may use. The rest gets by with the standard library.
PACKAGES = {
    "core": {"numpy", "pandas", "scipy"},
    "engine": {"duckdb", "numpy", "pyarrow"},
    "sources": {
        "DracoPy",
        "caveclient",
        "deltalake",
        "numpy",
        "pandas",
        "pyarrow",
        "platformdirs",
        "python_calamine",
        "requests",
    },
    "remote": {"numpy", "platformdirs", "requests"},
    "output": {"numpy", "pyarrow", "matplotlib"},
    "workspace": {"pandas"},
    "session": {"pandas", "pyarrow"},
    "api": {"pandas"},
    "nested_sources": {"numpy", "matplotlib"},
    "nested": {"pandas", "scipy", "matplotlib"},
    "neuropil": {"pandas", "matplotlib"},
    "connectors": {"numpy", "pandas"},
    "cli": {"typer", "rich"},
}


def part_of(path: Path) -> str:
    """The part of the package that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports by a relative name"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_part_may(path: Path) -> None:
    part = part_of(path)
    own, others = PARTS[part] | EVERYBODY | {part}, PACKAGES.get(part, set())
    for line, name in imports(path):
        top, _, rest = name.partition(".")
        if top == "crantcli":
            assert rest.partition(".")[0] in own, f"{path}:{line}: {part} imports {name}"
        else:
            assert top in others or top in sys.stdlib_module_names, f"{path}:{line}: {part} imports {name}"


def test_no_part_imports_what_imports_it() -> None:
    """The table above allows no circle."""
    above: dict[str, set[str]] = {}
    for part in PARTS:
        reached, new = set(), {part}
        while new:
            reached |= new
            new = set().union(*(PARTS[name] | EVERYBODY - {name} for name in new)) - reached
        above[part] = reached - {part}
    ordered = {part: above[part] - EVERYBODY for part in PARTS if part not in EVERYBODY}
    assert all(part not in ordered.get(other, set()) for part, others in ordered.items() for other in others)


def test_only_the_command_line_prints() -> None:
    for path in MODULES:
        if part_of(path) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{path}:{node.lineno} prints"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
                assert node.attr not in ("stdout", "stderr"), f"{path}:{node.lineno} uses sys.{node.attr}"


#: Modules that are all about arrays: they import numpy at the top, and nobody else imports them there.
ARRAYS = {f"crantcli.core.{name}" for name in ("blocks", "needs", "nested", "roster", "sorting", "type_sums")}


def test_heavy_packages_are_not_imported_at_the_top() -> None:
    """So that a command loads only what it uses. Imports for type checkers do not count."""
    heavy = set().union(*PACKAGES.values()) - {"typer"}
    for path in MODULES:
        module = ".".join(("crantcli", *path.relative_to(PACKAGE).with_suffix("").parts))
        allowed = {"numpy", *ARRAYS} if module in ARRAYS else set()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found = {name for name in names if name.partition(".")[0] in heavy or name in ARRAYS}
            found = {name for name in found if name not in allowed and name.partition(".")[0] not in allowed}
            assert not found, f"{path}:{node.lineno} imports {found} at the top"


def test_the_tables_name_every_part() -> None:
    assert {part_of(path) for path in MODULES} == set(PARTS)
    assert set(PACKAGES) <= set(PARTS)
