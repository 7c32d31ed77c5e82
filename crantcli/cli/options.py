"""Every shared option, declared once.

Options that belong together are a dataclass. A command takes such a dataclass as one parameter, and
`with_options` spells its fields out for Typer.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from crantcli.schema import Kind

if TYPE_CHECKING:
    from crantcli.sources.tables.read_options import ReadOptions

Selectors = list[str] | None

Coordinates = Annotated[
    Literal["nm", "pixels"] | None,
    typer.Option("--coordinates", help="Unit of the positions, where the file does not say."),
]
VoxelSizeText = Annotated[
    str | None,
    typer.Option("--voxel-size", metavar="X,Y,Z", help="Nanometres per voxel, where the file does not say."),
]

DatasetName = Annotated[
    str | None,
    typer.Option(
        "--dataset", "-d", metavar="NAME", help="Data set: a name, or a TOML file. Default: CRANT_DEFAULT_DATASET."
    ),
]
Materialization = Annotated[
    str,
    typer.Option(
        "--materialization",
        metavar="VERSION",
        help="State of a live data set: latest, live (now), the number of a version, or a time (ISO, UTC).",
    ),
]
NeuronIdColumn = Annotated[
    str | None, typer.Option("--neuron-id-column", metavar="COLUMN", help="Column of neuron IDs in the annotations.")
]
IgnoreCase = Annotated[bool, typer.Option("--ignore-case", help="Criteria do not heed case.")]
NeuropilNames = Annotated[
    list[str] | None,
    typer.Option("--neuropils", metavar="NAME,...", help="These neuropils only; repeat to add. Default: all."),
]
ExcludedNames = Annotated[list[str] | None, typer.Option("--exclude", metavar="NAME,...", help="Not these neuropils.")]

#: The older name of --keep-unconnected, which still works.
KeepSilent = Annotated[bool, typer.Option("--keep-silent", hidden=True)]

NEURON_HELP = (
    "an ID, IDs joined by commas, @FILE, @FILE:COLUMN, - for stdin, or criteria on annotations such as "
    '"cell_type=ER1,ER2 and side!=left" or "cell_type~^PN_"; repeat to add'
)


@dataclass(frozen=True)
class SourceOptions:
    """What to read, and how to understand it."""

    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Files, folders or globs: .parquet, .feather, .csv, .tsv, .txt (also .gz), .xlsx, or - for stdin.",
            show_default=False,
        ),
    ] = None
    kind: Annotated[Kind | None, typer.Option("--kind", help="Kind of table, where the columns do not tell.")] = None
    pre_col: Annotated[str | None, typer.Option("--pre-col", metavar="COLUMN", help="Column of presynaptic IDs.")] = (
        None
    )
    post_col: Annotated[
        str | None, typer.Option("--post-col", metavar="COLUMN", help="Column of postsynaptic IDs.")
    ] = None
    weight_col: Annotated[
        str | None,
        typer.Option("--weight-col", metavar="COLUMN", help="Column of weights: one row is a pair of neurons."),
    ] = None
    header: Annotated[
        str | None,
        typer.Option(
            "--header", metavar="NAME,...", help="Columns of a text file without a header line, or @FILE with them."
        ),
    ] = None
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", metavar="MARK", help="Of a text file: , ; | tab or space.")
    ] = None
    null_text: Annotated[
        str | None,
        typer.Option(
            "--null-text",
            metavar="WORD,...",
            help="Words for a missing ID. Default: NA, nan, None, NULL, in columns of numbers; '' for none.",
            show_default=False,
        ),
    ] = None
    fill_down: Annotated[bool, typer.Option("--fill-down", help="An empty ID is that of the row above.")] = False
    allow_null: Annotated[
        bool, typer.Option("--allow-null", help="Leave out rows without an ID, even if they are more than a tenth.")
    ] = False
    undirected: Annotated[bool, typer.Option("--undirected", help="An edge counts in both directions.")] = False
    signed: Annotated[bool, typer.Option("--signed", help="Weights may be negative.")] = False
    drop_totals: Annotated[
        bool, typer.Option("--drop-totals", help="Leave out a row and a column of sums of an adjacency.")
    ] = False
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help='Rows that count: "size >= 20", "nt_type=gaba", "roi in EB,PB", "side is null"; repeat to add one.',
        ),
    ] = None
    dataset: DatasetName = None
    annotations: Annotated[
        str | None,
        typer.Option("--annotations", "-a", metavar="FILE", help="Annotation table, for criteria and labels."),
    ] = None
    neuron_id_column: NeuronIdColumn = None
    cell_type_column: Annotated[
        str | None,
        typer.Option("--cell-type-column", metavar="COLUMN", help="Column of cell types in the annotations."),
    ] = None
    ignore_case: IgnoreCase = False

    @cached_property
    def reading(self) -> ReadOptions:
        """How the table is to be read, as far as the user says it."""
        from crantcli.core.rows.where import parse_condition
        from crantcli.sources.tables.delimited import parse_delimiter, parse_header
        from crantcli.sources.tables.read_options import SAID, ReadOptions

        said = {name: getattr(self, name) for name in SAID}
        said["header"] = parse_header(self.header) if self.header is not None else ()
        said["delimiter"] = None if self.delimiter is None else parse_delimiter(self.delimiter)
        said["where"] = tuple(parse_condition(condition) for condition in self.where or ())
        return ReadOptions(**said)


@dataclass(frozen=True)
class RowOptions:
    """Which synapses count."""

    threshold: Annotated[
        int | None,
        typer.Option(
            "--threshold",
            "-t",
            metavar="N",
            min=1,
            help="Keep pairs of neurons with at least this many synapses.",
            show_default=False,
        ),
    ] = None
    min_size: Annotated[
        int | None,
        typer.Option("--min-size", metavar="N", min=0, help="Keep synapses of at least this size.", show_default=False),
    ] = None
    clean: Annotated[bool, typer.Option("--clean/--no-clean", help="Drop autapses and rows with a background ID.")] = (
        True
    )


@dataclass(frozen=True)
class EdgeOptions(RowOptions):
    """Which synapses or edges count."""

    sum_duplicates: Annotated[
        bool, typer.Option("--sum-duplicates", help="Add up edge rows that repeat a pair, instead of refusing them.")
    ] = False


TYPE_LIST = "types joined by commas, or @FILE with one a line"


@dataclass(frozen=True)
class NestedOptions:
    """What a nested matrix shows."""

    source_types: Annotated[
        list[str] | None,
        typer.Option("--source-types", metavar="TYPES", help=f"Cell types of the rows: {TYPE_LIST}; repeat to add."),
    ] = None
    target_types: Annotated[
        list[str] | None,
        typer.Option("--target-types", metavar="TYPES", help="Cell types of the columns, likewise."),
    ] = None
    source_neurons: Annotated[
        Selectors,
        typer.Option(
            "--source-neurons", metavar="NEURONS", help=f"Neurons of the rows, beside the types: {NEURON_HELP}."
        ),
    ] = None
    target_neurons: Annotated[
        Selectors,
        typer.Option("--target-neurons", metavar="NEURONS", help="Neurons of the columns, likewise."),
    ] = None
    directed: Annotated[
        bool,
        typer.Option("--directed", help="Rows and columns of their own, even where none are chosen."),
    ] = False
    keep_unconnected: Annotated[
        bool,
        typer.Option(
            "--keep-unconnected",
            help="Keep chosen neurons without synapses on the axes; on those of a square matrix all annotated ones.",
        ),
    ] = False
    keep_silent: KeepSilent = False
    weight_mode: Annotated[
        Literal["relative_outgoing", "relative_incoming", "count", "column"] | None,
        typer.Option(
            "--weight-mode",
            help="Fractions of a neuron's output or input, counts, or a column added up. Default: relative_outgoing "
            "for synapses, the weights as they are for edges and adjacencies.",
            show_default=False,
        ),
    ] = None
    weight_column: Annotated[
        str | None,
        typer.Option("--weight-column", metavar="COLUMN", help="The column that --weight-mode column adds up."),
    ] = None
    normalization_scope: Annotated[
        Literal["selected", "all"],
        typer.Option("--normalization-scope", help="Fractions of what is shown, or of all partners."),
    ] = "selected"
    totals: Annotated[
        str | None,
        typer.Option(
            "--totals", metavar="FILE", help="Totals for --normalization-scope all: counts of the whole table."
        ),
    ] = None
    annotation_scope: Annotated[
        Literal["annotated_only", "all"],
        typer.Option("--annotation-scope", help="Neurons that are annotated, or all, the unannotated ones last."),
    ] = "annotated_only"
    type_order: Annotated[
        str | None,
        typer.Option(
            "--type-order",
            metavar="TYPES",
            help=f"Types that come first: {TYPE_LIST}; ER stands for ER1, ER2, ..., PEN for PEN_a, ... Or size: the "
            "largest first.",
        ),
    ] = None
    source_type_order: Annotated[
        str | None, typer.Option("--source-type-order", metavar="TYPES", help="The same for the rows only.")
    ] = None
    target_type_order: Annotated[
        str | None, typer.Option("--target-type-order", metavar="TYPES", help="The same for the columns only.")
    ] = None
    neuron_order: Annotated[
        Literal["annotation", "id", "weight"],
        typer.Option("--neuron-order", help="Order within a type: of the annotations, by ID, or the strongest first."),
    ] = "annotation"

    @property
    def rectangular(self) -> bool:
        """Whether rows and columns are chosen by themselves."""
        chosen = (self.source_types, self.target_types, self.source_neurons, self.target_neurons)
        return self.directed or any(chosen)


@dataclass(frozen=True)
class PlotOptions:
    """How a picture of a nested matrix looks."""

    level: Annotated[
        Literal["neuron", "type_mean", "type_sum"],
        typer.Option("--level", help="Draw neurons, or means or sums of pairs of types."),
    ] = "neuron"
    figsize: Annotated[
        str | None,
        typer.Option(
            "--figsize", metavar="W,H", help="Inches. Default: as large as the matrix needs.", show_default=False
        ),
    ] = None
    show_neuron_labels: Annotated[
        bool, typer.Option("--show-neuron-labels", help="Neuron IDs beside the axes instead of types.")
    ] = False
    vmin_percentile: Annotated[
        float, typer.Option("--vmin-percentile", metavar="P", help="Start of the colour scale, among nonzero values.")
    ] = 0.0
    vmax_percentile: Annotated[
        float, typer.Option("--vmax-percentile", metavar="P", help="End of the colour scale, among nonzero values.")
    ] = 100.0
    min_neurons: Annotated[
        int, typer.Option("--min-neurons", metavar="N", min=1, help="Leave types of fewer neurons out of the picture.")
    ] = 1
    linewidth_scale: Annotated[
        float, typer.Option("--linewidth-scale", metavar="FACTOR", help="Width of the lines between types.")
    ] = 1.0
    cmap: Annotated[str, typer.Option("--cmap", metavar="NAME", help="Colour map of matplotlib.")] = "magma_r"
    log: Annotated[
        bool | None,
        typer.Option(
            "--log/--linear",
            help="Colour scale. Default: logarithmic where weights spread over more than a factor of 10.",
            show_default=False,
        ),
    ] = None
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="Title of the picture.")] = ""
    dpi: Annotated[int, typer.Option("--dpi", metavar="N", min=10, help="Pixels per inch.")] = 200


@dataclass(frozen=True)
class MemberOptions:
    """Synapses of some neuropils only."""

    assignments: Annotated[
        str | None,
        typer.Option("--assignments", metavar="FILE", help="The assignments.parquet that neuropil made."),
    ] = None
    neuropil: Annotated[
        list[str] | None,
        typer.Option("--neuropil", metavar="NAME,...", help="With --assignments: synapses in these neuropils only."),
    ] = None


MeshScale = Annotated[
    str | None,
    typer.Option(
        "--mesh-scale",
        metavar="X,Y,Z",
        help="Nanometres per unit of the mesh files in a folder, or one number for all axes. Default: they are in nm.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class PlaceOptions:
    """Where synapses lie."""

    meshes: Annotated[
        str | None,
        typer.Option(
            "--meshes",
            metavar="FOLDER|URL",
            help="Closed meshes in nm, named by neuropil (.ply, .obj, .stl), or a precomputed source.",
        ),
    ] = None
    mesh_scale: MeshScale = None
    neuropils: NeuropilNames = None
    exclude: ExcludedNames = None
    include_other: Annotated[
        bool,
        typer.Option("--include-other/--no-include-other", help="Synapses in none of them make a matrix other."),
    ] = True
    position_column: Annotated[
        str | None,
        typer.Option(
            "--position-column",
            metavar="COLUMN",
            help="Position that tells where a synapse lies. Default: ctr_pt_position.",
            show_default=False,
        ),
    ] = None
    coordinates: Coordinates = None
    voxel_size: VoxelSizeText = None
    voxel_offset: Annotated[
        str | None,
        typer.Option("--voxel-offset", metavar="X,Y,Z", help="Voxels to add to positions in pixels."),
    ] = None


@dataclass(frozen=True)
class ServerOptions:
    """How servers are asked; no effect on files."""

    lock: Annotated[
        str | None, typer.Option("--lock", metavar="FILE", help="One state of the data set, which crantcli lock wrote.")
    ] = None
    cache_dir: Annotated[
        str | None,
        typer.Option(
            "--cache-dir",
            metavar="FOLDER",
            help="Keep what was fetched here. Default: CRANTCLI_CACHE_DIR, or your cache folder.",
            show_default=False,
        ),
    ] = None
    refresh: Annotated[bool, typer.Option("--refresh", help="Fetch anew what is in the cache.")] = False
    retries: Annotated[
        int, typer.Option("--retries", metavar="N", min=0, help="Attempts after a failed request, with growing pauses.")
    ] = 8
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="Wait this long for a silent server, each time.")
    ] = 300.0


@dataclass(frozen=True)
class FetchOptions(ServerOptions):
    """How synapses on a server are asked for; no effect on files."""

    materialization: Materialization = "latest"
    update_ids: Annotated[
        bool,
        typer.Option(
            "--update-ids/--no-update-ids", help="Bring the IDs that are named to the time that is queried, first."
        ),
    ] = True
    strict_ids: Annotated[
        bool, typer.Option("--strict-ids", help="Stop at an ID that cannot be brought to that time.")
    ] = False


@dataclass(frozen=True)
class SynapseFetchOptions(FetchOptions):
    """The same, of commands that fetch synapses."""

    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="With live, or a time: go on where synapses have no neurons yet, and the server leaves them out.",
        ),
    ] = False


@dataclass(frozen=True)
class RunOptions:
    """Where the answer goes, what is said about it, and what the work may take."""

    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write; the suffix picks the format.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print a summary as one JSON object on stdout.")] = False
    fail_empty: Annotated[bool, typer.Option("--fail-empty", help="Exit with 4 when nothing is left.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False
    max_memory: Annotated[
        str,
        typer.Option("--max-memory", metavar="SIZE", help="What the engine may hold in memory; beyond, it uses disk."),
    ] = "2GB"
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="Threads. Default: all cores.", show_default=False),
    ] = None
    tmp_dir: Annotated[
        str | None, typer.Option("--tmp-dir", metavar="FOLDER", help="Folder for temporary files.", show_default=False)
    ] = None


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses of options, and show their fields to Typer as parameters of its own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _parameters(hints[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def spelled_out(**values: Any) -> None:
        for name, group in groups.items():
            members = {item.name: values.pop(item.name) for item in fields(group)}
            values[name] = group(**members)
        command(**values)

    del spelled_out.__wrapped__
    spelled_out.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spelled_out.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spelled_out


def _parameters(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            item.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if item.default is MISSING else item.default,
            annotation=hints[item.name],
        )
        for item in fields(group)
    ]
