"""Axon, dendrite and linker of a neuron, by how many paths from its inputs to its outputs run where.

Synapse flow centrality: Schneider-Mizell et al., "Quantitative neuroanatomy for connectomics in Drosophila", eLife
5:e12059 (2016). Where most paths run is the linker; what it holds together is axon or dendrite by its share of the
neuron's outputs and inputs, the rule of navis' `split_axon_dendrite`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.forest import Forest
from crantcli.core.geometry.skeleton import Skeleton

if TYPE_CHECKING:
    import numpy as np

    Ints = np.ndarray[Any, np.dtype[np.int64]]
    Codes = np.ndarray[Any, np.dtype[np.int8]]
    Truths = np.ndarray[Any, np.dtype[np.bool_]]

#: Compartments, by their codes.
COMPARTMENTS = ("axon", "dendrite", "linker", "unknown")
AXON, DENDRITE, LINKER, UNKNOWN = range(4)

#: Why a neuron has no compartments: it has fewer than `FEW` inputs or outputs on one tree; nothing to tell apart.
SPLIT, FEW_SITES, UNDIVIDED = range(3)
OUTCOMES = ("split", "few", "undivided")

#: Inputs, and outputs, that a neuron must have.
FEW = 5

#: The linker is where at least this part of the most paths runs, in tenths.
_TENTHS = 9

#: A part with less than one in so many of the neuron's outputs, and of its inputs, is no axon or dendrite of its own.
_SMALL = 100


@dataclass(frozen=True)
class Split:
    """The compartments of a neuron.

    Attributes
    ----------
    outcome : int
        A place in `OUTCOMES`.
    code : ndarray of int8, shape (nodes,)
        A place in `COMPARTMENTS` for each node; `UNKNOWN` for all unless it is split, and on trees other than the one.
    flow : ndarray of int64, shape (nodes,)
        Paths between the two sides of each node's edge to its parent, both ways; 0 for roots.
    """

    outcome: int
    code: Codes
    flow: Ints


def split(skeleton: Skeleton, pre: Ints, post: Ints) -> Split:
    """Tell axon, dendrite and linker apart.

    Parameters
    ----------
    skeleton : Skeleton
    pre, post : ndarray of int64, shape (nodes,)
        Outputs and inputs at each node.

    Returns
    -------
    Split

    Notes
    -----
    A path runs from an input to an output. The flow of an edge is the number of paths over it: with `i` inputs and `o`
    outputs beyond it, of `I` and `O` in all, `(I - i) o + i (O - o)`, the sum of centrifugal and centripetal flow; it
    does not depend on the root. The linker are the nodes on edges with at least 0.9 of the largest flow. The pieces
    that are left are axon where their share of the outputs is at least that of the inputs, else dendrite; the linker
    falls to one of these where it lies between two pieces of it. Pieces with less than 1 % of the outputs and of the
    inputs, such as the fibre to the cell body, belong to what they hang on.

    Of several trees the one with the most paths counts, of equals that with the lowest node ID; the others stay
    unknown.
    """
    import numpy as np

    order = _outwards(skeleton)
    if order is None:
        code, flow, outcome = _split(skeleton.parent, pre, post, np.arange(len(skeleton)))
        return Split(outcome, code, flow)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    parent = skeleton.parent[order]
    code, flow, outcome = _split(np.where(parent >= 0, rank[parent], -1), pre[order], post[order], order)
    return Split(outcome, code[rank], flow[rank])


@dataclass
class SplitCounts:
    """What became of each neuron and its sites.

    Attributes
    ----------
    outcome : ndarray of int8, shape (neurons,)
        A place in `OUTCOMES`.
    sites : ndarray of int64, shape (neurons, 2, 4)
        Sites, pre and post, in each of `COMPARTMENTS`.
    """

    outcome: Codes
    sites: Ints

    @classmethod
    def empty(cls, neurons: int) -> SplitCounts:
        """No sites."""
        import numpy as np

        return cls(np.full(neurons, FEW_SITES, dtype=np.int8), np.zeros((neurons, 2, len(COMPARTMENTS)), np.int64))

    @property
    def loose(self) -> Ints:
        """Sites of each neuron that is split on trees of its skeleton other than the one, shape (neurons,)."""
        import numpy as np

        return np.where(self.outcome == SPLIT, self.sites[:, :, UNKNOWN].sum(axis=1), 0)

    def facts(self) -> dict[str, Any]:
        """Neurons by outcome and sites by compartment, for the provenance."""
        import numpy as np

        neurons = np.bincount(self.outcome, minlength=len(OUTCOMES)).tolist()
        sites = self.sites.sum(axis=(0, 1)).tolist()
        return {
            "neurons": dict(zip(OUTCOMES, neurons, strict=True)),
            "sites": dict(zip(COMPARTMENTS, sites, strict=True)),
            "loose": int(self.loose.sum()),
        }


def segregation_index(pre: Ints, post: Ints) -> float:
    """How far inputs and outputs lie in different parts: 0 mixed alike, 1 apart (the paper's equations 1 to 3).

    Parameters
    ----------
    pre, post : ndarray of int64, shape (parts,)
        Outputs and inputs in each part.

    Returns
    -------
    float
        NaN where there are no inputs or no outputs.
    """
    outputs, inputs = pre.tolist(), post.tolist()
    whole, number = _entropy(sum(inputs), sum(outputs)), sum(outputs) + sum(inputs)
    if not whole:
        return math.nan
    mixed = math.fsum((i + o) * _entropy(i, o) for i, o in zip(inputs, outputs, strict=True))
    apart: float = 1 - mixed / number / whole
    return max(0.0, apart)


def _entropy(inputs: int, outputs: int) -> float:
    if not inputs or not outputs:
        return 0.0
    share = inputs / (inputs + outputs)
    return -(share * math.log(share) + (1 - share) * math.log(1 - share))


def _outwards(skeleton: Skeleton) -> Ints | None:
    """An order of the nodes in which each comes after its parent; None where they stand so, as in most files."""
    import numpy as np

    if (skeleton.parent < np.arange(len(skeleton))).all():
        return None
    # A chain ends at a root, or with a node that an earlier chain has.
    passed, order = np.zeros(len(skeleton), dtype=bool), list[int]()
    for chain in skeleton.chains():
        order += reversed(chain[:-1] if passed[chain[-1]] else chain)
        passed[chain] = True
    return np.array(order, dtype=np.int64)


def _split(parent: Ints, pre: Ints, post: Ints, place: Ints) -> tuple[Codes, Ints, int]:
    """Codes, flows of edges, and outcome, of nodes that come after their parents; `place` is theirs among the IDs."""
    import numpy as np

    forest = Forest(parent)
    code: Codes = np.full(len(parent), UNKNOWN, dtype=np.int8)
    root = forest.nearest_above(parent < 0)
    outputs, inputs = forest.sums(pre), forest.sums(post)
    flow = (inputs[root] - inputs) * outputs + inputs * (outputs[root] - outputs)
    if not len(parent):
        return code, flow, FEW_SITES
    trees = np.flatnonzero(parent < 0)
    paths = inputs[trees] * outputs[trees]
    first = trees[paths == paths.max()]
    if len(first) > 1:
        lowest = np.full(len(parent), len(parent))
        np.minimum.at(lowest, root, place)
        first = first[np.argsort(lowest[first])]
    one = int(first[0])
    if min(inputs[one], outputs[one]) < FEW:
        return code, flow, FEW_SITES
    here = root == one
    most = int(flow[here].max())
    around = flow.copy()
    child = np.flatnonzero(parent >= 0)
    np.maximum.at(around, parent[child], flow[child])
    linker = here & (10 * around >= _TENTHS * most)
    found = _told_apart(forest, linker, here, pre, post) if most else code
    if not ((found == AXON).any() and (found == DENDRITE).any()):
        return code, flow, UNDIVIDED
    return found, flow, SPLIT


def _told_apart(forest: Forest, linker: Truths, here: Truths, pre: Ints, post: Ints) -> Codes:
    """Codes of nodes, given those with most flow."""
    import numpy as np

    parent, count = forest.parent, len(linker)
    above = np.where(parent >= 0, parent, 0)
    rest = here & ~linker
    # Each piece goes by the node of it that is next to the root.
    piece = forest.nearest_above(linker | (parent < 0) | linker[above])
    out, into = (
        np.bincount(piece[rest], weights=sites[rest], minlength=count).astype(np.int64) for sites in (pre, post)
    )
    all_out, all_in = int(out.sum()), int(into.sum())
    large = (_SMALL * out >= max(all_out, 1)) | (_SMALL * into >= max(all_in, 1))
    # Shares of outputs and inputs, compared without a division.
    axonic = out * max(all_in, 1) >= into * max(all_out, 1)
    kind: Codes = np.where(large, np.where(axonic, AXON, DENDRITE), UNKNOWN).astype(np.int8)
    code: Codes = np.where(linker, LINKER, np.where(rest, kind[piece], UNKNOWN)).astype(np.int8)
    for compartment in (AXON, DENDRITE):
        code[_between(parent, code, compartment)] = compartment
    return _with_small_pieces(parent, code, piece, rest)


def _between(parent: Ints, code: Codes, compartment: int) -> Truths:
    """Nodes of the linker that lie between two pieces of a compartment, with nothing else on the way."""
    import numpy as np

    inside = (code == compartment) | (code == LINKER)
    cut = (parent >= 0) & (inside != inside[np.where(parent >= 0, parent, 0)])
    forest = Forest(np.where(cut, -1, parent))
    below = forest.sums((code == compartment).astype(np.int64))
    whole = below[forest.nearest_above(forest.parent < 0)]
    sides = forest.per_parent((below > 0) & (forest.parent >= 0)) + (whole > below)
    found: Truths = (code == LINKER) & (sides > 1)
    return found


def _with_small_pieces(parent: Ints, code: Codes, piece: Ints, rest: Truths) -> Codes:
    """Small pieces as what they hang on; where that is of two kinds, they are linker."""
    import numpy as np

    small = rest & (code == UNKNOWN)
    child = np.flatnonzero(parent >= 0)
    up = parent[child]
    kinds = np.zeros((3, len(code)), dtype=bool)
    for of, beside in ((child, up), (up, child)):
        edge = small[of] & ~small[beside]
        kinds[code[beside[edge]], piece[of[edge]]] = True
    one = kinds.sum(axis=0) == 1
    kind = np.where(one, kinds.argmax(axis=0), LINKER).astype(np.int8)
    return np.where(small, kind[piece], code)
