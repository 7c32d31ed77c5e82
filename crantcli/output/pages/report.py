"""Makes the page of a night: one file without a script, which asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from crantcli import __version__
from crantcli.core.report.history import Change, HistoryRow, Number, changes_since, nights_of, series_of
from crantcli.core.report.night import Excerpt, NightFile, NightReport, states_of
from crantcli.core.rows.steps import STEPS
from crantcli.output.pages.charts import line_chart
from crantcli.output.pages.markup import (
    figure_text,
    html_text,
    link,
    message,
    section,
    section_links,
    shown,
    signed,
    table,
)
from crantcli.output.pages.pictures import ShownPicture
from crantcli.output.provenance import as_text
from crantcli.schema import KEY
from crantcli.text import as_flags, plural

#: Changes since the last night that are listed.
_CHANGES = 20

#: What the columns of a comparison begin with that name what is compared, and what the numbers in the others look like.
_LABELS = ("pre", "post", "neuron", "old_ids", "new_ids")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?")


def report_page(
    report: NightReport, history: Sequence[HistoryRow] | None, pictures: Sequence[ShownPicture], page: Path
) -> bytes:
    """Make the page of a night.

    Parameters
    ----------
    report : NightReport
    history : sequence of HistoryRow or None
        This night included; None where none is kept.
    pictures : sequence of ShownPicture
    page : Path
        Where it will be, from where links lead to the files.

    Returns
    -------
    bytes
        The same for the same files, history and place; UTF-8.
    """
    style = files("crantcli.output.pages").joinpath("report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"Night of {report.night}" if report.night else "Report"
    ours = [file for file in report.files if file.state != "other"]
    sections = [
        ("Versions", "versions", _versions(ours)),
        ("What changed", "changes", _changes(report, history, page)),
        ("Files and totals", "files", _files(ours, page)),
        ("What became of every row", "ledger", _ledgers(ours)),
        ("History", "history", _history(report, history)),
        ("Pictures", "pictures", _pictures(pictures, page)),
        ("Other files", "others", _others(report.files, page)),
    ]
    return "".join([
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f'<meta name="{KEY}" content="{html_text(as_text(_record(report)))}">\n',
        f"<title>{html_text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n",
        f"<header>\n<h1>{html_text(title)}</h1>\n</header>\n<main>\n{_verdict(report)}{section_links(sections)}",
        *(section(*each) for each in sections),
        "</main>\n",
        f"<footer>Made by crantcli {html_text(__version__)}. Numbers are those that the files hold.</footer>\n",
        "</body>\n</html>\n",
    ]).encode("utf-8", "backslashreplace")  # fmt: skip


def _record(report: NightReport) -> dict[str, object]:
    """Provenance of the page."""
    inputs = [
        {"name": file.name, "bytes": file.size, "sha256": file.fingerprint} for file in report.files if file.fingerprint
    ]
    options = {"night": report.night} if report.night else {}
    return {"crantcli": __version__, "command": "report", "kind": "report", "options": options, "inputs": inputs}


def _verdict(report: NightReport) -> str:
    """What a reader has to know first."""
    parts = []
    if report.failures:
        heading = f"This night failed: {plural(len(report.failures), 'problem')}"
        parts.append(f'<div class="bad" role="alert"><strong>{heading}</strong>{_list(report.failures)}</div>\n')
    else:
        ours = sum(file.state == "ours" for file in report.files)
        parts.append(f'<p class="good"><strong>{plural(ours, "file")} of crantcli, and nothing failed.</strong></p>\n')
    if report.warnings:
        parts.append(f'<div class="warning"><strong>To be known</strong>{_list(report.warnings)}</div>\n')
    return "".join(parts)


def _list(texts: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{message(as_flags(text))}</li>' for text in texts)}</ul>"


def _versions(found: Sequence[NightFile]) -> str:
    rows = [
        (shown(state.what), shown(state.version), shown(state.time), ", ".join(map(shown, names)))
        for state, names in states_of(found).items()
    ]
    return table(("Data", "Version", "Time", "Stated by"), rows, "Versions") if rows else ""


def _files(found: Sequence[NightFile], page: Path) -> str:
    rows = []
    for file in found:
        origin = file.origin
        name = shown(file.name) if file.why == "is not there" else link(file.path, page, shown(file.name))
        trouble = f'<div class="fail">{message(as_flags(file.why))}</div>' if file.state == "failed" else ""
        made = f"{shown(origin.command)} {_options(origin.options)}" if origin else ""
        totals = "" if _compared(file) else _figures(file.figures)
        size = "" if file.size is None else figure_text(file.size)
        rows.append((f"{name}{trouble}", shown(file.kind), totals, size, made))
    return table(("File", "Kind", "Totals", "Bytes", "Made by"), rows, "Files and totals", [3]) if rows else ""


def _compared(file: NightFile) -> bool:
    """Whether a file has the figures of a comparison, which stand among the changes."""
    return file.origin is not None and file.origin.command == "compare" and bool(file.figures) and not file.excerpt


def _figures(figures: Mapping[str, Number]) -> str:
    listed = "".join(f"<li>{shown(label)} <b>{figure_text(value)}</b></li>" for label, value in figures.items())
    return f'<ul class="figures">{listed}</ul>' if listed else ""


def _options(options: Mapping[str, str]) -> str:
    """Options of a run, which are looked at rarely."""
    if not options:
        return ""
    listed = "".join(f"<li>{shown(name)} = {shown(value)}</li>" for name, value in options.items())
    return f"<details><summary>{plural(len(options), 'option')}</summary><ul>{listed}</ul></details>"


def _ledgers(found: Sequence[NightFile]) -> str:
    """The ledger of every run, once."""
    runs: dict[tuple[str, ...], list[NightFile]] = {}
    for file in found:
        if file.origin is not None and file.origin.ledger is not None:
            runs.setdefault(file.origin.run, []).append(file)
    ledgers = [(members, members[0].origin.ledger) for members in runs.values() if members[0].origin]
    steps = [step for step in STEPS if any(ledger and ledger.removed.get(step) for _, ledger in ledgers)]
    merged = any(ledger and ledger.merged for _, ledger in ledgers)
    heads = ["Files", "Rows of", "Read", *(f"− {step}" for step in steps), *(["− merged"] if merged else []), "Kept"]
    rows = [
        [
            ", ".join(shown(file.name) for file in members),
            html_text(ledger.unit),
            figure_text(ledger.read),
            *(figure_text(ledger.removed.get(step, 0)) for step in steps),
            *([figure_text(ledger.merged)] if merged else []),
            figure_text(ledger.kept),
        ]
        for members, ledger in ledgers
        if ledger
    ]
    return table(heads, rows, "Ledgers", range(2, len(heads))) if rows else ""


def _changes(report: NightReport, history: Sequence[HistoryRow] | None, page: Path) -> str:
    """What compare tells, and figures that the history has otherwise for the night before."""
    before, changes = changes_since(history, report.night) if history is not None else (None, [])
    parts = [] if before is None else [f"<h3>Figures since {html_text(before)}</h3>\n{_changed_figures(changes)}"]
    for file in report.files:
        if _compared(file):
            head = f"<h3>{link(file.path, page, shown(file.name))}</h3>\n"
            parts.append(f"{head}{_sides(file)}{_figures(file.figures)}\n")
        if file.excerpt is not None:
            parts.append(_excerpt(file, page))
    return "".join(parts)


def _sides(file: NightFile) -> str:
    """Which files were compared; both may have one name, and are told apart by their fingerprints."""
    files = file.origin.files if file.origin else ()
    named = " and ".join(f"{shown(item.name)} ({html_text(item.sha256.removeprefix('ends:')[:8])})" for item in files)
    return f'<p class="soft">Made of {named}</p>\n' if named else ""


def _excerpt(file: NightFile, page: Path) -> str:
    excerpt = file.excerpt
    assert excerpt is not None
    told = f"{len(excerpt.rows):,} of {plural(excerpt.total, 'row')}: {excerpt.what}"
    numeric = [place for place in range(len(excerpt.columns)) if _is_numeric(excerpt, place)]
    body = table(
        [shown(name) for name in excerpt.columns],
        [[_cell(cell, place in numeric) for place, cell in enumerate(row)] for row in excerpt.rows],
        f"Rows of {file.name}",
        numeric,
    )
    return f'<h3>{link(file.path, page, shown(file.name))}</h3>\n<p class="soft">{told}</p>\n{body}'


def _is_numeric(excerpt: Excerpt, place: int) -> bool:
    """Whether a column holds numbers, and no IDs."""
    cells = [row[place] for row in excerpt.rows]
    return not excerpt.columns[place].startswith(_LABELS) and all(
        cell is None or _NUMBER.fullmatch(cell) for cell in cells
    )


def _cell(text: str | None, numeric: bool) -> str:
    """A cell as it is, but for fractions of more digits than anybody reads."""
    if text is None:
        return ""
    return html_text(f"{float(text):.6g}") if numeric and len(text) > 8 and not text.isdigit() else shown(text)


def _changed_figures(changes: Sequence[Change]) -> str:
    if not changes:
        return "<p>No figure has changed.</p>\n"
    both = [change for change in changes if change.before is not None and change.now is not None]
    rows = [
        (shown(change.file), shown(change.figure), *_difference(change.before, change.now))
        for change in both[:_CHANGES]
    ]
    rest = len(both) - _CHANGES
    more = f'<p class="soft">{plural(rest, "smaller change", "are")} not listed.</p>\n' if rest > 0 else ""
    heads = ("File", "Figure", "Before", "Now", "Difference", "%")
    listed = table(heads, rows, "Figures that changed", range(2, 6)) if rows else ""
    return listed + more + _came_and_went(changes)


def _came_and_went(changes: Sequence[Change]) -> str:
    """Figures that only one of both nights has, by file: mostly all of a file that came or went."""
    parts = []
    for heading, side in (("Only in this night", "before"), ("Only in the night before", "now")):
        by_file: dict[str, list[str]] = {}
        for change in sorted(changes, key=lambda change: change[:2]):
            if getattr(change, side) is None:
                by_file.setdefault(change.file, []).append(change.figure)
        listed = "".join(
            f"<li>{shown(file)}: {', '.join(map(html_text, names))}</li>" for file, names in by_file.items()
        )
        parts.append(f"<p>{heading}:</p>\n<ul>{listed}</ul>\n" if listed else "")
    return "".join(parts)


def _difference(before: Number | None, now: Number | None) -> tuple[str, str, str, str]:
    """Both values, their difference, and that as a part of the first; a night without the figure has a dash."""
    texts = ("–" if before is None else figure_text(before), "–" if now is None else figure_text(now))
    if before is None or now is None:
        return (*texts, "", "")
    percent = f"{signed(round((now - before) / abs(before) * 100, 2))} %" if before else ""
    return (*texts, signed(now - before), percent)


def _history(report: NightReport, history: Sequence[HistoryRow] | None) -> str:
    """A chart for each figure that ever changed, and a list of those that did not."""
    if history is None:
        return ""
    nights = nights_of(history)
    if len(nights) < 2:
        return "<p>This is the first night of the history.</p>\n"
    told = f"{plural(len(nights), 'night')} from {nights[0]} to {nights[-1]}."
    told += "" if report.night in nights else " No file of this night has a figure."
    place = nights.index(report.night) if report.night in nights else None
    cards: dict[str, list[str]] = {}
    still: dict[str, dict[str, Number]] = {}
    for (file, figure), values in series_of(history).items():
        if len(set(values)) == 1:
            still.setdefault(file, {})[figure] = values[0] or 0
            continue
        cards.setdefault(file, []).append(_card(nights, values, place, file, figure))
    parts = [f'<p class="soft">{html_text(told)}</p>\n']
    parts += [f'<h3>{shown(file)}</h3>\n<div class="cards">\n{"".join(made)}</div>\n' for file, made in cards.items()]
    if still:
        rows = [(shown(file), _figures(figures)) for file, figures in still.items()]
        parts.append("<h3>The same in every night</h3>\n")
        parts.append(table(("File", "Figures"), rows, "Figures that are the same in every night"))
    return "".join(parts)


def _card(nights: Sequence[str], values: Sequence[float | None], place: int | None, file: str, figure: str) -> str:
    now = None if place is None else values[place]
    before = None if not place else values[place - 1]
    told = "not there this night" if now is None else f"<b>{figure_text(now)}</b>"
    if now is not None and before is not None and place:
        since = f"{signed(now - before)} since {nights[place - 1]}" if now != before else "as the night before"
        told += f" <span>{since}</span>"
    once = sum(value is not None for value in values) == 1
    chart = "" if once else line_chart(nights, values, f"{figure} of {file}")
    return f'<div class="card"><h4>{shown(figure)}</h4><p>{told}</p>{chart}</div>\n'


def _pictures(pictures: Sequence[ShownPicture], page: Path) -> str:
    made = []
    for picture in pictures:
        name = shown(picture.name)
        caption = f"{link(picture.path, page, name)}{html_text(picture.note)}"
        if not picture.content:
            made.append(f"<figure><figcaption>{caption}</figcaption></figure>\n")
            continue
        data = base64.b64encode(picture.content).decode()
        made.append(
            f'<figure><img src="data:image/png;base64,{data}" alt="{html_text(picture.name)}"><figcaption>{caption}'
            "</figcaption></figure>\n"
        )
    return f'<div class="pictures">\n{"".join(made)}</div>\n' if made else ""


def _others(found: Sequence[NightFile], page: Path) -> str:
    rows = []
    for file in found:
        if file.state == "other":
            name, why = link(file.path, page, shown(file.name)), message(as_flags(file.why))
            rows.append((name, shown(file.kind), _figures(file.figures), why))
    told = '<p class="soft">Nothing says how these came about, so nothing says whether they are of this night.</p>\n'
    return told + table(("File", "Kind", "Totals", "Why"), rows, "Other files") if rows else ""
