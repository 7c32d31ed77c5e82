"""Small line charts as plain SVG, coloured by the page that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from crantcli.output.pages.markup import figure_text, html_text

#: Size in the units of the drawing, which the page scales, and the part of it in which the line is.
_WIDTH, _HEIGHT = 300, 122
_LEFT, _RIGHT, _TOP, _BOTTOM = 4, 296, 20, 82

#: Nights up to which each has a dot of its own.
_DOTTED = 40


def line_chart(nights: Sequence[str], values: Sequence[float | None], name: str) -> str:
    """Draw a figure over nights.

    Parameters
    ----------
    nights : sequence of str
        Dates, or dates and times, the oldest first; the distance between two is the time between them.
    values : sequence of float or None
        The line has a gap where a night has none.
    name : str
        What the figure is, for those who do not see it.

    Returns
    -------
    str
        An SVG element. The line goes from the lowest to the highest value, both of which are written beside it; of a
        figure that never changed it is in the middle.
    """
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    places = _along([(datetime.fromisoformat(night) - datetime(1970, 1, 1)).total_seconds() for night in nights])
    points = [
        None if value is None else (place, _BOTTOM - _part(value, low, high) * (_BOTTOM - _TOP))
        for place, value in zip(places, values, strict=True)
    ]
    ends = f"lowest {figure_text(low)}, highest {figure_text(high)}"
    told = f"{name}: {len(known)} nights from {nights[0]} to {nights[-1]}, {ends}"
    marks = [f'<line class="axis" x1="{_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}"/>' for y in (_TOP, _BOTTOM)]
    for run in _runs(points):
        if len(run) > 1:
            marks.append(f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in run)}"/>')
        dots = run if len(nights) <= _DOTTED or len(run) == 1 else []
        marks += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in dots]
    last = points[-1]
    if last is not None:
        marks.append(f'<circle class="last" cx="{last[0]:.1f}" cy="{last[1]:.1f}" r="4.5"/>')
    texts = [(_LEFT, _TOP - 6, "start", figure_text(high)), (_LEFT, _HEIGHT - 4, "start", nights[0])]
    texts += [(_RIGHT, _HEIGHT - 4, "end", nights[-1])]
    texts += [(_LEFT, _BOTTOM + 14, "start", figure_text(low))] if low != high else []
    marks += [f'<text x="{x}" y="{y}" text-anchor="{anchor}">{html_text(text)}</text>' for x, y, anchor, text in texts]
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html_text(told)}">{"".join(marks)}</svg>\n'


def _along(times: Sequence[float]) -> list[float]:
    """Times as places on the line."""
    span = times[-1] - times[0]
    return [_LEFT + 6 + (time - times[0]) / span * (_RIGHT - _LEFT - 12) if span else _RIGHT - 6 for time in times]


def _part(value: float, low: float, high: float) -> float:
    return 0.5 if low == high else (value - low) / (high - low)


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Points that follow each other without a gap."""
    found: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is not None:
            found[-1].append(point)
        elif found[-1]:
            found.append([])
    return [run for run in found if run]
