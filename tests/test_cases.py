"""Inputs as people of the field have them, kept beside the repository, each with its one right answer."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Crant

pytestmark = pytest.mark.slow

FOLDER = ROOT.parent / "shared" / "cases"


def checker() -> Any:
    """The module that says what is wrong with an answer; None where it is not here."""
    if not (FOLDER / "check.py").is_file():
        return None
    spec = importlib.util.spec_from_file_location("check_cases", FOLDER / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK = checker()
CASES = CHECK.read_cases(FOLDER) if CHECK else []


@pytest.mark.skipif(not CASES, reason="the cases (../shared/cases) are not here")
def test_there_are_cases() -> None:
    assert len(CASES) > 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["_name"])
def test_a_case_holds(case: dict[str, Any], crant: Crant, tmp_path: Path) -> None:
    if case["_folder"].is_dir():
        shutil.copytree(case["_folder"], tmp_path, dirs_exist_ok=True)
    feed = (tmp_path / case["stdin"]).read_bytes() if "stdin" in case else b""
    ran = crant(*case["args"], stdin=feed)
    message = " ".join(ran.err.split())
    assert not [word for word in CHECK.FORBIDDEN if word in message], message
    answers = [CHECK.wrong(one, ran.code, ran.text, message, tmp_path) for one in case.get("accept") or [case]]
    assert None in answers, answers
