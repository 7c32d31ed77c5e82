"""The search for tokens: it finds them, and a test that lets one out fails."""

from __future__ import annotations

import base64
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import tokens
from hypothesis import given
from hypothesis import strategies as st


@given(before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_a_token_is_found_whatever_is_around_it(before: bytes, after: bytes) -> None:
    said = before + tokens.CAVE_TOKEN.encode() + after
    assert tokens.shows(said)
    assert tokens.shows(base64.b64encode(said))
    assert tokens.shows(base64.urlsafe_b64encode(said))
    assert not tokens.shows(before + after)


def test_a_token_is_found_in_text() -> None:
    assert tokens.shows(f"x\udcff {tokens.ACCESS_TOKEN[:12]}")
    assert not tokens.shows("")
    everyone = [value for name, value in vars(tokens).items() if name.endswith("_TOKEN")]
    assert len(everyone) >= 6
    assert all(map(tokens.shows, [*everyone, *tokens.UNSENDABLE_TOKENS]))


def test_a_token_is_found_in_files(tmp_path: Path) -> None:
    secret = tokens.BASE_TOKEN
    for number, said in enumerate((secret, "something else")):
        told = pa.table({"a": [1]}).replace_schema_metadata({"crantcli": said})
        pq.write_table(told, tmp_path / f"{number}.parquet", compression="zstd")
        pq.write_table(told, tmp_path / f"{number}.arrow.parquet", store_schema=True)
        pyarrow.feather.write_feather(told, str(tmp_path / f"{number}.feather"), compression="zstd")
        with duckdb.connect() as connection:
            path = tmp_path / f"{number}.duckdb.parquet"
            connection.execute(f"COPY (SELECT 1) TO '{path}' (FORMAT parquet, KV_METADATA {{crantcli: '{said}'}})")
        np.savez_compressed(tmp_path / f"{number}.npz", crantcli=np.array(said))
        (tmp_path / f"{number}.csv.gz").write_bytes(gzip.compress(said.encode()))
        (tmp_path / f"{number}.json").write_text(f'{{"a": "{said}"}}')
    files = sorted(tmp_path.iterdir())
    assert len(files) == 14
    assert [path.name for path in files if tokens.holds(path)] == [path.name for path in files if path.name[0] == "0"]


LEAKY = """
import base64, logging, os, tempfile, warnings, webbrowser
from pathlib import Path
import pytest, tokens
from crantcli.errors import CrantWarning, DataError

TOKEN = tokens.CAVE_TOKEN

def test_good(own_home, crant):
    folder = own_home / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    (folder / "cave-secret.json").write_text(TOKEN)
    logging.getLogger("urllib3").debug("sent %s", "nothing")
    crant("--version")

@pytest.mark.parametrize("token", [TOKEN, tokens.BASE_TOKEN])
def test_good_name(token):
    assert tokens.shows(token)

def test_stdout():
    print(TOKEN)

def test_stderr():
    os.write(2, b"Authorization: " + base64.b64encode(b"me:" + TOKEN.encode()))

def test_command(crant):
    crant("counts", f"{TOKEN}.csv")

def test_log(own_home):
    logging.getLogger("urllib3.connectionpool").debug("sent %s", {"Authorization": TOKEN})

def test_logged_error(own_home):
    try:
        raise ValueError(TOKEN)
    except ValueError:
        logging.getLogger("caveclient.base").debug("failed", exc_info=True)

def test_error(own_home):
    with pytest.raises(DataError):
        raise DataError(f"not for {TOKEN}")

def test_warning(own_home):
    with pytest.warns(CrantWarning):
        warnings.warn(f"used {TOKEN}", CrantWarning)

def test_output_file(own_home, tmp_path):
    (tmp_path / "out.csv").write_text(TOKEN)

def test_cache(own_home):
    Path(os.environ["CRANTCLI_CACHE_DIR"]).mkdir()
    (Path(os.environ["CRANTCLI_CACHE_DIR"]) / "versions.json").write_text(TOKEN)

def test_users_cache(own_home):
    Path(os.environ["XDG_CACHE_HOME"]).mkdir(parents=True)
    (Path(os.environ["XDG_CACHE_HOME"]) / "annotations").write_text(TOKEN)

def test_temporary_folder(own_home):
    tempfile.mkstemp()
    (Path(tempfile.gettempdir()) / "spill").write_text(TOKEN)

def test_beside_the_secrets(own_home):
    (own_home / ".cloudvolume" / "secrets").mkdir(parents=True)
    (own_home / ".cloudvolume" / "secrets" / "map.json").write_text(TOKEN)

def test_token_that_nobody_looks_for(monkeypatch):
    monkeypatch.setenv("CRANTTABLE_TOKEN", TOKEN)

def test_token_of_its_own(own_home):
    tokens.arrived.add("another")

def test_browser(own_home):
    webbrowser.open("https://example.org")

def test_failure():
    assert TOKEN == ""
"""


def test_a_test_that_lets_a_token_out_fails(tmp_path: Path) -> None:
    (tmp_path / "test_leaky.py").write_text(LEAKY)
    here = str(Path(__file__).parent)
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-q", "-rpfE", "."]
    environment = {**os.environ, "PYTHONPATH": here}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False)
    told = re.findall(r"^(PASSED|FAILED|ERROR) test_leaky\.py::(\w+)", done.stdout, re.MULTILINE)
    tests = set(re.findall(r"^def (test_\w+)", LEAKY, re.MULTILINE))
    good = {name for name in tests if "good" in name}
    assert {name for outcome, name in told if outcome != "PASSED"} == tests - good, done.stdout
    assert {name for outcome, name in told if outcome == "PASSED"} >= good
    assert not tokens.shows(done.stdout + done.stderr)
