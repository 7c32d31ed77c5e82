"""Whether groups of neurons are connected more strongly than chance would connect them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crantcli.core import sql
from crantcli.core.compare.columns import compared_columns
from crantcli.core.compare.comparison import CompareOptions, Comparison
from crantcli.core.compare.groups import LabelledSide, labelled_side
from crantcli.core.compare.histogram import WeightHistogram
from crantcli.core.compare.picture import ComparisonPicture, largest_changes
from crantcli.core.compare.rewiring import rewired_graphs
from crantcli.core.compare.sides import one_network
from crantcli.core.compare.statistics import ALPHA, holm, tippett
from crantcli.core.engine import SqlEngine
from crantcli.core.question import Table
from crantcli.core.questions.base import Inputs
from crantcli.core.rows.labels import label_columns
from crantcli.errors import UsageError
from crantcli.text import P, join_names

if TYPE_CHECKING:
    import numpy as np

Model = Literal["configuration", "erdos-renyi"]

_NUMBERS = ("edges", "possible", "expected", "sd", "z", "p", "p_holm")


@dataclass(frozen=True)
class BlockNull:
    """What a model expects of each pair of groups.

    Attributes
    ----------
    expected, sd : ndarray of float64, shape (blocks,)
        Edges, and their standard deviation.
    p : ndarray of float64, shape (blocks,)
        The chance of as many edges or more.
    """

    expected: np.ndarray[Any, Any]
    sd: np.ndarray[Any, Any]
    p: np.ndarray[Any, Any]


def erdos_renyi_null(edges: np.ndarray[Any, Any], possible: np.ndarray[Any, Any], density: float) -> BlockNull:
    """Each possible edge is there with the same probability: binomial, so that nothing has to be drawn.

    expected = possible * density, sd = sqrt(possible * density * (1 - density)).
    """
    import numpy as np
    from scipy.special import bdtrc

    p = np.where(edges > 0, bdtrc(np.maximum(edges - 1, 0).astype(np.float64), possible, density), 1.0)
    return BlockNull(possible * density, np.sqrt(possible * density * (1 - density)), p)


def configuration_null(
    pre: np.ndarray[Any, Any],
    post: np.ndarray[Any, Any],
    groups: np.ndarray[Any, Any],
    number: int,
    samples: int,
    seed: int,
) -> BlockNull:
    """Edges are rewired, and every neuron keeps its numbers of inputs and outputs.

    Parameters
    ----------
    pre, post : ndarray of int64, shape (edges,)
    groups : ndarray of int64, shape (neurons,)
        The group of each neuron, from 0 to `number` - 1. A block is pre group * number + post group.

    Returns
    -------
    BlockNull
        Mean and standard deviation over the samples, and p = (1 + samples with as many edges or more) / (1 + samples).
    """
    import numpy as np

    def blocks(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.bincount(groups[one] * number + groups[other], minlength=number * number)

    observed = blocks(pre, post)
    total, squares, reached = (np.zeros(number * number, dtype=np.int64) for _ in range(3))
    for one, other in rewired_graphs(pre, post, len(groups), samples, seed):
        found = blocks(one, other)
        total += found
        squares += found * found
        reached += found >= observed
    variance = (samples * squares - total * total) / (samples * (samples - 1))
    return BlockNull(total / samples, np.sqrt(variance), (1 + reached) / (1 + samples))


def against_chance(engine: SqlEngine, given: Inputs, options: CompareOptions) -> Comparison:
    """Pairs of groups of one table against a model of chance."""
    import numpy as np

    own = compared_columns([("the table", given.source, given.annotations)], options.by, []).own[0]
    if own:
        raise UsageError(
            f"{P.against} draws graphs of neurons, and {join_names(list(own))} is of the table's rows; keep one kind "
            f"with {P.where(f'{own[0]} = VALUE')}"
        )
    side, ledger, notes = one_network(engine, given, options)
    labelled = labelled_side(engine, side, options.by, (given.rows.threshold or 1,), ledger, notes)
    ends = len(options.by)
    labels = sql.columns(f"label_{place}" for place in range(ends))
    placed = engine.table(
        "placed_neurons",
        f"SELECT id, {labels}, row_number() OVER (ORDER BY id) - 1 AS place, "
        f"dense_rank() OVER (ORDER BY {labels}) - 1 AS team FROM {labelled.labels}",
    )
    teams = engine.arrays(f"SELECT team FROM {placed} ORDER BY place")["team"].astype(np.int64)
    found = engine.arrays(
        f"SELECT p.place AS pre, q.place AS post FROM {side.kept} AS e JOIN {placed} AS p ON e.pre = p.id "
        f"JOIN {placed} AS q ON e.post = q.id WHERE e.pre <> e.post ORDER BY 1, 2"
    )
    pre, post = (found[end].astype(np.int64) for end in ("pre", "post"))
    number = int(teams.max()) + 1 if len(teams) else 0
    sizes = np.bincount(teams, minlength=number)
    possible = (np.outer(sizes, sizes) - np.diag(sizes)).ravel()
    edges = np.bincount(teams[pre] * number + teams[post], minlength=number * number)
    if options.against == "erdos-renyi":
        null = erdos_renyi_null(edges, possible, labelled.density() or 0.0)
    else:
        null = configuration_null(pre, post, teams, number, options.samples, options.seed)
    shown = np.flatnonzero((possible > 0) if options.complete else (edges > 0))
    p = null.p[shown]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(null.sd > 0, (edges - null.expected) / null.sd, np.nan)[shown]
    corrected = holm(p)
    enough = math.ceil(len(p) / ALPHA)
    if options.against == "configuration" and options.samples < enough:
        notes.append(
            f"with {options.samples:,} samples no p of {len(p):,} can be below {ALPHA} after Holm's correction; that "
            f"takes {enough:,}, or look at z"
        )
    columns = {
        "pre_team": shown // max(number, 1), "post_team": shown % max(number, 1), "edges": edges[shown],
        "possible": possible[shown], "expected": null.expected[shown], "sd": null.sd[shown], "z": z, "p": p,
        "p_holm": corrected,
    }  # fmt: skip
    table = _block_table(engine, placed, columns, label_columns(given.annotations, options.by))
    figures = _figures(labelled, p, corrected)
    model = f"in {options.samples:,} graphs of the same degrees" if options.against == "configuration" else "by density"
    told = (
        f"{figures['edges_a']:,} edges; {figures['significant']:,} of {figures['tested']:,} pairs of groups are "
        f"stronger than {model}"
    )

    def picture() -> ComparisonPicture:
        changes = largest_changes(engine, table, ends, ends, ("expected", "edges"))
        histogram = WeightHistogram(columns["expected"], columns["edges"], np.ones(len(shown), dtype=np.int64))
        return ComparisonPicture(histogram, changes, "pairs of groups", told, ("expected", "observed"), "edges")

    return Comparison(table, "pairs of groups", ledger, figures, told, picture, notes)


def _block_table(engine: SqlEngine, placed: str, columns: dict[str, Any], by: tuple[str, ...]) -> Table:
    """Pairs of groups with their numbers, those that are furthest above chance first."""
    named = [f"{end}_{name}" for end in ("pre", "post") for name in by]
    chosen = [
        f"{end}.label_{place} AS {sql.quote(f'{end}_{name}')}"
        for end in ("pre", "post")
        for place, name in enumerate(by)
    ]
    labels = sql.columns(f"label_{place}" for place in range(len(by)))
    teams = f"(SELECT DISTINCT team, {labels} FROM {placed})"
    blocks = engine.columns_table("blocks", columns)
    numbers = [f"b.{name}" for name in _NUMBERS]
    numbers[_NUMBERS.index("z")] = "CASE WHEN NOT isnan(b.z) THEN b.z END AS z"
    query = (
        f"SELECT {', '.join([*chosen, *numbers])} FROM {blocks} AS b JOIN {teams} AS pre ON b.pre_team = pre.team "
        f"JOIN {teams} AS post ON b.post_team = post.team ORDER BY z DESC NULLS LAST, {sql.columns(named)}"
    )
    return Table(query, (*named, *_NUMBERS), len(columns["edges"]))


def _figures(side: LabelledSide, p: np.ndarray[Any, Any], corrected: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {
        "groups": len(p),
        "neurons_a": side.neurons,
        "edges_a": side.edges[0],
        "possible_a": side.possible,
        "density_a": side.density(),
        "tested": len(p),
        "significant": int((corrected < ALPHA).sum()),
        "p_groups": tippett(p),
    }
