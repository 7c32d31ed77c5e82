"""Every shared option, declared once.

Options that belong together are a dataclass. A command takes such a dataclass as one parameter, and `command` spells
its fields out for Typer. In the help they stand under the `heading` of the dataclass, or one of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from crantcli.cli.engine_options import EngineName, MaxMemory, MaxResult, SparkAddress, TemporaryFolder, Threads
from crantcli.cli.help import FILTERS, INPUT, NEURONS, OUTPUT, SERVER
from crantcli.schema import Kind

if TYPE_CHECKING:
    from crantcli.core.rows.weights import Signs
    from crantcli.sources.tables.read_options import ReadOptions

Selectors = list[str] | None

Coordinates = Annotated[
    Literal["nm", "pixels"] | None,
    typer.Option("--coordinates", help="Unit of the positions, where the file does not say.", rich_help_panel=INPUT),
]
VoxelSizeText = Annotated[
    str | None,
    typer.Option(
        "--voxel-size",
        metavar="X,Y,Z",
        help="Nanometres per voxel, where the file does not say.",
        rich_help_panel=INPUT,
    ),
]

DatasetName = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        "-d",
        metavar="NAME",
        help="Data set: a name, or a TOML file. Default: CRANT_DEFAULT_DATASET.",
        rich_help_panel=INPUT,
    ),
]
Materialization = Annotated[
    str,
    typer.Option(
        "--materialization",
        metavar="VERSION",
        help="State of a live data set: latest, live (now), the number of a version, or a time (ISO, UTC).",
        rich_help_panel=SERVER,
    ),
]
NeuronIdColumn = Annotated[
    str | None,
    typer.Option(
        "--neuron-id-column", metavar="COLUMN", help="Column of neuron IDs in the annotations.", rich_help_panel=NEURONS
    ),
]
IgnoreCase = Annotated[bool, typer.Option("--ignore-case", help="Criteria do not heed case.", rich_help_panel=NEURONS)]
NeuropilNames = Annotated[
    list[str] | None,
    typer.Option("--neuropils", metavar="NAME,...", help="These neuropils only; repeat to add. Default: all."),
]
ExcludedNames = Annotated[list[str] | None, typer.Option("--exclude", metavar="NAME,...", help="Not these neuropils.")]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.", rich_help_panel=OUTPUT)]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.", rich_help_panel=OUTPUT)]

#: The older name of --keep-unconnected, which still works.
KeepSilent = Annotated[bool, typer.Option("--keep-silent", hidden=True)]

MinSize = Annotated[
    int | None,
    typer.Option("--min-size", metavar="N", min=0, help="Keep synapses of at least this size.", show_default=False),
]
Clean = Annotated[bool, typer.Option("--clean/--no-clean", help="Drop autapses and rows with a background ID.")]
SumDuplicates = Annotated[
    bool,
    typer.Option(
        "--sum-duplicates",
        help="Add up edge rows that repeat a pair, instead of refusing them.",
        rich_help_panel=INPUT,
    ),
]

NEURON_HELP = (
    "an ID, IDs joined by commas, @FILE, @FILE:COLUMN, - for stdin, or criteria on annotations such as "
    '"cell_type=ER1,ER2 and side!=left" or "cell_type~^PN_"; repeat to add'
)


Sign = Annotated[
    str | None,
    typer.Option("--sign", metavar="COLUMN", help="Weights are negative where this annotation is --inhibitory."),
]
Inhibitory = Annotated[
    str | None, typer.Option("--inhibitory", metavar="LABEL,...", help="Labels of --sign that inhibit.")
]
Excitatory = Annotated[
    str | None, typer.Option("--excitatory", metavar="LABEL,...", help="Labels that do not; default: all others.")
]
UnsignedOutput = Annotated[
    Literal["error", "drop", "positive"],
    typer.Option("--unsigned", help="What becomes of the output of neurons with neither."),
]


WeightText = Annotated[
    str | None,
    typer.Option(
        "--weight", metavar="count|sum:COL|mean:COL", help="What is told of the synapses of a pair. Default: count."
    ),
]


MinFraction = Annotated[
    float | None,
    typer.Option(
        "--min-fraction", metavar="F", help="Keep pairs that are at least this part of the post neuron's input."
    ),
]
InputTotalsFile = Annotated[
    str | None,
    typer.Option("--totals", metavar="FILE", help="Totals for --min-fraction: counts of the whole table."),
]


@dataclass(eq=False, repr=False)
class WeightOptions:
    """What is told of pairs of neurons, and which are strong enough."""

    weight: WeightText = None
    min_fraction: MinFraction = None
    sign: Sign = None
    inhibitory: Inhibitory = None
    excitatory: Excitatory = None
    unsigned: UnsignedOutput = "error"

    @property
    def signs(self) -> Signs | None:
        """Which neurons inhibit."""
        from crantcli.core.rows.weights import signs_of

        return signs_of(self.sign, self.inhibitory, self.excitatory, self.unsigned)


@dataclass(eq=False, repr=False)
class SourceOptions:
    """What to read, and how to understand it."""

    heading: ClassVar = INPUT

    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Files, folders, globs or s3:// and gs:// addresses: .parquet, .feather, .csv, .tsv, .txt (also .gz), "
            ".xlsx, or - for stdin.",
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
    delta_version: Annotated[
        int | None,
        typer.Option("--delta-version", metavar="N", help="Version of a Delta Lake table. Default: the latest."),
    ] = None
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help='Rows that count: "size >= 20", "nt_type=gaba", "roi in EB,PB", "side is null"; repeat to add one.',
            rich_help_panel=FILTERS,
        ),
    ] = None
    dataset: DatasetName = None
    annotations: Annotated[
        str | None,
        typer.Option(
            "--annotations",
            "-a",
            metavar="FILE",
            help="Annotation table, for criteria and labels.",
            rich_help_panel=NEURONS,
        ),
    ] = None
    neuron_id_column: NeuronIdColumn = None
    cell_type_column: Annotated[
        str | None,
        typer.Option(
            "--cell-type-column",
            metavar="COLUMN,...",
            help="Column of cell types in the annotations; of several, with commas, the first that is filled.",
            rich_help_panel=NEURONS,
        ),
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


@dataclass(eq=False, repr=False)
class RowOptions:
    """Which synapses count."""

    heading: ClassVar = FILTERS

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
    min_size: MinSize = None
    clean: Clean = True


@dataclass(eq=False, repr=False)
class EdgeOptions(RowOptions):
    """Which synapses or edges count."""

    sum_duplicates: SumDuplicates = False


@dataclass(eq=False, repr=False)
class ThresholdOptions:
    """Which synapses or edges count, at one threshold or several."""

    heading: ClassVar = FILTERS

    threshold: Annotated[
        str | None,
        typer.Option(
            "--threshold",
            "-t",
            metavar="N,...",
            help="Pairs of neurons with at least this many synapses; several for what is told per threshold.",
            show_default=False,
        ),
    ] = None
    min_size: MinSize = None
    clean: Clean = True
    sum_duplicates: SumDuplicates = False

    @cached_property
    def thresholds(self) -> tuple[int, ...]:
        """All thresholds, ascending.

        Raises
        ------
        UsageError
        """
        from crantcli.errors import UsageError

        words = [word.strip() for word in (self.threshold or "").split(",")] if self.threshold is not None else []
        if not all(word.isascii() and word.isdigit() and int(word) >= 1 for word in words):
            raise UsageError(f"--threshold {self.threshold}: integers from 1, joined by commas")
        return tuple(sorted({int(word) for word in words}))

    @property
    def at_the_lowest(self) -> RowOptions:
        """The same at the lowest threshold."""
        return RowOptions(min(self.thresholds, default=None), self.min_size, self.clean)


@dataclass(eq=False, repr=False)
class MemberOptions:
    """Synapses of some neuropils only."""

    heading: ClassVar = FILTERS

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


@dataclass(eq=False, repr=False)
class ServerOptions:
    """How servers are asked; no effect on files."""

    heading: ClassVar = SERVER

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


@dataclass(eq=False, repr=False)
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


@dataclass(eq=False, repr=False)
class SynapseFetchOptions(FetchOptions):
    """The same, of commands that fetch synapses."""

    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="With live, or a time: go on where synapses have no neurons yet, and the server leaves them out.",
        ),
    ] = False


@dataclass(eq=False, repr=False)
class RunOptions:
    """Where the answer goes, what is said about it, and what the work may take."""

    heading: ClassVar = OUTPUT

    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write; the suffix picks the format.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print a summary as one JSON object on stdout.")] = False
    fail_empty: Annotated[bool, typer.Option("--fail-empty", help="Exit with 4 when nothing is left.")] = False
    quiet: Quiet = False
    debug: Debug = False
    max_memory: MaxMemory = "2GB"
    threads: Threads = None
    tmp_dir: TemporaryFolder = None
    engine: EngineName = None
    spark: SparkAddress = None


@dataclass(eq=False, repr=False)
class TableOptions(RunOptions):
    """The same, of a table that may be too long for one file."""

    max_result: MaxResult = 50_000_000
