"""Pieces of HTML. All that comes from elsewhere goes through `shown` or `html_text`, and is text, whatever it says."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

#: Letters of a name or label that are shown; the rest stands where a pointer rests on it.
_LONGEST = 120

#: Letters that are kept at all.
_MOST = 4000


def html_text(text: object) -> str:
    """A text as HTML has it, quotes included. Marks that do not print, which HTML may not hold, become a box."""
    whole = str(text)
    if not whole.isprintable():
        whole = "".join(mark if _may_stand(mark) else "\ufffd" for mark in whole)
    return escape(whole, quote=True)


def _may_stand(mark: str) -> bool:
    return mark.isprintable() or unicodedata.category(mark) in ("Zs", "Cf")


def shown(text: object) -> str:
    """A text of a file, which keeps its direction to itself, and is cut where it is long."""
    whole = str(text)
    if len(whole) <= _LONGEST:
        return f"<bdi>{html_text(whole)}</bdi>"
    rest = f"{whole[:_MOST]}…" if len(whole) > _MOST else whole
    return f'<bdi title="{html_text(rest)}">{html_text(whole[:_LONGEST])}…</bdi> ({len(whole):,} characters)'


def message(text: object) -> str:
    """What we say of a file, which may have texts of it in it: whole, but for what no message of ours is as long as."""
    whole = str(text)
    return f"<bdi>{html_text(whole if len(whole) <= _MOST else whole[:_MOST] + '…')}</bdi>"


def link(path: Path, page: Path, text: str) -> str:
    """A link from a page to a file, relative, so that both can be moved together."""
    try:
        way = os.path.relpath(os.path.realpath(path), os.path.realpath(page.parent))
    except ValueError:  # on another drive
        return text
    return f'<a href="{escape(quote(os.fsencode(way)))}">{text}</a>'


def figure_text(value: float) -> str:
    """A figure for people: whole numbers in full, others to six digits."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 2**53):
        return f"{int(value):,}"
    return f"{value:,.6g}"


def signed(value: float) -> str:
    """A difference, with its sign."""
    return ("+" if value > 0 else "") + figure_text(value).replace("-", "−")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], name: str, numeric: Iterable[int] = ()) -> str:
    """A table that scrolls in itself; heads and cells are HTML.

    Parameters
    ----------
    heads : sequence of str
    rows : iterable of sequence of str
    name : str
        For those who do not see it.
    numeric : iterable of int
        Columns of numbers.
    """
    right = set(numeric)
    parts = [
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html_text(name)}"><table>\n<thead><tr>',
        *(f'<th scope="col"{_side(place in right)}>{head}</th>' for place, head in enumerate(heads)),
        "</tr></thead>\n<tbody>\n",
    ]
    for row in rows:
        cells = (f"<td{_side(place in right)}>{cell}</td>" for place, cell in enumerate(row))
        parts.append(f"<tr>{''.join(cells)}</tr>\n")
    return "".join([*parts, "</tbody>\n</table></div>\n"])


def _side(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def section(heading: str, name: str, body: str) -> str:
    """A part of a page; without a body there is none."""
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{heading}</h2>\n{body}</section>\n' if body else ""


def section_links(sections: Sequence[tuple[str, str, str]]) -> str:
    """Links to the sections that have a body; each is given as heading, name and body."""
    links = (f'<li><a href="#{name}">{heading}</a></li>' for heading, name, body in sections if body)
    return f'<nav aria-label="Sections"><ul>{"".join(links)}</ul></nav>\n'
