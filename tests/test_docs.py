"""What README.md, the help and the Makefile tell people to do works, and gives what they show."""

from __future__ import annotations

import doctest
import gzip
import re
import shlex
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
import readme
from conftest import ROOT, SAMPLE, Crant

from crantcli import errors
from crantcli.cli.app import app
from crantcli.cli.command import command_names
from crantcli.sources.datasets import find_dataset

pytestmark = pytest.mark.slow

TEXT = readme.README.read_text(encoding="utf-8")
STALE = "; `make reference` writes README.md anew"
COMMANDS = tuple(readme.commands())

#: Commands that are about servers.
LIVE = {"ids", "lock", "cache"}

#: Folders of somebody's machine, which mean nothing to others.
MACHINE_PATH = re.compile(rb"(?<![\w.~$}{*-])/(?:home|Users|root|work|mnt|tmp|var/folders)/\w+")


def run(command: list[str], folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder with an environment of its own; let the test fail with what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=env or readme.environment(folder), stdin=subprocess.DEVNULL, capture_output=True,
        encoding="utf-8", check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done


def example(language: str, number: int = 0) -> str:
    """One of README.md's code blocks."""
    return readme.fences(language, TEXT)[number]


# The reference and the help


def test_the_reference_is_what_the_commands_say() -> None:
    assert readme.with_reference(TEXT) == TEXT, f"the reference is out of date{STALE}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_told_of_before_the_reference(name: str) -> None:
    told, _ = TEXT.split(readme.START)
    assert f"| `crantcli {name}` |" in told
    # Where a server is needed, the example is not run.
    prompt = "" if name in LIVE else r"\$ "
    assert re.search(rf"^{prompt}crantcli {name} ", told, re.MULTILINE)


def test_every_command_can_be_imported_by_its_name() -> None:
    assert set(command_names()) == set(COMMANDS)
    for name in COMMANDS:
        assert (ROOT / "crantcli" / "cli" / "commands" / f"{name}.py").is_file()


#: Commands that need a server; test_live.py runs their examples.
ON_SERVERS = ("ids", "lock")


@pytest.fixture(scope="module")
def ingredients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files that the examples of the help take; few meshes and skeletons, since each costs time."""
    from crantcli.cli.app import run

    folder = tmp_path_factory.mktemp("ingredients")
    for file in ("raw.parquet", "synapses.parquet", "SYNAPSES.parquet"):
        shutil.copyfile(SAMPLE / "synapses.parquet", folder / file)
    shutil.copyfile(SAMPLE / "annotations.csv", folder / "annotations.csv")
    for kind, number in (("skeletons", 3), ("meshes", 2)):
        (folder / kind).mkdir()
        for file in sorted((SAMPLE / kind).iterdir())[-number:]:
            shutil.copyfile(file, folder / kind / file.name)
    (folder / "raw.csv.gz").write_bytes(gzip.compress((SAMPLE / "celegans_edges.csv").read_bytes()))
    (folder / "brain.toml").write_text('[files]\nannotations = "annotations.csv"\nmeshes = "meshes"\n')
    (folder / "neurons.txt").write_text("576460752748033503\n576460752774390489\n")
    for made in ("edges.parquet", "er2.parquet", "monday.parquet", "tuesday.parquet"):
        assert run(["connectivity", str(folder / "raw.parquet"), "-o", str(folder / made), "-q"]) == 0
    assert run(["partition", str(folder / "raw.parquet"), "--parts", "2", "-o", str(folder / "halves"), "-q"]) == 0
    for number in (1, 2):
        part = folder / "halves" / f"part-0{number}.parquet"
        assert run(["connectivity", str(part), "-o", str(folder / f"part_{number}.parquet"), "-q"]) == 0
    return folder


@pytest.mark.parametrize("name", ["", *(name for name in COMMANDS if name not in ON_SERVERS)])
def test_help_ends_with_an_example_that_runs(name: str, crant: Crant, tmp_path: Path, ingredients: Path) -> None:
    shutil.copytree(ingredients, tmp_path, dirs_exist_ok=True)
    asked = crant(*name.split(), "--help")
    assert asked.code == 0
    assert asked.text.strip()
    epilog = readme.commands()[name].epilog if name else app.info.epilog
    words = " ".join(epilog.split())
    assert " ".join(asked.text.split()).endswith(words), "the help does not end with the epilog"
    line = epilog.split("Example: ")[-1].split("Start with: ")[-1].split("\n\n")[0]
    program, *arguments = shlex.split(line)
    assert program == "crantcli"
    done = crant(*arguments)
    assert done.code == 0, done.err
    written = [arguments[place + 1] for place, word in enumerate(arguments) if word in ("-o", "--plot")]
    assert all((tmp_path / file).stat().st_size for file in written)


# README.md


def outputs(crant: Crant, commands: list[str], folder: Path) -> list[str]:
    """What each command prints. Those that need no shell run in this process, where what they use is loaded already."""
    printed, code = [], 0
    for command in commands:
        program, *arguments = shlex.split(command.removeprefix("$ ").replace("\\\n", " "))
        if program == "crantcli" and "|" not in arguments:
            done = crant(*arguments)
            code = done.code
            printed.append(done.text + done.err)
        else:
            printed += readme.outputs([f"(exit {code}); {command.removeprefix('$ ')}"], folder)
    return printed


def named(page: Path) -> str:
    return page.name


#: Pages with examples; others have tables only.
SHOWING = [page for page in readme.PAGES if "```" in page.read_text(encoding="utf-8")]


@pytest.mark.slow
@pytest.mark.parametrize("page", SHOWING, ids=named)
def test_console_examples_give_what_is_shown(crant: Crant, tmp_path: Path, page: Path) -> None:
    folder, text = readme.clone(tmp_path), page.read_text(encoding="utf-8")
    renewed = readme.refreshed(text, lambda commands: outputs(crant, commands, folder))
    shown, given = (readme.fences("console", told) for told in (text, renewed))
    assert len(shown) > (10 if page == readme.README else 3)
    assert given == shown, f"{page.name} shows what commands no longer print{STALE}"


@pytest.mark.parametrize("page", [page for page in SHOWING if "```pycon" in page.read_text("utf-8")], ids=named)
def test_python_examples_give_what_is_shown(crant: Crant, tmp_path: Path, page: Path) -> None:
    folder, text = readme.clone(tmp_path), page.read_text(encoding="utf-8")
    code = "\n".join(readme.fences("pycon", text))
    read = [f"-o {file}" for file in ("demo/er2_synapses.parquet", "demo/ring_to_compass.npz") if f'"{file}"' in code]
    lines = [line for block in readme.fences("console", text) for line, _ in readme.steps(block)]
    outputs(crant, [line for line in lines if any(file in line for file in read)], folder)
    session = doctest.DocTestParser().get_doctest(code, {}, page.name, page.name, 0)
    assert len(session.examples) > 10
    printed: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(session, out=printed.append)
    assert not failed, "".join(printed)


def test_an_array_of_jobs_gives_the_bytes_of_one_run(crant: Crant, tmp_path: Path) -> None:
    """The recipe for a cluster, each task as a process of its own, at the same time."""
    (script,) = (text for text in readme.fences("sh", (ROOT / "docs" / "scale.md").read_text()) if "--array=" in text)
    (tmp_path / "edges.sh").write_text(script)
    (tmp_path / "edges").mkdir()
    table = str(SAMPLE / "synapses.parquet")
    first, last = map(int, re.findall(r"--array=(\d+)-(\d+)", script)[0])
    assert crant("partition", table, "--parts", str(last), "-o", "parts").code == 0
    given = {**readme.environment(tmp_path), "SLURM_CPUS_PER_TASK": "1"}
    tasks = [
        subprocess.Popen(
            ["sh", "edges.sh"],
            cwd=tmp_path,
            env={**given, "SLURM_ARRAY_TASK_ID": str(number)},
            stdin=subprocess.DEVNULL,
        )
        for number in range(first, last + 1)
    ]
    assert [task.wait(timeout=300) for task in tasks] == [0] * last
    assert crant("merge", "edges", "-o", "edges.csv").code == 0
    assert crant("connectivity", table, "-t", "5", "-o", "whole.csv").code == 0
    assert (tmp_path / "edges.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


#: What `crantpy.queries` offers: functions, classes with their methods and attributes.
REFERENCE = {
    "": "get_synapses get_connectivity get_synapse_counts get_adjacency attach_synapses",
    "NestedMatrix": "from_connectivity from_synapses from_synapses_by_neuropil matrix ordered_neurons type_boundaries "
    "neuron_to_type sum_type_matrix mean_type_matrix get_relative_weights plot",
    "DirectedNestedMatrix": "from_connectivity from_synapses from_synapses_by_neuropil matrix source_neurons "
    "target_neurons source_type_boundaries target_type_boundaries source_neuron_to_type target_neuron_to_type "
    "sum_type_matrix mean_type_matrix get_relative_weights plot",
    "NeuropilCollection": "plot",
    "All": "minus",
}


def test_the_page_for_users_of_crantpy_names_all_that_they_know() -> None:
    import crantcli

    page = (ROOT / "docs" / "from-crantpy.md").read_text(encoding="utf-8")
    for owner, names in REFERENCE.items():
        whole = getattr(crantcli, owner) if owner else crantcli
        assert owner in page
        for name in names.split():
            assert hasattr(whole, name), f"{owner}.{name}"
            assert re.search(rf"\b{name}\b", page), f"docs/from-crantpy.md does not name {name}"
    for command in re.findall(r"`crantcli (\w+)", page):
        assert command in COMMANDS
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", page):
        assert f"`{option}" in TEXT or f" {option} " in TEXT or f" {option}`" in TEXT, f"there is no option {option}"


def test_the_data_set_shown_is_one(tmp_path: Path) -> None:
    shown = example("toml")
    file = readme.clone(tmp_path) / "sample_data" / "brain.toml"
    file.write_text(shown)
    found = find_dataset(str(file))
    assert found is not None
    assert (found.unit, found.voxel_size, found.background) == ("nm", (8.0, 8.0, 42.0), (0,))
    assert found.synapses == str(file.parent / "synapses.parquet")
    assert found.annotations == str(file.parent / "annotations.csv")


def test_data_sets_on_servers_are_as_told(tmp_path: Path) -> None:
    (microns,), (elsewhere,) = (
        [shown for shown in readme.fences("toml", TEXT) if word in shown] for word in ("minnie65", "fan_shaped_body")
    )
    (tmp_path / "microns.toml").write_text(microns)
    found = find_dataset(str(tmp_path / "microns.toml"))
    assert found is not None
    assert found.live is not None
    assert (found.live.server, found.live.datastack) == ("https://global.daf-apis.com", "minnie65_public")
    assert found.annotations == str(tmp_path / "aibs_metamodel_celltypes_v661.csv")
    (tmp_path / "elsewhere.toml").write_text(elsewhere)
    found, crantb = find_dataset(str(tmp_path / "elsewhere.toml")), find_dataset("crantb")
    assert found is not None
    assert crantb is not None
    assert found.annotation_table == crantb.annotation_table
    assert found.mesh_source is not None
    assert found.mesh_source.labels == ((1, "fan_shaped_body"),)


def test_a_named_data_set_as_told(tmp_path: Path, crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "crantcli").mkdir()
    named = re.sub(r"^\[(\w+)\]$", r"[mybrain.\1]", example("toml"), flags=re.MULTILINE)
    named = "[mybrain]\n" + named.replace('= "', f'= "{SAMPLE}/', 2)
    (tmp_path / "crantcli" / "datasets.toml").write_text(named)
    done = crant("counts", "-d", "mybrain", "-n", "cell_type=MBON01")
    assert done.code == 0, done.err
    assert len(done.rows()) == 3


def test_all_exit_codes_are_told() -> None:
    table = TEXT.split("## Exit codes")[1].split("\n## ")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    kinds = [errors.CrantError, errors.UsageError, errors.DataError, errors.EmptyResultError]
    kinds += [errors.AuthorisationError, errors.IncompleteError, errors.ConditionError]
    signals = {errors.HUNG_UP, errors.INTERRUPTED, errors.TERMINATED}
    assert told == {0, *signals, *(kind.exit_code for kind in kinds)}


def test_links_and_pictures_are_there() -> None:
    for page in readme.PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).is_file(), target
        assert page == readme.README or f"](docs/{page.name})" in TEXT
    assert (SAMPLE / "nested.png").stat().st_size < 150_000


# Pipelines


def test_the_makefile_makes_all_once(tmp_path: Path) -> None:
    readme.clone(tmp_path)
    text = example("make")
    assert "TYPES := ER2 PEN" in text
    (tmp_path / "Makefile").write_text(text.replace("ER2 PEN", "ER2"))  # a second one only takes time
    first = run(["make"], tmp_path)
    assert first.stderr == ""
    for name in ("ER2.npz", "ER2.png", "types.csv"):
        assert (tmp_path / name).stat().st_size
    assert "Nothing to be done" in run(["make"], tmp_path).stdout
    (tmp_path / "sample_data" / "annotations.csv").touch()
    planned = run(["make", "-n"], tmp_path).stdout
    assert "types.csv" in planned
    assert "-o edges.parquet" not in planned


# The house


@pytest.mark.parametrize("target", ["demo", "test", "check", "same", "bench", "reference", "clean"])
def test_make_knows_what_to_do(target: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    planned = run(["make", "-n", target], tmp_path).stdout
    expected = {
        "demo": "sample_data/demo.sh",
        "test": "-m pytest",
        "check": "ruff format --check",
        "same": "tests/same.py HEAD",
        "bench": "tests/benchmarks/run.py",
        "reference": "tests/readme.py",
        "clean": "rm -rf demo",
    }
    assert expected[target] in planned
    if target == "demo":
        assert "-m venv .venv" in planned
        assert "[dev]" not in planned
    assert target in run(["make", "help"], tmp_path).stdout


def test_the_demo_names_only_what_is_there() -> None:
    script = (SAMPLE / "demo.sh").read_text()
    for file in re.findall(r"sample_data/[\w.]+", script):
        assert (ROOT / file).is_file(), file
    assert set(re.findall(r"^crantcli (\w+)", script, re.MULTILINE)) | {"info", *LIVE} == set(COMMANDS)


def test_no_path_of_a_machine_is_in_the_repository() -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False) if shutil.which("git") else None
    if listed is None or listed.returncode:
        pytest.skip("this is no clone: git cannot say which files belong to it")
    found = {
        name: match[0]
        for name in listed.stdout.decode().split("\0")
        if name and (ROOT / name).is_file() and (match := MACHINE_PATH.search((ROOT / name).read_bytes()))
    }
    assert not found
