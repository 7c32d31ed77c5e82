"""IDs of neurons at another time, from Python."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from crantcli.api.frames import warn
from crantcli.engine.duckdb import Engine
from crantcli.engine.limits import DEFAULT_MEMORY
from crantcli.ids import python_selectors
from crantcli.remote.settings import LiveOptions, resolve_live
from crantcli.run.inputs import Opener
from crantcli.schema import KEY
from crantcli.sources.datasets import find_dataset
from crantcli.sources.tables.access import engine_files

if TYPE_CHECKING:
    import pandas as pd


def update_ids(
    ids: Any,
    materialization: str | int | datetime = "latest",
    dataset: str | None = None,
    *,
    annotations: Any = None,
    live: LiveOptions | None = None,
    max_memory: str = DEFAULT_MEMORY,
) -> pd.DataFrame:
    """IDs that neurons of a live data set have at the time that is asked for.

    Parameters
    ----------
    ids : int, str, list of them, or NeuronCriteria
    materialization, dataset, annotations, live, max_memory
        As for `get_synapses`. A supervoxel that the annotations have for a neuron is what finds it first.

    Returns
    -------
    DataFrame
        One row per ID, in their order: `old_id`, `new_id` (int64), `changed`, `confidence` (the share of the neuron's
        pieces that are in the new one; 0 where nothing was found, and the ID is kept), `method` ("current",
        "supervoxel", "chunkedgraph" or "unresolved").

    Raises
    ------
    UsageError, DataError (ValueErrors)
    """
    import pandas as pd

    options = resolve_live(live, materialization, True)
    found = find_dataset(dataset)
    with Engine(max_memory, files=engine_files(annotations, dataset=found, live=options)) as engine:
        space = Opener(engine, found, options)
        space.annotations(annotations)
        updates = space.updates(python_selectors(ids))
        warn(space.notes, 2)
        frame = pd.DataFrame(
            {
                "old_id": pd.array([update.old for update in updates], dtype="int64"),
                "new_id": pd.array([update.new for update in updates], dtype="int64"),
                "changed": pd.array([update.changed for update in updates], dtype="bool"),
                "confidence": pd.array([update.confidence for update in updates], dtype="float64"),
                "method": [update.method for update in updates],
            }
        )
        frame.attrs[KEY] = {"source": space.live.record()}
        return frame
