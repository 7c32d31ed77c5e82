"""Does this tree do what another revision does? Both run the same cases, and all that they leave is compared.

`python tests/same.py REVISION` (or `make same BASE=REVISION`) takes the package out of REVISION, runs the cases of
same_cases.py in it and in the working tree with one environment, and compares the names and bytes of files, stdout,
stderr, exit codes, warnings and return values. Of texts and bytes only the folder of the run, the version and times
while it ran are set equal. It prints each difference, and ends with 1 where there is one that is not intended.

Each tree has a process that runs most cases inside itself; a case with a pipe starts processes of its own. Servers are
started once, here, and both trees ask them.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import same_cases
from same_cases import Case

ROOT = Path(__file__).resolve().parents[1]

#: Differences that are meant: a part of "CASE | WHAT", in which * stands for anything, and the reason. A file that
#: `--allow` names has more of them, one a line: `PATTERN # reason`.
INTENDED: list[tuple[str, str]] = []

#: What a case left: "exit code", "stdout", "stderr", "warnings", "value", "file NAME", "folder NAME".
Left = dict[str, bytes]

TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?")
SHOWN_LINES, SHOWN_WIDTH = 14, 240


# In a tree's own process


def work(tree: Path, scene: Path) -> None:
    """Run the cases of `scene/cases` with the package of a tree, and leave what came of them in `scene/left`."""
    sys.path.insert(0, str(tree))
    import crantcli

    assert Path(crantcli.__file__).is_relative_to(tree), f"{crantcli.__file__} is not of {tree}"
    cases = pickle.loads((scene / "cases").read_bytes())
    equal = {str(scene).encode(): b"<folder>", str(tree).encode(): b"<tree>"}
    version = crantcli.__version__.encode()  # put out of files, too; of the same length, so that they can be read
    results: dict[str, tuple[Left, float]] = {}
    for number, case in enumerate(cases):
        start = sum(os.times()[:4])
        left = run_case(case, scene, scene / "runs" / (case.folder or f"{number:03d}"))
        for what, data in left.items():
            for own, common in equal.items() if not what.startswith("file ") else ():
                data = data.replace(own, common)
            left[what] = data.replace(version, b"v" * len(version))
        results[case.name] = (left, sum(os.times()[:4]) - start)
    (scene / "left").write_bytes(pickle.dumps(results))


def run_case(case: Case, scene: Path, folder: Path) -> Left:
    """Run one case in a folder that has the inputs, and tell what it left."""
    if not folder.exists():
        furnish(folder, scene / "inputs")
    before = listing(folder)
    os.chdir(folder)
    old = dict(os.environ)
    os.environ.update(case.env)
    left: Left = {}
    try:
        if case.kind == "shell":
            done = subprocess.run(["bash", "-c", case.text], input=case.stdin, capture_output=True, check=False)
            left |= {"exit code": b"%d" % done.returncode, "stdout": done.stdout, "stderr": done.stderr}
        else:
            with captured(case.stdin, left):
                left |= run_command(case.arguments) if case.kind == "command" else run_python(case.text)
    finally:
        os.environ.clear()
        os.environ.update(old)
    for name, state in listing(folder).items():
        if before.get(name) != state:
            path = folder / name
            left |= {f"file {name}": path.read_bytes()} if path.is_file() else {f"folder {name}": b""}
    left |= {f"file {name}": b"removed" for name in before.keys() - listing(folder).keys()}
    return left


def furnish(folder: Path, inputs: Path) -> None:
    """Make a case's folder: files are links of their own, which it may replace; folders are shared, but for demo."""
    folder.mkdir(parents=True)
    for path in inputs.iterdir():
        if path.is_dir():
            (folder / path.name).symlink_to(path)
        else:
            os.link(path, folder / path.name)
    (folder / "demo").mkdir()


def listing(folder: Path) -> dict[str, tuple[int, ...]]:
    """State of all files and folders below a folder; links are not followed."""
    found = [path for path in folder.rglob("*") if not path.is_symlink()]
    return {
        str(path.relative_to(folder)): (s.st_ino, s.st_size, s.st_mtime_ns) if path.is_file() else ()
        for path in found
        for s in [path.stat()]
    }


@contextlib.contextmanager
def captured(stdin: bytes, left: Left) -> Iterator[None]:
    """Put files in the place of stdin, stdout and stderr, and leave what is written to the latter two."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(stdin)
        files[0].seek(0)
        kept, old = [os.dup(number) for number in range(3)], sys.stdin
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
        try:
            yield
        finally:
            sys.stdin = old
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for number, copy in enumerate(kept):
                os.dup2(copy, number)
                os.close(copy)
            for what, file in zip(("stdout", "stderr"), files[1:], strict=True):
                file.seek(0)
                left[what] = file.read()


def run_command(arguments: Sequence[str]) -> Left:
    """Run the command line."""
    from crantcli.cli.app import run

    try:
        return {"exit code": b"%d" % run(list(arguments))}
    except BaseException:
        return {"exit code": traceback.format_exc().encode()}


def run_python(text: str) -> Left:
    """Run statements as a prompt does; the values of expressions are kept, and the error that ends them."""
    import matplotlib.pyplot as plt

    values: list[str] = []
    names: dict[str, Any] = {}
    exec("import crantcli as cc, numpy as np, pandas as pd", names)
    old, sys.displayhook = sys.displayhook, lambda value: values.extend(shown(value))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for statement in ast.parse(text).body:
                exec(compile(ast.Interactive([statement]), "<case>", "single"), names)
        except Exception as error:
            kinds = [kind.__name__ for kind in type(error).__mro__[:-2]]
            values.append(f"{' < '.join(kinds)}, exit code {getattr(error, 'exit_code', None)}: {error}")
        finally:
            sys.displayhook = old
            plt.close("all")
    warned = [f"{w.category.__name__} at {Path(w.filename).name}: {w.message}\n" for w in caught]
    return {"value": "\n".join(values).encode(), "warnings": "".join(warned).encode()}


def shown(value: Any) -> list[str]:
    """All of a value as lines."""
    import numpy as np
    import pandas as pd
    import scipy.sparse

    if value is None or callable(value):
        return [] if value is None else [f"{value!r}".split(" at 0x")[0]]
    if isinstance(value, pd.DataFrame | pd.Series):
        frame = value.to_frame() if isinstance(value, pd.Series) else value
        kinds = [f"{name}: {kind}" for name, kind in zip(frame.columns, map(str, frame.dtypes), strict=True)][:50]
        axes = [f"{axis.name} {axis.dtype} {len(axis)}" for axis in (frame.index, frame.columns)]
        text = frame.map(lambda item: repr(item.tolist()) if isinstance(item, np.ndarray) else item).to_csv()
        return [f"{type(value).__name__} {axes}", *kinds, json.dumps(frame.attrs, default=repr), *text.splitlines()]
    if scipy.sparse.issparse(value):
        return [repr(value), *shown(value.tocoo().coords), *shown(value.data)]
    if isinstance(value, np.ndarray):
        return [f"array {value.dtype} {value.shape}", *map(repr, value.ravel().tolist())]
    if type(value).__module__.startswith("crantcli") or isinstance(value, Mapping):
        # A collection is both: a mapping with attributes.
        names = [] if type(value) is dict else [n for n in dir(type(value)) if not n.startswith("_")]
        parts = {f".{name}": part for name in names if not callable(part := getattr(value, name))}
        parts |= {f"[{key!r}]": part for key, part in value.items()} if isinstance(value, Mapping) else {}
        return [repr(value)[:200], *(f"{name} {line}" for name, part in parts.items() for line in shown(part))]
    if isinstance(value, tuple | list):
        return [f"{type(value).__name__} of {len(value)}", *(line for item in value for line in shown(item))]
    return repr(value).split(" object at 0x")[0].splitlines()


# In the process that compares


class Tree:
    """A package, and a place in which it runs cases."""

    def __init__(self, package: Path, scene: Path, inputs: Path) -> None:
        self.package, self.scene = package, scene
        for name in ("home", "tmp", "bin", "runs"):
            (scene / name).mkdir(parents=True)
        shutil.copytree(inputs, scene / "inputs")
        command = scene / "bin" / "crantcli"
        start = f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(package)!r})\n"
        command.write_text(f"{start}from crantcli.__main__ import main\nmain()\n")
        command.chmod(0o755)

    def start(self, cases: Sequence[Case]) -> subprocess.Popen[bytes]:
        """Start to run cases."""
        import matplotlib

        (self.scene / "cases").write_bytes(pickle.dumps(list(cases)))
        home = self.scene / "home"
        env = {
            "PATH": f"{self.scene / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8",
            "TMPDIR": str(self.scene / "tmp"), "CRANTCLI_CACHE_DIR": str(home / "cache"), "COLUMNS": "100",
            "XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "caches"), "PYTHONHASHSEED": "0",
            "MPLCONFIGDIR": matplotlib.get_cachedir(), "MPLBACKEND": "Agg", **same_cases.TOKENS,
        }  # fmt: skip
        command = [sys.executable, __file__, "--work", str(self.package), str(self.scene)]
        return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL)

    def results(self, process: subprocess.Popen[bytes]) -> dict[str, tuple[Left, float]]:
        """What came of the cases, and the seconds of CPU that each took."""
        if process.wait():
            sys.exit(f"the cases could not be run with the package of {self.package}")
        found: dict[str, tuple[Left, float]] = pickle.loads((self.scene / "left").read_bytes())
        return found


def package_of(revision: str, folder: Path) -> Path:
    """Take the package out of a revision."""
    folder.mkdir()
    made = subprocess.run(["git", "archive", revision, "crantcli"], cwd=ROOT, capture_output=True, check=False)
    if made.returncode:
        sys.exit(made.stderr.decode().strip())
    subprocess.run(["tar", "-x", "-C", str(folder)], input=made.stdout, check=True)
    return folder


def both(revision: str, cases: Sequence[Case], place: Path) -> list[dict[str, tuple[Left, float]]]:
    """What the cases leave in the revision, and in the working tree."""
    inputs = place / "inputs"
    same_cases.write_inputs(inputs, ROOT / "sample_data")
    package = package_of(revision, place / "package")
    with same_cases.servers(inputs):
        # Tables that commands made and others read are those of the revision for both.
        maker = Tree(package, place / "made", inputs)
        results = maker.results(maker.start(same_cases.MADE))
        shutil.copytree(place / "made" / "runs" / "made" / "demo", inputs / "made")
        for name, (left, _) in results.items():
            assert left["exit code"] == b"0", f"{name}: {left['stderr'].decode()}"
        # Folders have names of one length, so that lines break at the same places.
        trees = [Tree(package, place / "base", inputs), Tree(ROOT, place / "here", inputs)]
        started = [tree.start(cases) for tree in trees]
        return [tree.results(process) for tree, process in zip(trees, started, strict=True)]


def differences(base: Left, here: Left, since: datetime) -> Iterator[tuple[str, str]]:
    """What differs between what a case left, and how."""
    until = datetime.now(UTC) + timedelta(seconds=1)

    def now(match: re.Match[bytes]) -> bytes:
        """A time while this ran is as good as any other."""
        try:
            at = datetime.fromisoformat(match[0].decode())
        except ValueError:
            return match[0]
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return b"t" * len(match[0]) if since <= at <= until else match[0]

    for what in sorted(base.keys() | here.keys()):
        if what not in here or what not in base:
            yield what, f"    only in {'the working tree' if what in here else 'the revision'}"
            continue
        old, new = (TIME.sub(now, left[what]) for left in (base, here))
        if old != new:
            yield what, diff(what, old, new)


def diff(name: str, old: bytes, new: bytes) -> str:
    """A short diff of texts and of tables; of other bytes, where they begin to differ."""
    for form in (readable, plain):
        lines = [form(name, data) for data in (old, new)]
        if lines[0] != lines[1] and None not in lines:
            found = list(difflib.unified_diff(*map(list, lines), n=0, lineterm=""))[2:]  # type: ignore[arg-type]
            more = [f"... and {len(found) - SHOWN_LINES} lines more"] if len(found) > SHOWN_LINES else []
            return "\n".join(f"    {line[:SHOWN_WIDTH]}".rstrip() for line in [*found[:SHOWN_LINES], *more])
    first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return f"    {len(old):,} and {len(new):,} bytes, which differ from byte {first:,} on"


def readable(name: str, data: bytes) -> list[str] | None:
    """Lines of a table's content and of its record, or of JSON."""
    import numpy as np
    import pyarrow.feather
    import pyarrow.parquet as pq

    with contextlib.suppress(Exception):
        if name.endswith((".parquet", ".feather")):
            read = pq.read_table if name.endswith(".parquet") else pyarrow.feather.read_table
            table = read(io.BytesIO(data))
            record = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            rows = table.to_pandas().to_csv(index=False).splitlines()
            pretty = [line for text in record.values() for line in readable("", text.encode()) or [text]]
            return [*str(table.schema.remove_metadata()).splitlines(), *pretty, *rows]
        if name.endswith(".npz"):
            arrays = np.load(io.BytesIO(data))
            return [f"{key} {item!r}" for key in arrays for item in [arrays[key].dtype, *arrays[key].ravel().tolist()]]
        return json.dumps(json.loads(data), indent=0, ensure_ascii=False).splitlines()
    return None


def plain(_: str, data: bytes) -> list[str] | None:
    """Lines of text."""
    with contextlib.suppress(UnicodeDecodeError):
        return data.decode().splitlines(keepends=True)
    return None


def intended(file: str | None) -> list[tuple[str, str]]:
    """Patterns of differences that are meant, and the reasons."""
    lines = Path(file).read_text().splitlines() if file else []
    more = [line.partition(" # ")[::2] for line in lines if line.strip() and not line.startswith("#")]
    return [*INTENDED, *((pattern.strip(), reason.strip()) for pattern, reason in more)]


def meets(text: str, pattern: str) -> bool:
    """Whether a part of a text is as a pattern says."""
    return re.search(".*".join(map(re.escape, pattern.split("*"))), text) is not None


def compare(results: Sequence[dict[str, tuple[Left, float]]], allowed: list[tuple[str, str]], since: datetime) -> int:
    """Print what differs; return how many differences are not intended."""
    used, wrong = set(), 0
    base, here = results
    for name in here:
        for what, how in differences(base[name][0], here[name][0], since):
            title = f"{name} | {what}"
            reasons = [(pattern, reason) for pattern, reason in allowed if meets(title, pattern)]
            used |= {pattern for pattern, _ in reasons}
            wrong += not reasons
            print(f"intended ({reasons[0][1]}): {title}" if reasons else f"DIFFERS: {title}\n{how}")
    for pattern, _ in allowed:
        if pattern not in used:
            print(f"no longer needed: {pattern}")
    return wrong


def main() -> int:
    """Compare, or list the cases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("revision", nargs="?", default="HEAD", help="what to compare the working tree with")
    parser.add_argument("--only", metavar="NAME", action="append", help="cases with this in their name; repeat to add")
    parser.add_argument("--allow", metavar="FILE", help="intended differences: PATTERN # reason")
    parser.add_argument("--list", action="store_true", help="list the cases, and run none")
    parser.add_argument("--times", action="store_true", help="show which cases take longest")
    parser.add_argument("--work", nargs=2, metavar=("TREE", "SCENE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(*map(Path, given.work))
        return 0
    parts = given.only or [""]
    cases = [case for case in same_cases.cases() if any(meets(case.name, part) for part in parts)]
    if given.list:
        print(*(case.name for case in cases), sep="\n")
        return 0
    since, start = datetime.now(UTC) - timedelta(seconds=1), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="same-") as folder:
        results = both(given.revision, cases, Path(folder).resolve())
    wrong = compare(results, intended(given.allow), since)
    if given.times:
        for name, (_, seconds) in sorted(results[1].items(), key=lambda item: -item[1][1])[:25]:
            print(f"{seconds:6.2f} s  {name}")
    print(f"{len(cases)} cases, {wrong or 'no'} differences, {time.monotonic() - start:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
