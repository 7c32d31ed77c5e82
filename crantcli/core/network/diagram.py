"""What a picture of the flow from seeds shows: groups at each step, and what passes from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

#: The most groups, and the most sets of seeds, that a picture shows.
MOST_GROUPS, MOST_SETS = 60, 6


@dataclass(frozen=True)
class FlowPanel:
    """The flow from one set of seeds.

    Attributes
    ----------
    name : str
        Of the seeds.
    heights : ndarray of float64, shape (steps + 1, groups)
        Row k is of the groups after k steps; row 0 holds zeros, since the seeds are one bar.
    arrived : ndarray of float64, shape (steps + 1, groups)
        What of it goes no further, since it has arrived at targets; zeros where none were named.
    first : ndarray of float64, shape (groups,)
        What passes from the seeds in the first step.
    links : ndarray of float64, shape (steps - 1, groups, groups)
        What passes from group to group in each further step.
    """

    name: str
    heights: np.ndarray[Any, Any]
    arrived: np.ndarray[Any, Any]
    first: np.ndarray[Any, Any]
    links: np.ndarray[Any, Any]


@dataclass(frozen=True)
class FlowPicture:
    """The content of a flow diagram.

    Attributes
    ----------
    groups : sequence of str
        Names; the last group is that of neurons without a label, if there is one more group than names.
    panels : list of FlowPanel
    targets : int or None
        How many targets were named.
    """

    groups: Sequence[str]
    panels: list[FlowPanel]
    targets: int | None


def flow_panel(
    name: str,
    fractions: csr_array[Any],
    shares: np.ndarray[Any, Any],
    codes: np.ndarray[Any, Any],
    groups: int,
    targets: np.ndarray[Any, Any] | None,
) -> FlowPanel:
    """Add up what passes between groups.

    Without targets, a group after k steps is as high as the mean of f_k over its neurons, and what comes from a group
    before is that part of it whose last step starts there. With targets, only what goes on to them counts: x_k(i) P(i,
    j) (b_0 + ... + b_(K-k))(j), where b_m is what part of the targets' input, m steps back, comes from a neuron. That
    is conserved: what comes in goes out, or has arrived, and all of it is the sum of f_1 to f_K of the targets.

    Parameters
    ----------
    fractions : csr_array of float64, shape (neurons, neurons)
        Absolute input fractions; post neurons are rows.
    shares : ndarray of float64, shape (steps + 1, neurons)
        Effective input fractions; row 0 is 1 at the seeds.
    codes : ndarray of int64, shape (neurons,)
        The group of each neuron.
    groups : int
    targets : ndarray of int64, or None
        Positions.
    """
    import numpy as np
    from scipy.sparse import csr_array

    steps, number = len(shares) - 1, len(codes)
    members = np.zeros((number, groups))
    members[np.arange(number), codes] = 1.0
    sizes = np.bincount(codes, minlength=groups)
    ends = np.zeros(number)
    if targets is None:
        counted = [1.0 / sizes[codes]] * (steps + 1)
    else:
        ends[targets] = 1.0 / len(targets)
        back = csr_array(fractions.T)
        counted, behind = [ends], ends
        for _ in range(steps):
            behind = back @ behind
            counted.append(counted[-1] + behind)
        counted = counted[::-1]  # after k steps, K - k are left
    heights, arrived = np.zeros((steps + 1, groups)), np.zeros((steps + 1, groups))
    links = np.zeros((steps - 1, groups, groups))
    for step in range(1, steps + 1):
        heights[step] = np.bincount(codes, shares[step] * counted[step], minlength=groups)
        arrived[step] = np.bincount(codes, shares[step] * ends, minlength=groups)
        if step > 1:
            came = fractions @ (members * shares[step - 1][:, None])
            for group in range(groups):
                links[step - 2, group] = np.bincount(codes, came[:, group] * counted[step], minlength=groups)
    return FlowPanel(name, heights, arrived, heights[1].copy(), links)
