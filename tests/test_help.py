"""The help: a command's own options first, those it shares under headings in one order; commands in sections."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import readme
from conftest import ROOT, Crant

#: Sections of commands, and what of the options of a command stands where, in their order.
SECTIONS = ("Ask", "Data", "Live", "Look")
HEADINGS = ("Input", "Neurons", "Filters", "Output", "Server", "Engine")

COMMANDS = readme.commands()
TITLE = re.compile(r"^(\w+):$")


def meanings(command: str) -> dict[str, str]:
    """Long name of each option that the user may see -> its meaning, of the declarations instead of the help."""
    shown = [parameter for parameter in COMMANDS[command].params if not getattr(parameter, "hidden", False)]
    return {flag: parameter.help for parameter in shown for flag in parameter.opts if flag.startswith("--")}


FLAGS = {name: set(meanings(name)) for name in COMMANDS}


def lists(text: str) -> dict[str, list[str]]:
    """Title -> the first word of each entry below it, of a help's text."""
    found: dict[str, list[str]] = {}
    listed: list[str] = []
    for line in text.splitlines():
        if title := TITLE.match(line):
            assert title[1] not in found, f"{title[1]} stands there twice"
            listed = found[title[1]] = []
        elif not line:
            listed = []  # what is below the last list is the epilog
        elif entry := re.match(r"^  (?:-\w, )?([-\w\[\]]+)", line):
            listed.append(entry[1])
    return found


#: Commands that read a table of synapses or edges.
READERS = [name for name in COMMANDS if "--pre-col" in FLAGS[name]]

#: What a command has not that passes on each row as it comes.
ALL_ROWS = {"--threshold", "--min-size", "--by", "--weight", "--min-fraction", "--sign", "--totals"}

#: Options about rows, groups and weights that such a command has not, and why.
LACKING = {
    "synapses": {"--by", "--weight", "--sign"},  # rows, and no pairs
    "compare": {"--totals"},  # of one table, and there are two
    "influence": {"--min-fraction"},  # every edge conducts; its --weight and --totals are of its own kind
    "paths": {"--weight"},  # fractions of input are what is multiplied
    "attach": {"--by", "--weight", "--min-fraction", "--sign", "--totals"},  # sites, and no pairs
    "view": {
        "--by",
        "--weight",
        "--min-fraction",
        "--sign",
        "--totals",
    },  # pairs as they are, fractions of what is shown
    "partition": ALL_ROWS,
    "sort": ALL_ROWS,
    "export": ALL_ROWS,
}

#: Who says of an option what is special about it.
IN_OWN_WORDS = {"influence": {"--weight"}, "paths": {"--min-fraction"}}


@pytest.mark.parametrize("name", READERS)
def test_rows_groups_and_weights_are_chosen_alike(name: str) -> None:
    """Each command that reads synapses or edges has all of these options, or a reason."""
    wanted = set(readme.CHOICES) - {"--neuropil"}  # with assignments only, where the answer has no matrix
    assert wanted - FLAGS[name] == LACKING.get(name, set())
    same = {"--where", "--cell-type-column", "--min-size", "--sign", "--inhibitory", "--excitatory", "--unsigned"}
    same |= {"--weight", "--min-fraction"} - IN_OWN_WORDS.get(name, set())
    for flag in same & FLAGS[name]:
        assert meanings(name)[flag] == meanings("connectivity")[flag], flag


def test_the_reference_says_who_has_which() -> None:
    table = readme.options_of(["synapses", "nested"]).splitlines()
    assert [row.count(" x ") for row in table[2:]] == [7, 9]


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_own_options_come_first_and_shared_ones_under_headings_in_their_order(crant: Crant, command: str) -> None:
    titles = list(lists(crant(command, "--help").text))
    assert titles == [title for title in ("Arguments", "Options", *HEADINGS) if title in titles]
    assert "Options" in titles


def test_every_option_stands_under_one_title(crant: Crant, command: str) -> None:
    found = lists(crant(command, "--help").text)
    options = Counter(name for title, listed in found.items() if title != "Arguments" for name in listed)
    assert options == Counter(FLAGS[command] | {"--help"})


def test_what_most_commands_have_is_not_own_and_what_one_has_is(crant: Crant, command: str) -> None:
    """Options of a picture or a choice of neuropils, which few share, are own, too."""
    users = Counter(flag for flags in FLAGS.values() for flag in flags)
    same = Counter(meaning for name in COMMANDS for meaning in meanings(name).items())
    found = lists(crant(command, "--help").text)
    assert [flag for title in HEADINGS for flag in found.get(title, []) if users[flag] == 1] == []
    own = [(flag, meaning) for flag, meaning in meanings(command).items() if flag in found["Options"]]
    assert [told for told in own if same[told] > len(COMMANDS) / 2] == []


def test_the_same_option_stands_under_the_same_title_everywhere(crant: Crant) -> None:
    places: dict[tuple[str, str], set[str]] = {}
    for name in COMMANDS:
        for title, listed in lists(crant(name, "--help").text).items():
            for flag in {*listed} & {*meanings(name)}:
                places.setdefault((flag, meanings(name)[flag]), set()).add(title)
    assert {told: titles for told, titles in places.items() if len(titles) > 1} == {}
    assert len(places) > 80


@pytest.mark.parametrize(
    ("command", "first"),
    [("counts", "--neurons"), ("connectivity", "--neurons"), ("synapses", "--pre"), ("nested", "--source-types")],
)
def test_the_first_option_is_the_question(crant: Crant, command: str, first: str) -> None:
    assert lists(crant(command, "--help").text)["Options"][0] == first


def test_meanings_stand_in_one_column(crant: Crant, command: str) -> None:
    entry = re.compile(r"^  (?! )(?:\S| (?! ))+ {2,}(?=\S)", re.MULTILINE)
    text = crant(command, "--help").text
    columns = {len(found) for found in entry.findall(text) if len(found) <= 34}
    assert len(columns) == 1


# The commands


def test_commands_stand_in_sections_as_in_a_pipeline(crant: Crant) -> None:
    found = lists(crant("--help").text)
    assert list(found) == [*SECTIONS, "Options"]
    for section, pipeline in {
        "Ask": "synapses connectivity adjacency counts nested neuropil attach",
        "Data": "annotations meshes ids",
        "Live": "lock cache",
        "Look": "info",
    }.items():
        words = pipeline.split()
        assert [name for name in found[section] if name in words] == words
    assert sorted(name for section in SECTIONS for name in found[section]) == sorted(COMMANDS)


def test_a_line_says_what_a_command_is_for(crant: Crant) -> None:
    """None is cut, on a terminal of 80 columns."""
    text = crant("--help").text
    assert "..." not in text.replace("[ARGS]...", "")
    for command in COMMANDS.values():
        assert f"{command.help.partition('. ')[0].rstrip('.')}." in text


HELLO = '''
from crantcli.cli.command import command

@command("hello", section="Ask", after="synapses", epilog="Example: crantcli hello")
def hello(name: str = "you") -> None:
    """Greet."""
    print(f"hello {name}")
'''


def test_a_file_in_the_folder_is_a_command(tmp_path: Path) -> None:
    """There is no list of commands to be kept in step."""
    (tmp_path / "hello.py").write_text(HELLO)
    code = (
        "import sys, crantcli.cli.commands as commands; commands.__path__.append(sys.argv[1]); "
        "from crantcli.cli.app import run; run(['--help']); run(['hello', '--name', 'Ada'])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    # After synapses, and by name among those that come after it.
    assert re.search(r"counts .*?\n.*?nested .*\n(?s:.*)\n  hello +Greet\.\n", done.stdout)
    assert done.stdout.endswith("hello Ada\n")


QUESTIONS = sorted(
    path.stem
    for path in (ROOT / "crantcli" / "core" / "questions").glob("*.py")
    if path.stem not in ("__init__", "base")
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_has_a_command_a_test_an_example_and_a_word_in_the_readme(question: str) -> None:
    """Here in short; test_docs.py runs the examples."""
    assert (ROOT / "crantcli" / "cli" / "commands" / f"{question}.py").is_file()
    assert (ROOT / "tests" / f"test_{question}.py").is_file()
    assert COMMANDS[question].epilog.startswith(f"Example: crantcli {question} ")
    told, _ = readme.README.read_text(encoding="utf-8").split(readme.START)
    assert f"crantcli {question}" in told


def test_each_file_of_commands_is_one() -> None:
    files = {path.stem for path in (ROOT / "crantcli" / "cli" / "commands").glob("*.py")} - {"__init__"}
    assert set(COMMANDS) == files
    assert set(QUESTIONS) <= files


# An older name


@pytest.mark.parametrize("command", ["adjacency", "nested", "neuropil"])
def test_the_older_name_of_keep_unconnected_is_not_shown(crant: Crant, command: str) -> None:
    shown = crant(command, "--help").text
    assert "--keep-unconnected" in shown
    assert "silent" not in shown.replace("silent server", "")


@pytest.mark.parametrize(
    "names", [("--keep-silent",), ("--keep-unconnected",), ("--keep-silent", "--keep-unconnected")]
)
def test_both_names_keep_unconnected_neurons(crant: Crant, names: tuple[str, ...]) -> None:
    Path("synapses.csv").write_text("pre,post\n1,2\n1,2\n")
    Path("cells.csv").write_text("root_id,cell_type\n1,A\n2,A\n3,B\n")
    done = crant("adjacency", "synapses.csv", "--pre", "1,3", *names)
    assert done.text == "pre/post,2\n1,2\n3,0\n"
    done = crant("nested", "synapses.csv", "-a", "cells.csv", "--weight-mode", "count", *names)
    assert done.text == "pre/post,1,2,3\n1,0,2,0\n2,0,0,0\n3,0,0,0\n"
