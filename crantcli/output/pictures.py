"""Writes figures: draws them as their kind asks for, and saves them as pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crantcli.core.question import Figure
from crantcli.engine.duckdb import Engine
from crantcli.output.provenance import metadata
from crantcli.output.writers import Target, Writer, register

if TYPE_CHECKING:
    from crantcli.core.questions.attach import Arbors
    from crantcli.output.figures.heatmap import RenderedFigure, Style


def _write(engine: Engine, figure: Figure, record: dict[str, Any], target: Target) -> list[str]:
    options = dict(figure.options)
    if figure.kind == "arbors":
        return _write_arbors(engine, figure.subject, record, target)
    if figure.kind == "bars":
        return _write_bars(figure.subject, options, record, target)
    if figure.kind == "comparison":
        from crantcli.output.figures.comparison import draw_comparison
        from crantcli.output.figures.save import save

        save(draw_comparison(figure.subject, **options), target.place(), target.suffix, metadata(record))
        return []
    if figure.kind == "flow":
        from crantcli.output.figures.flow import draw_flow
        from crantcli.output.figures.save import save

        save(draw_flow(figure.subject, **options), target.place(), target.suffix, metadata(record))
        return []
    if figure.kind == "similarity":
        from crantcli.output.figures.similarity import draw_similarity

        return _save(draw_similarity(figure.subject, **options), record, target)
    if figure.kind == "nested":
        from crantcli.output.figures.nested import draw_nested

        return _save(draw_nested(figure.subject, _style(options), **options), record, target)
    if figure.kind == "influence":
        from crantcli.output.figures.influence import draw_influence

        return _save(draw_influence(figure.subject, **options), record, target)
    if figure.kind == "matrix":
        from crantcli.output.figures.heatmap import draw_heatmap

        return _save(draw_heatmap(figure.subject, _style(options), **options), record, target)
    raise ValueError(f"no figure is of the kind {figure.kind!r}")


def _style(options: dict[str, Any]) -> Style:
    """The style among the options, with the quantity that they name, and their title where it has none."""
    from crantcli.output.figures.heatmap import Style

    style: Style = options.pop("style", None) or Style()
    title, quantity = options.pop("title", ""), options.pop("quantity", style.quantity)
    return replace(style, title=style.title or title, quantity=quantity)


def _save(drawn: RenderedFigure, record: dict[str, Any], target: Target) -> list[str]:
    from crantcli.output.figures.save import save

    save(drawn.figure, target.place(), target.suffix, metadata({**record, "picture": drawn.facts}))
    return drawn.notes


def _write_arbors(engine: Engine, shown: Arbors, record: dict[str, Any], target: Target) -> list[str]:
    from crantcli.output.figures.arbors import draw_pages

    path, about = target.place(), metadata(record)
    drawn = draw_pages(engine, shown.relation, shown.neurons, shown.load, path, target.suffix, about, shown.split)
    if drawn == len(shown.neurons):
        return []
    return [
        f"{target.destination} shows the first {drawn} of {len(shown.neurons):,} skeletons; a .pdf has pages for all"
    ]


def _write_bars(numbers: dict[str, int], options: dict[str, Any], record: dict[str, Any], target: Target) -> list[str]:
    from crantcli.output.figures.bars import draw_bars
    from crantcli.output.figures.save import save

    save(draw_bars(numbers, **options), target.place(), target.suffix, metadata(record))
    return []


for _suffix in (".png", ".pdf", ".svg"):
    register(Figure, Writer(_suffix, _write, for_streams=_suffix == ".png"))
