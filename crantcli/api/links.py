"""`neuroglancer_state`: what `crantcli link` writes, for callers from Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crantcli.api.frames import FrameSink, checked_voxel_size, warn
from crantcli.checks import whole_number
from crantcli.core.questions.base import Needs
from crantcli.engine.limits import DEFAULT_MEMORY
from crantcli.errors import CrantError
from crantcli.ids import python_selectors
from crantcli.remote.settings import LiveOptions, resolve_live
from crantcli.run.request import Request, Settings
from crantcli.run.runner import opened
from crantcli.run.views import MAX_POINTS, open_view
from crantcli.sources.tables.read_options import read_options
from crantcli.text import in_python


def neuroglancer_state(
    neurons: Any,
    *,
    dataset: str | None = None,
    annotations: Any = None,
    neuron_id_column: str | None = None,
    cell_type_column: str | None = None,
    synapses: Any = None,
    max_points: int = MAX_POINTS,
    neuropils: str | Sequence[str] = (),
    clean: bool = True,
    min_size: int | None = None,
    threshold: int | None = None,
    coordinates: str | None = None,
    voxel_size: Any = None,
    live: LiveOptions | None = None,
    max_memory: str = DEFAULT_MEMORY,
) -> dict[str, Any]:
    """Neurons, their synapses and neuropils as a state of Neuroglancer.

    Parameters
    ----------
    neurons : int, str, NeuronCriteria or a list of them
    dataset : str, optional
        A name or a TOML file, which says where things are. Default: CRANT_DEFAULT_DATASET.
    annotations : path or DataFrame, optional
        For criteria, and for types, which give neurons their colours. Default: the data set's.
    neuron_id_column, cell_type_column : str, optional
        Of the annotations.
    synapses : path, list of paths or DataFrame, optional
        Those of the neurons are shown, as lines from pre to post where both are known, else as points.
    max_points : int
        Synapses that are shown at most.
    neuropils : str or sequence of str
        Names; "all" for all.
    clean, min_size, threshold
        Which synapses are shown.
    coordinates, voxel_size
        Unit of positions, and nanometres per voxel, where the table does not say.
    live : LiveOptions, optional
    max_memory : str

    Returns
    -------
    dict
        Ready for `json.dumps`. Segment IDs are text.

    Raises
    ------
    UsageError, DataError (ValueErrors)
    """
    most = whole_number("max_points", max_points) or MAX_POINTS
    names = (neuropils,) if isinstance(neuropils, str) else tuple(neuropils)
    chosen = python_selectors(neurons)
    reading = read_options({}, coordinates=coordinates, voxel_size=checked_voxel_size(voxel_size))
    request = Request(
        synapses, dataset, annotations, neuron_id_column, cell_type_column, reading, clean, min_size, threshold
    )
    from crantcli.core.neuroglancer import state_of

    settings = Settings(max_memory, live=resolve_live(live, "latest", True))
    try:
        with opened(request, settings, FrameSink(), Needs({"neurons": chosen})) as opener:
            state = state_of(open_view(opener, request, chosen, names, most))
            opener.check_unchanged()
            notes = opener.notes
    except CrantError as error:
        error.args = (in_python(error.message),)
        raise
    warn(notes, 2)
    return state
