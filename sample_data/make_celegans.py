"""Write the C. elegans sample: chemical synapses of the adult hermaphrodite, and its cells.

    pip install cect==0.3.5
    python sample_data/make_celegans.py [OUTPUT_FOLDER]

Source: Cook et al. 2019, supplementary information 5 as corrected by its authors in July 2020,
sheet "hermaphrodite chemical", read by `Cook2019HermReader` of the package cect. A weight is
the total number of EM serial sections over which a pair of cells synapses, which counts large
synapses for more than small ones: it is not a number of synapses. Gap junctions are left out.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import re
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

CECT_VERSION = "0.3.5"
READER = "cect.readers.Cook2019HermReader"
CHEMICAL = "Generic_CS"  # cect's name for chemical synapses of unspecified transmitter

Edge = tuple[str, str, int]
Cell = tuple[str, str, str, str]

# Classes of motor neurons whose members are numbered along the ventral nerve cord.
NUMBERED_NEURON = re.compile(r"(AS|DA|DB|DD|VA|VB|VC|VD)\d+")
BODY_WALL_MUSCLE = re.compile(r"M([DV])([LR])\d\d")
# Dorsal or ventral, then left or right: SAADL, IL1VR. Four letters (AVDL) end in a side only.
QUADRANT_NEURON = re.compile(r"(.{3})[DV][LR]")
# Unpaired members of classes that also have paired ones.
MIDLINE_CLASSES = {"RMED": "RME", "RMEV": "RME", "SABD": "SAB"}
OTHER_CELL_PLACE = re.compile(r"([DVAP]?[LR]|[DVP])$")


def import_cect(module: str) -> Any:
    """A module of cect, imported when first needed; exits with advice where that fails."""
    try:
        version = metadata.version("cect")
        imported = importlib.import_module(module)
    except ImportError as error:
        sys.exit(f"{module} is not available ({error}): run `pip install cect=={CECT_VERSION}`")
    if version != CECT_VERSION:
        print(f"note: cect {version} instead of {CECT_VERSION}", file=sys.stderr)
    return imported


def read_edges() -> list[Edge]:
    """All chemical connections as (pre, post, weight), sorted."""
    reader = import_cect(READER)
    with contextlib.redirect_stdout(io.StringIO()):  # cect reports its progress on stdout
        connectome = reader.get_instance(from_cache=False)
    matrix = connectome.connections[CHEMICAL]
    rows, columns = matrix.nonzero()
    edges = []
    for row, column in zip(rows, columns, strict=True):
        weight = int(matrix[row, column])
        if weight != matrix[row, column]:
            sys.exit(f"weight {matrix[row, column]} is not an integer: another data set?")
        edges.append((connectome.nodes[row], connectome.nodes[column], weight))
    return sorted(edges)


def cell_type(cell: str, cells: Any) -> str:
    """The class that a cell belongs to, such as AVA for AVAL; `cells` is the module cect.Cells.

    cect carries no list of classes; these follow from how the cells are named. Body wall
    muscles are named as in the source's sheet (dBWM, vBWM).
    """
    if muscle := BODY_WALL_MUSCLE.fullmatch(cell):
        return "dBWM" if muscle[1] == "D" else "vBWM"
    if not cells.is_herm_neuron(cell):
        return OTHER_CELL_PLACE.sub("", cell)
    if match := NUMBERED_NEURON.fullmatch(cell) or QUADRANT_NEURON.fullmatch(cell):
        return match[1]
    if cells.is_one_of_bilateral_pair(cell):
        return cell[:-1]
    return MIDLINE_CLASSES.get(cell, cell)


def cell_class(cell: str, cells: Any) -> str:
    """What kind of cell it is, from the lists of `cells` (the module cect.Cells)."""
    kinds = {
        "pharynx": cells.ALL_PHARYNGEAL_CELLS + cells.PHARYNGEAL_NEURONS,
        "sensory": cells.SENSORY_NEURONS_COOK,
        "interneuron": cells.INTERNEURONS_COOK,
        "motor": cells.MOTORNEURONS_COOK,
        "unknown": cells.UNKNOWN_FUNCTION_NEURONS,
        "muscle": cells.PREFERRED_MUSCLE_NAMES,
    }
    return next((kind for kind, names in kinds.items() if cell in names), "other")


def cell_side(cell: str, cells: Any) -> str:
    """L or R for a cell with a counterpart on the other side and body wall muscle, else none."""
    if muscle := BODY_WALL_MUSCLE.fullmatch(cell):
        return muscle[2]
    return cell[-1] if cells.is_one_of_bilateral_pair(cell) else "none"


def describe_cells(edges: Iterable[Edge]) -> list[Cell]:
    """(neuron_id, cell_type, cell_class, side) of every cell in the edges, sorted."""
    cells = import_cect("cect.Cells")
    names = sorted({name for pre, post, _ in edges for name in (pre, post)})
    return [(name, cell_type(name, cells), cell_class(name, cells), cell_side(name, cells)) for name in names]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a header and rows as CSV with Unix line ends."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main(arguments: Sequence[str]) -> None:
    """Write both files into the folder given as only argument, else beside this file."""
    folder = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    edges = read_edges()
    cells = describe_cells(edges)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "celegans_edges.csv", ("pre", "post", "weight"), edges)
    write_csv(folder / "celegans_cells.csv", ("neuron_id", "cell_type", "cell_class", "side"), cells)


if __name__ == "__main__":
    main(sys.argv[1:])
