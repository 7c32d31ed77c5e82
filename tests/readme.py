"""What README.md shows and what the commands say, kept the same.

`python tests/readme.py` writes the command reference and the examples' output into README.md and the pages of docs/
anew; test_docs.py only compares.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from crantcli.cli.app import app
from crantcli.cli.help import HEADINGS, INPUT, by_title

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
#: All pages whose examples are run.
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
START, END = "<!-- reference:start -->\n", "<!-- reference:end -->\n"
CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
MARK = "\x1e"


def commands() -> dict[str, Any]:
    """The commands as Typer made them, in the order of the help."""
    group: Any = get_command(app)
    return {name: group.get_command(None, name) for name in group.list_commands(None)}


def fences(language: str, text: str | None = None) -> list[str]:
    """Contents of the fenced code blocks in one language."""
    text = README.read_text(encoding="utf-8") if text is None else text
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


# The examples


def steps(block: str) -> list[tuple[str, str]]:
    """Commands of a console block, `\\` at a line's end continuing them, and the output shown below each."""
    found: list[tuple[str, str]] = []
    lines = iter(block.splitlines(keepends=True))
    for line in lines:
        if line.startswith("$ "):
            command = line
            while command.endswith("\\\n"):
                command += next(lines)
            found.append((command, ""))
        else:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def clone(folder: Path) -> Path:
    """Make a folder look like a clone in which `make demo` has been run once."""
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    (folder / "demo").mkdir()
    return folder


def environment(home: Path) -> dict[str, str]:
    """Of someone who has just installed crantcli, with a home of their own."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR", "MPLCONFIGDIR") if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    homes = {name: f"{home}/.{name.lower()}" for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    # Unbuffered, so that stdout and stderr come in the order in which a terminal shows them.
    return {**kept, "PATH": path, "HOME": str(home), **homes, "PYTHONUNBUFFERED": "1"}


def outputs(commands: Sequence[str], folder: Path) -> list[str]:
    """Run commands one after the other in one shell, and return what each printed, stdout and stderr together."""
    script = "exec 2>&1\n" + "".join(
        f"{command.removeprefix('$ ')}\ncode=$?; printf '\\036'; (exit $code)\n" for command in commands
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, encoding="utf-8", check=False, timeout=300,
    )  # fmt: skip
    return done.stdout.split(MARK)[: len(commands)]


def refreshed(text: str, run: Callable[[list[str]], list[str]]) -> str:
    """A page with what its commands print when they are run today."""
    blocks = [steps(block) for block in CONSOLE.findall(text)]
    printed = iter(run([command for block in blocks for command, _ in block]))
    renewed = iter(["".join(f"{command}{next(printed)}" for command, _ in block) for block in blocks])
    return CONSOLE.sub(lambda _: next(renewed), text)


# The reference


def reference() -> str:
    """The command reference in Markdown: what `--help` says, with the options that commands share told once."""
    helps = {name: (command, by_title(command, typer.Context(command))) for name, command in commands().items()}
    readers = {
        name: titles for name, (_, titles) in helps.items() if any("--pre-col" in told for told, _ in titles[INPUT])
    }
    first, *others = readers.values()
    shared = {
        title: [told for told in first[title] if all(told in other[title] for other in others)] for title in first
    }
    parts = [f"### Options of {', '.join(readers)}\n", _table(shared), "### Who has which\n", options_of(list(readers))]
    for name, (command, titles) in helps.items():
        own = {
            title: [told for told in listed if told not in (shared[title] if name in readers else [])]
            for title, listed in titles.items()
        }
        example, *further = command.epilog.split("\n\n")
        taken = "[SOURCE]..." if name in readers else " ".join(names.split()[0] for names, _ in titles["Arguments"])
        parts += [
            f"### crantcli {name}\n",
            f"{command.help}\n",
            f"```text\n{' '.join(filter(None, ['crantcli', name, taken, '[OPTIONS]']))}\n```\n",
            _table(own),
            f"```sh\n{example.removeprefix('Example: ')}\n```\n",
            *(f"{paragraph}\n" for paragraph in further),
        ]
    return "\n".join(parts)


#: Options about which rows count, which groups are made and what a weight is.
CHOICES = (
    "--where", "--cell-type-column", "--min-size", "--threshold", "--min-fraction", "--totals", "--by", "--weight",
    "--sign", "--neuropil",
)  # fmt: skip


def flags(command: str) -> set[str]:
    """The options of a command that the user may see."""
    shown = [parameter for parameter in commands()[command].params if not getattr(parameter, "hidden", False)]
    return {flag for parameter in shown for flag in parameter.opts}


def options_of(names: Sequence[str]) -> str:
    """Which of these commands has which of `CHOICES`, as a table in Markdown."""
    lines = [f"| | {' | '.join(f'`{choice}`' for choice in CHOICES)} |", "| --- |" + " --- |" * len(CHOICES)]
    for name in names:
        has = flags(name)
        lines.append(f"| `{name}` | {' | '.join('x' if choice in has else '' for choice in CHOICES)} |")
    return "\n".join(lines) + "\n"


def _table(titles: dict[str, list[tuple[str, str]]]) -> str:
    """Arguments and options below their headings; own options have none, since they are the first."""
    lines = ["| option | meaning |", "| --- | --- |"]
    for title, listed in titles.items():
        shown = [(names if names.startswith("-") else names.split()[0], meaning) for names, meaning in listed]
        shown = [told for told in shown if not told[0].endswith("--help")]
        if shown and title in HEADINGS:
            lines.append(f"| **{title}** | |")
        lines += ["| `{}` | {} |".format(*(text.replace("|", "\\|") for text in told)) for told in shown]
    return "\n".join(lines) + "\n"


def with_reference(text: str) -> str:
    """README.md with today's reference between its markers."""
    head, rest = text.split(START)
    _, tail = rest.split(END)
    return f"{head}{START}\n{reference()}\n{END}{tail}"


def main() -> None:
    """Write README.md and the pages of docs/ anew."""
    import tempfile

    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            place = clone(Path(folder))
            text = refreshed(page.read_text(encoding="utf-8"), lambda commands, at=place: outputs(commands, at))
        page.write_text(with_reference(text) if page == README else text, encoding="utf-8")


if __name__ == "__main__":
    main()
