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

#: What is below the sources.
BELOW = {"schema", "ids", "core", "engine", "remote"}

#: The sources.
SOURCES = {"sources", "sources/tables", "sources/shapes", "sources/cave", "sources/seatable"}

#: Part of the package, a module or a folder -> parts that it may import, beside itself and what everybody may import.
#: What lies in a folder that is named here is of no part that is named less exactly.
PARTS: dict[str, set[str]] = {
    "errors": set(),
    "text": set(),
    "checks": set(),
    "system": set(),
    "schema": set(),
    "ids": {"schema"},
    "core": {"schema", "ids"},
    "engine": {"schema", "ids", "core"},
    "remote": set(),
    "sources/tables": BELOW,
    "sources/shapes": BELOW | {"sources/tables"},
    "sources/cave": BELOW | {"sources/tables"},
    "sources/seatable": BELOW,
    "sources": BELOW | SOURCES,
    "run": BELOW | SOURCES,
    "output": {"schema", "ids", "core", "engine", "remote"},
    "api": BELOW | SOURCES | {"run", "output"},
    "cli": BELOW | SOURCES | {"run", "output"},
    "__main__": {"cli"},
    "__init__": {"api", "core", "ids", "remote"},
}
EVERYBODY = {"checks", "errors", "system", "text"}

#: Part -> other people's packages that it may use. The rest gets by with the standard library.
PACKAGES = {
    "core": {"numpy", "pandas", "scipy"},
    "engine": {"duckdb", "fsspec", "numpy", "py4j", "pyarrow", "pyspark"},
    "sources/tables": {"deltalake", "numpy", "pandas", "pyarrow", "pyiceberg", "python_calamine", "zlib_ng"},
    "sources/shapes": {"DracoPy", "numpy", "pyarrow"},
    "sources": {"numpy", "pyarrow", "platformdirs"},
    "sources/cave": {"caveclient", "numpy", "pyarrow", "requests"},
    "sources/seatable": {"pyarrow"},
    "remote": {"fsspec", "numpy", "platformdirs", "requests"},
    "output": {"anndata", "numpy", "pandas", "pyarrow", "matplotlib", "scipy"},
    "run": {"pandas"},
    "api": {"numpy", "pandas", "pyarrow", "scipy", "matplotlib"},
    "cli": {"typer", "rich"},
}


def part_of(path: Path) -> str:
    """The part of the package that a module belongs to: of those that are named, the one most exactly."""
    name = path.relative_to(PACKAGE).with_suffix("")
    return next((str(part) for part in (name, *name.parents) if str(part) in PARTS), str(name))


def module_of(name: str) -> Path:
    """The file of a module of the package, or of what is imported from one."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    for found in (path.with_suffix(".py"), path / "__init__.py", path.parent.with_suffix(".py")):
        if found.is_file():
            return found
    return path.parent / "__init__.py"


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
        top = name.partition(".")[0]
        if name == "crantcli.__version__":
            continue
        if top == "crantcli":
            assert part_of(module_of(name)) in own, f"{path}:{line}: {part} imports {name}"
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


def test_no_module_imports_what_imports_it() -> None:
    """Imports within functions and for type checkers count."""
    follows = {path: {module_of(name) for _, name in imports(path) if name.startswith("crantcli")} for path in MODULES}
    package = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}
    reach: dict[Path, set[Path]] = {}
    for start in MODULES:
        seen, new = set[Path](), {start}
        while new:
            new = set().union(*(follows.get(path, set()) for path in new)) - seen - package
            seen |= new
        reach[start] = seen
    circles = {
        frozenset(str(other.relative_to(PACKAGE)) for other in reach[path] if path in reach[other])
        for path in MODULES
        if path in reach[path]
    }
    assert circles == set()


def test_only_the_command_line_prints() -> None:
    for path in MODULES:
        if part_of(path) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{path}:{node.lineno} prints"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
                assert node.attr not in ("stdout", "stderr"), f"{path}:{node.lineno} uses sys.{node.attr}"


#: Modules that are all about arrays: they import these at the top, and nobody else imports them there.
ARRAYS = {
    f"crantcli.{name}"
    for name in (
        "core.matrix.blocks", "core.nested.axes", "core.nested.matrix", "core.nested.scope", "core.nested.sorting",
        "core.nested.type_sums", "core.neuropils.matrices", "core.questions.nested", "core.questions.neuropil",
        "engine.division", "engine.ordering", "engine.pairs.coding", "engine.pairs.naming",
        "engine.pairs.counter", "engine.pairs.distinct", "engine.pairs.groups", "engine.pairs.onesided",
        "engine.pairs.changed", "engine.pairs.partners", "engine.pairs.reading",
        "engine.pairs.runs", "engine.pairs.stored",
    )
}  # fmt: skip


def test_heavy_packages_are_not_imported_at_the_top() -> None:
    """So that a command loads only what it uses. Imports for type checkers do not count."""
    heavy = set().union(*PACKAGES.values()) - {"typer"}
    for path in MODULES:
        module = ".".join(("crantcli", *path.relative_to(PACKAGE).with_suffix("").parts))
        allowed = {"numpy", "pyarrow", *ARRAYS} if module in ARRAYS else set()
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


#: Folder of core -> what of core it may import. Imports for type checkers count.
FOLDERS = {
    "geometry": {"geometry", "engine", "parallel"},
    "graph": {"graph", "matrix", "rows", "engine", "question", "relation", "sql"},
    "matrix": {"matrix"},
    "nested": {"nested", "matrix", "rows", "engine", "ledger", "relation", "sql"},
    "neuropils": {"neuropils", "nested", "geometry", "rows", "engine", "ledger", "relation", "sql"},
    "rows": {"rows", "engine", "ledger", "relation", "sql"},
    "sites": {"sites", "geometry", "rows", "synapses", "engine", "ledger", "question", "relation", "sql"},
}


def test_folders_of_core_import_what_lies_below_them() -> None:
    for folder, allowed in FOLDERS.items():
        for path in sorted((PACKAGE / "core" / folder).glob("*.py")):
            for line, name in imports(path):
                parts = name.split(".")
                if parts[:2] == ["crantcli", "core"]:
                    assert parts[2] in allowed, f"{path}:{line}: core.{folder} imports {name}"
