"""Damaged inputs: `python inputs.py -n 1000 --seed 1`. Whatever is in a file, the command says what is wrong with it,
or gives an answer, and the right one.

Each run is a process of its own, forked from one that has loaded everything, with a time limit. Every third is done
again with another number of threads, and has to end in the same way. What an answer is compared with is told in
table_cases.py, shape_cases.py, server_cases.py and values.py; where nothing is, the run counts as not judged. `--only
KIND` takes files of one kind only, `--number K` does one run again, and `--keep FOLDER` keeps files and command of what
went wrong.
"""

from __future__ import annotations

import os
import random
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import server_cases
import shape_cases
import table_cases
import values
from common import Report, arguments, environment, faults_of_text, left, numbers
from forking import forked, load

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tokens

#: Kinds of files, and of a hundred runs how many have one of it.
_KINDS = {"tables": 60, "meshes": 12, "skeletons": 8, "precomputed": 6, "dataset": 4, "fetched": 10}


def made(folder: Path) -> dict[str, bytes]:
    """Outputs that are there: files by name."""
    found = [path for path in folder.iterdir() if path.name.startswith(("out.", "more."))]
    found += [file for path in found if path.is_dir() for file in path.rglob("*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(found) if path.is_file()}


def cleared(folder: Path) -> None:
    """Take outputs away."""
    for path in folder.iterdir():
        if path.name.startswith(("out.", "more.")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def judged(case: table_cases.Case, folder: Path, again: bool) -> tuple[int | None, list[str], bytes, str]:
    """Run a command: its exit code, what is wrong, what it said, and whether its values were judged."""
    (folder / "spill").mkdir()
    words = [*case.words, *case.more]
    limited = words[0] not in ("info", "annotations", "meshes", "link")
    results = []
    faults: list[str] = []
    verdict = ""
    for threads in ("1", "2") if again and limited else ("2",):
        cleared(folder)
        extra = ["--tmp-dir", "spill", "--threads", threads] if limited else []
        code, out, err = forked([*words, *extra], folder)
        if code is None:
            return None, ["does not end"], err, verdict
        faults += faults_of_text(code, out, err)
        outputs = made(folder)
        if code and outputs:
            faults.append(f"left {sorted(outputs)}")
        faults += [f"left {name}" for name in left(folder)]
        results.append((code, out, outputs, err))
    code, out, outputs, err = results[-1]
    if len(results) == 2 and results[0][:3] != results[1][:3]:
        faults.append(f"answers differ: {results[0][0]} and {results[1][0]}")
    if any(map(tokens.shows, (out, err, *outputs.values()))):
        faults.append("a token is in what it says or leaves")
    if code == 0:
        verdict = "not judged"
        try:
            wrong = case.judge(folder, lambda words: forked([*words, *case.more], folder)[0])
            verdict = "judged"
            faults += [wrong] if wrong else []
        except values.NotJudgedError:
            pass
    return code, list(dict.fromkeys(faults)), err, verdict


def main() -> int:
    """Run the campaign."""
    given = arguments("damaged inputs", 1000, only=sorted(_KINDS))
    report = Report(given)
    whole = table_cases.tables(given.seed)
    kinds = {kind: part for kind, part in _KINDS.items() if given.only in (None, kind)}
    with tempfile.TemporaryDirectory() as made_in:
        home = Path(made_in)
        os.environ.clear()
        os.environ.update(environment(home))
        load()
        tempfile.tempdir = made_in
        table_cases.write(whole["edge"], home / "edge.parquet", random.Random(0))
        assert forked(["adjacency", "edge.parquet", "-o", "npz.npz"], home)[0] == 0
        matrix = (home / "npz.npz").read_bytes()
        with server_cases.world(home / "world", lambda words, folder: forked(words, folder)[0]) as at:
            for number in numbers(given):
                rng = random.Random(f"{given.seed} {number}")
                folder = home / str(number)
                folder.mkdir()
                kind = rng.choices(list(kinds), list(kinds.values()))[0]
                if kind == "tables":
                    case = table_cases.case(rng, whole, folder, matrix)
                elif kind == "fetched":
                    case = server_cases.case(rng, folder, at)
                else:
                    case = getattr(shape_cases, kind)(rng, folder)
                code, faults, err, verdict = judged(case, folder, rng.random() < 1 / 3)
                report.count(f"exit {code}")
                if verdict:
                    report.count(f"{kind} {verdict}")
                said = err.decode("utf-8", "backslashreplace")
                if code == 3 and case.name not in said:
                    report.count("exit 3 without the file's name")
                    if given.show:
                        print(f"    {number} {case.harm}: {said[:300]}", flush=True)
                if faults:
                    report.fault(number, f"{case.harm}: {' '.join(case.words)}: {'; '.join(faults)}", said)
                if given.keep and (faults or given.number is not None):
                    shutil.copytree(folder, given.keep / f"{given.seed}-{number}", dirs_exist_ok=True)
                    command = shlex.join(["crantcli", *case.words, *case.more])
                    (given.keep / f"{given.seed}-{number}" / "command.sh").write_text(f"{command}\n")
                shutil.rmtree(folder)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
