"""Sites on skeletons, summed up by skeleton."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crantcli.core.engine import SqlEngine
from crantcli.core.geometry.compartments import AXON, COMPARTMENTS, DENDRITE, LINKER, OUTCOMES, segregation_index
from crantcli.core.geometry.nearest import SiteCounts
from crantcli.core.question import Table
from crantcli.schema import IdType, NeuronId

#: Columns of the summary.
SUMMARY = (
    "neuron_id", "nodes", "cable_um", "sites", "pre_sites", "post_sites", "too_far", "not_placed",
    "median_distance_nm", "sites_per_um",
)  # fmt: skip

#: Further columns of the summary, of neurons that are split.
SPLIT_SUMMARY = (
    "outcome", *(f"{part}_{side}" for part in COMPARTMENTS for side in ("pre", "post")), "segregation_index",
)  # fmt: skip


def site_summary(
    engine: SqlEngine, neurons: Sequence[NeuronId], id_type: IdType, tally: SiteCounts, relation: str
) -> Table:
    """One row per skeleton: sites attached and left out, distances, cable, sites per length.

    Parameters
    ----------
    neurons : sequence of int or str
        The neuron of each skeleton.
    tally : SiteCounts
    relation : str
        A table `place, distance` of sites that are attached.

    Returns
    -------
    Table
        `cable_um` is in micrometres, `median_distance_nm` is of attached sites and null without any,
        `sites_per_um` null without cable. `not_placed` sites have no position, or their skeleton has no node. Of
        neurons that are split, `outcome`, sites by compartment, and `segregation_index` over axon, dendrite and
        linker, null for the others.
    """
    import numpy as np

    further, told = _split_columns(tally)
    numbers = engine.columns_table(
        "tally",
        {
            **further,
            "place": np.arange(len(neurons)),
            "nodes": tally.nodes,
            "cable_um": tally.cable / 1000,
            "sites": tally.attached.sum(axis=1),
            "pre_sites": tally.attached[:, 0],
            "post_sites": tally.attached[:, 1],
            "too_far": tally.far.sum(axis=1),
            "not_placed": tally.unplaced.sum(axis=1) + tally.bare.sum(axis=1),
        },
    )
    skeletons = engine.id_table("skeletons", neurons, id_type)
    medians = f"SELECT place, median(distance) AS median_distance_nm FROM {relation} GROUP BY place"
    query = (
        "SELECT s.id AS neuron_id, nodes, cable_um, sites, pre_sites, post_sites, too_far, not_placed, "
        f"median_distance_nm, CASE WHEN cable_um > 0 THEN sites / cable_um END AS sites_per_um{told} "
        f"FROM {numbers} AS t JOIN {skeletons} AS s ON s.position = t.place LEFT JOIN ({medians}) AS m "
        "ON m.place = t.place ORDER BY t.place"
    )
    columns = (*SUMMARY, *SPLIT_SUMMARY) if further else SUMMARY
    return Table(query, columns, len(neurons), {"kind": "summary of connectors", "units": None})


def _split_columns(tally: SiteCounts) -> tuple[dict[str, Any], str]:
    """Columns `SPLIT_SUMMARY` of the summary, and how they are told, as query text; nothing where none is split."""
    import numpy as np

    if tally.split is None:
        return {}, ""
    sites = tally.split.sites
    made: dict[str, Any] = {
        f"{part}_{side}": sites[:, row, code]
        for code, part in enumerate(COMPARTMENTS)
        for row, side in enumerate(("pre", "post"))
    }
    made["outcome"] = np.array(OUTCOMES)[tally.split.outcome]
    parts = [AXON, DENDRITE, LINKER]
    made["segregation_index"] = np.array([segregation_index(pre[parts], post[parts]) for pre, post in sites])
    told = {
        "segregation_index": "CASE WHEN NOT isnan(segregation_index) THEN segregation_index END AS segregation_index"
    }
    return made, "".join(f", {told.get(name, name)}" for name in SPLIT_SUMMARY)
