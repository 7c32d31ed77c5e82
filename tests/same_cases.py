"""The cases that same.py runs in two trees: command lines, pipes and Python statements, with their inputs and servers.

A case's name is its group and its text. Each runs in a folder of its own that has all inputs (see `write_inputs`), and
`made/`, which is what the commands of `MADE` wrote. Nothing here imports the package: two trees have it.
"""

from __future__ import annotations

import contextlib
import doctest
import re
import shlex
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import mesh_sources
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import seatable_server
import tokens
from cave_brain import DAY, FIRST_ROOT, FIRST_SUPERVOXEL, START, Version, make_brain
from cave_server import Weather, serving
from mesh_sources import TRANSFORM, grid_box, legacy
from seatable_server import SeaTable

ROOT = Path(__file__).resolve().parents[1]

#: Tokens that the servers want, in the environment of all cases.
TOKENS = {"CRANTCLI_CAVE_TOKEN": tokens.CAVE_TOKEN, "CRANTTABLE_TOKEN": tokens.ACCOUNT_TOKEN}

COMMANDS = (
    "synapses", "connectivity", "adjacency", "counts", "nested", "neuropil", "attach", "meshes", "annotations", "ids",
    "lock", "cache", "info",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Something to run.

    Attributes
    ----------
    group, text : str
    kind : {"command", "shell", "python"}
        A command line without the program's name; a line for bash; statements.
    folder : str, optional
        Shared by the cases that name it, one after the other.
    """

    group: str
    text: str
    kind: Literal["command", "shell", "python"] = "command"
    stdin: bytes = b""
    env: dict[str, str] = field(default_factory=dict)
    folder: str = ""

    @property
    def name(self) -> str:
        """What it is called in lists."""
        return " ".join(f"{self.group}: {self.text}".split())

    @property
    def arguments(self) -> list[str]:
        """The words of a command line."""
        return shlex.split(self.text)


# Inputs


def write_inputs(folder: Path, sample: Path) -> None:
    """Write what the cases read."""
    folder.mkdir()
    shutil.copytree(sample, folder / "sample_data")
    for name, lines in TEXTS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join(lines.split(" ")) + "\n")
    for name in ("raw.parquet", "synapses.parquet"):
        shutil.copy(sample / "synapses.parquet", folder / name)
    for name in ("annotations.csv", "celegans_edges.csv", "celegans_cells.csv"):
        shutil.copy(sample / name, folder)
    for kind, number in (("skeletons", 3), ("meshes", 2)):
        (folder / kind).mkdir()
        for path in sorted((sample / kind).iterdir())[-number:]:
            shutil.copy(path, folder / kind)
    pq.write_table(pa.table({"pre": [FLOAT], "post": [2]}), folder / "floats.parquet")
    pyarrow.feather.write_feather(pa.table({"pre": [FLOAT], "post": [2]}), folder / "floats.feather")
    (folder / "cut.parquet").write_bytes((sample / "synapses.parquet").read_bytes()[:-20])
    (folder / "cut.npz").write_bytes(b"PK\3\4 and no more")
    (folder / "cut_meshes").mkdir()
    (folder / "cut_meshes" / "bulb.ply").write_text("ply\nformat ascii 1.0\nelement vertex 3\n")
    (folder / "cut_skeletons").mkdir()
    (folder / "cut_skeletons" / "576460752748033503.swc").write_text("1 0 0 0 0 1 -1\n2 0 x 0 0 1 1\n")
    (folder / "brain.toml").write_text('[files]\nannotations = "annotations.csv"\nmeshes = "meshes"\n')
    (folder / "broken.toml").write_text("[files\n")
    (folder / "misspelt.toml").write_text('[files]\nsynapsis = "synapses.parquet"\n')
    (folder / "empty").mkdir()


FLOAT = 5.76460752641834e17
#: Name -> lines, with a space for each end of a line.
TEXTS = {
    "good.csv": "id,pre,post 1,10,20 2,10,20 3,20,30 4,30,30 5,0,30",
    "sized.csv": "id,pre,post,size,x,y,z 1,10,20,5,8,8,42 2,10,20,50,80,80,84 3,20,30,500,160,8,42",
    "edges.csv": "pre,post,weight 10,20,2 20,30,1",
    "signed.csv": "pre,post,weight 10,20,-2 20,30,1",
    "types.csv": "root_id,cell_type,side 10,ER1,left 20,EPG,right",
    "floats.csv": "pre,post 5.76460752641834E+17,2",
    "damaged.csv": "pre,post 1,2 3",
    "twice.csv": "pre,post,weight 1,2,3 1,2,4",
    "neuropils.csv": "pre,post,weight,roi 1,2,3,EB 1,2,4,EB",
    "unclear.csv": "pre,post,weight,source,target 1,2,3,4,5",
    "other.csv": "a,b,c x,y,1",
    "gaps.csv": "pre,post 1,2 ,3 ,4",
    "matrix.csv": ",10,20,30 10,0,2,0 20,0,0,1 30,0,0,0",
    "bare.csv": "10,20,2 20,30,1",
    "pairs.csv": "pre,post,weight,direction 1,2,3,directed 2,3,1,undirected",
    "parts/a.csv": "pre,post 1,2",
    "parts/b.csv": "pre,post 1,3",
    "neurons.txt": "576460752748033503 576460752774390489",
    "nothing.csv": "",
    "marks.csv": "pre;post,x;y 1;2,3;4 1;3,3;4",
    "rownames.csv": "pre,post,weight a,1,2,3 b,1,3,4",
    "sums.csv": ",10,20,total 10,1,2,3 20,3,4,7 total,4,6,10",
    "negative.csv": ",10,20 10,0,-2 20,1,0",
    "absent.csv": "pre,post,weight AVAL,VB1,3 NA,VB1,2",
    "kinds.csv": "pre,post,weight,nt 1,2,3,gaba 1,2,4,ach",
    "both.csv": "pre,post,weight,size,id 1,2,3,5,7 1,2,4,5,8",
    "contacts.csv": "pre,post,contacts 11,12,3 12,13,4",
    "weights.csv": "pre,post,weight,n_syn 1,2,3,4",
    "counted.csv": "root_id,pre,post 576460752641833771,3,4",
    "sides.csv": "neuron,partner,side,weight 1,2,in,3 1,3,out,4",
    "infinite.csv": "pre,post,weight 1,2,3 1,3,inf",
    "points.csv": "x,y,z 1,2,3 4,5,6",
    "somas.csv": "neuron,somaVolume_um3,n 10,3,4 20,5,6",
    "voxels.csv": "id,pre,post,x,y,z 1,10,20,1,1,1 2,10,20,10,10,2",
    "totals.csv": "neuron_id,pre_synapses,post_synapses 10,1,1",
    "members.csv": "id,neuropil 1,EB 2,FB",
    "named.csv": "name,neuron_id x,10 y,20",
    "labels.csv": "root_id,cell_type,weight 10,ER1,left 20,EPG,right",
    "old.lock": '{"crantcli_lock":1,"cave":{"version":3,"time":"2026-05-31T00:00:00+00:00"}}',
    "future.lock": '{"crantcli_lock":99}',
    "wide.csv": " ".join(["pre,post,weight", *(f"1,{number},1" for number in range(2, 5010))]),
}

# Servers


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[None]:
    """Serve data sets as long as the block lasts; their descriptions are in the folder: `live.toml` and others."""
    with contextlib.ExitStack() as stack:
        legacy(folder / "site", {1: grid_box((0, 0, 0), (3, 2, 2)), 2: grid_box((5, 0, 0), (7, 2, 2))})
        site = stack.enter_context(mesh_sources.serve(folder / "site"))
        neurons = make_brain().neurons
        rows = seatable_server.rows(len(neurons), root_id=lambda number: str(neurons[number]))
        table = stack.enter_context(seatable_server.serve(SeaTable(rows)))
        refusing = stack.enter_context(seatable_server.serve(SeaTable(rows, refuses=True)))
        paged = stack.enter_context(seatable_server.serve(SeaTable(rows, before=lambda *_: "page")))
        meshes = (
            f'[neuropils]\nsource = "{site.address}"\ntransform = {list(TRANSFORM)}\n'
            'labels = { 1 = "left", 2 = "right" }\n'
        )
        for name, annotations in (("live", table), ("refusing", refusing), ("paged", paged)):
            text = cave_text(stack, Weather(token=tokens.CAVE_TOKEN)) + seatable_text(annotations) + meshes
            (folder / f"{name}.toml").write_text(text)
        for name, weather in WEATHERS.items():
            (folder / f"{name}.toml").write_text(cave_text(stack, weather()))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{free.getsockname()[1]}"
        text = f'[cave]\nserver = "{address}"\ndatastack = "test_ant"\n'
        (folder / "closed.toml").write_text(text + seatable_text(SeaTable([], address=address)))
        yield


#: Name of a data set -> how its server behaves.
WEATHERS: dict[str, Callable[[], Weather]] = {
    "small": lambda: Weather(limit=40),
    "failing": lambda: Weather(action=lambda _, asked: 503 if asked.is_data else None),
    "faulty": lambda: Weather(action=lambda _, asked: 500 if asked.is_data else None),
    "busy": lambda: Weather(action=lambda _, asked: "busy" if asked.is_data else None),
    "cut": lambda: Weather(action=lambda _, asked: "cut" if asked.is_data else None),
    "page": lambda: Weather(action=lambda _, asked: "page" if asked.is_data else None),
    "forbidden": lambda: Weather(token=tokens.CAVE_TOKEN, refuse="missing_permission"),
    "terms": lambda: Weather(token=tokens.CAVE_TOKEN, refuse="missing_tos"),
    "private": lambda: Weather(private=True),
    "lacking": lambda: Weather(not_looked_up=3),
}


def cave_text(stack: contextlib.ExitStack, weather: Weather) -> str:
    """Start a CAVE server, and describe its data set: versions 1, 3 and 4, the last after a merge of two neurons."""
    brain = make_brain(late=40)
    merged = {brain.neurons[0] + 1: list(range(FIRST_SUPERVOXEL, FIRST_SUPERVOXEL + 4))}
    brain.graph.edit(START + 4 * DAY, brain.neurons[:2], merged)
    brain.versions[1] = replace(brain.versions[1], expired=True)
    brain.versions.append(Version(4, START + 5 * DAY))
    server = stack.enter_context(serving(brain))
    server.weather = weather
    return f'[cave]\nserver = "{server.url}"\ndatastack = "{brain.datastack}"\n[voxel]\nsize_nm = [8, 8, 42]\n'


def seatable_text(table: SeaTable) -> str:
    """Describe annotations on a server."""
    return (
        f'[annotations]\nseatable_server = "{table.address}/"\nworkspace = {table.workspace}\n'
        f'base = "{table.base}"\ntable = "{table.table}"\n'
    )


N = [str(FIRST_ROOT + 2 * number) for number in range(12)]

# Cases


def commands(group: str, text: str, **more: Any) -> list[Case]:
    """A case for each line."""
    return [Case(group, line.strip(), **more) for line in text.splitlines() if line.strip()]


B = "-d sample_data/sample.toml"
#: What other cases read: made by one revision for both.
MADE = commands(
    "made",
    f"""
    connectivity {B} -t 5 -o demo/edges.parquet
    connectivity {B} -o demo/edges.csv
    synapses {B} --pre cell_type=ER2 -o demo/er2.parquet
    synapses {B} --pre cell_type=ER2 --units pixels -o demo/pixels.feather
    counts {B} -o demo/counts.parquet
    adjacency {B} --pre cell_type=ER2 --post cell_type=EPG/PEG -o demo/ring.npz --plot demo/ring.png
    adjacency {B} --pre cell_type=ER2 --post cell_type=EPG/PEG -o demo/ring.csv --plot demo/ring.svg
    nested {B} --weight-mode count -o demo/nested.npz --type-sum demo/sum.parquet --order demo/order.csv
    neuropil {B} --weight-mode count --no-plot -o demo/neuropils
    attach {B} -n cell_type=ER2 -o demo/sites.parquet --summary demo/summary.csv --plot demo/sites.pdf
    annotations {B} -o demo/annotations.parquet
    meshes {B} -o demo/meshes
    lock -d live.toml -o demo/live.lock
    """,
    folder="made",
)


def demo() -> list[Case]:
    """The lines of demo.sh."""
    text = (ROOT / "sample_data" / "demo.sh").read_text()
    known = dict(re.findall(r"^(\w+)=(sample_data/\S+)$", text, re.MULTILINE))
    for name, value in known.items():
        text = text.replace(f"${name}", value)
    text = text.replace('"$out/neuropils/assignments.parquet"', "made/neuropils/assignments.parquet")
    lines = re.findall(r"^crantcli (.*)$", text.replace("$out", "demo"), re.MULTILINE)
    return commands("demo.sh", "\n".join(lines))


def examples() -> list[Case]:
    """Those of the help, which README.md has too, but for those of a data set far away."""
    text = (ROOT / "README.md").read_text()
    lines = re.findall(r"^```sh\ncrantcli (.*)\n```$", text.split("<!-- reference:start -->")[1], re.MULTILINE)
    return commands("epilog", "\n".join(line for line in lines if "crantb" not in line))


def pages() -> list[Case]:
    """The examples of README.md and docs/, page by page, each page in one folder: command lines, then Python."""
    found: list[Case] = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text().replace("\\\n", " ")
        for line in re.findall(r"^\$ (.*crantcli .*)$", text, re.MULTILINE):
            program, *words = shlex.split(line)
            kind: Any = "command" if program == "crantcli" and "|" not in words else "shell"
            found.append(Case(page.name, line.removeprefix("crantcli ") if kind == "command" else line, kind))
        blocks = re.findall(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        parsed = doctest.DocTestParser().get_examples("\n".join(blocks))
        found.append(Case(page.name, "".join(example.source for example in parsed), "python"))
        found[:] = [case if case.group != page.name else replace(case, folder=page.name) for case in found]
    return found


TABLES = (".csv", ".tsv", ".csv.gz", ".parquet", ".feather")
MATRICES = (".csv", ".tsv", ".parquet", ".feather", ".npz")
PICTURES = (".png", ".pdf", ".svg")
WORM = "celegans_edges.csv -a celegans_cells.csv --cell-type-column cell_class"

#: Each command, with {} for a suffix, and the formats that it can write.
FORMATS = (
    ("synapses made/er2.parquet --post 576460752686790003,576460752763878019 -o out{}", TABLES),
    ("connectivity made/er2.parquet --top 1 -o out{}", TABLES),
    (f"counts {WORM} -n cell_class=motor -o out{{}}", TABLES),
    (f"adjacency {WORM} --pre cell_class=motor -o out{{}}", MATRICES),
    (f"adjacency {WORM} --pre cell_class=sensory --plot out{{}}", PICTURES),
    (f"nested {WORM} -o out{{0}} --type-sum sum{{0}} --type-mean mean{{0}}", MATRICES),
    (f"nested {WORM} --relative relative{{0}} --relative-types types{{0}}", MATRICES),
    (f"nested {WORM} --level type_sum --plot out{{}}", PICTURES),
    (f"nested {WORM} --order out{{}}", TABLES),
    ("attach made/er2.parquet --skeletons skeletons -o out{0} --summary sum{0}", TABLES),
    ("attach made/er2.parquet --skeletons skeletons --plot out{}", PICTURES),
    ("annotations -d brain.toml -o out{}", TABLES),
    (f"ids {N[0]},{N[5]},7 -d live.toml -o out{{}}", TABLES),
)

#: What `info` is asked about, of what is in `made/`.
KNOWN = """
    edges.parquet edges.csv er2.parquet pixels.feather ring.npz ring.png ring.svg ring.csv nested.npz sum.parquet
    sites.parquet sites.pdf annotations.parquet counts.parquet neuropils live.lock meshes/ellipsoid_body.ply
"""


def formats() -> list[Case]:
    """Each command in each format, and `info` about each kind of file."""
    lines = [line.format(suffix) for line, suffixes in FORMATS for suffix in suffixes]
    lines += [f"info made/{name}{more}" for name in KNOWN.split() for more in ("", " --json")]
    return commands("format", "\n".join(lines))


#: Ways to choose, to count and to arrange.
OPTIONS = f"""
    synapses {B} --pre cell_type=ER2 --post cell_type=EPG/PEG -t 20 --min-size 50 --columns pre,post,size
    synapses {B} --pre "cell_type~^MBON and side=left" --units pixels --where "size >= 200" --json
    synapses {B} --pre 576460752748033503 --no-clean --quiet
    synapses made/er2.parquet --assignments made/neuropils/assignments.parquet --neuropil bulb_left -o out.csv
    synapses sized.csv --coordinates nm --voxel-size 8,8,42 --units pixels
    connectivity {B} -n cell_type=MBON01 --annotate cell_type,side --normalize output
    connectivity {B} -n cell_type=mbon01 --ignore-case --top 3
    connectivity {B} --by type --normalize input -t 3 --json -o out.parquet
    connectivity {B} --min-size 100 -t 10 --no-clean
    connectivity {B} -n @neurons.txt --no-upstream --json
    connectivity made/er2.parquet --assignments made/neuropils/assignments.parquet --by neuropil -o out.csv
    connectivity made/er2.parquet --normalize output
    connectivity made/er2.parquet --normalize input --totals made/counts.parquet --top 2
    connectivity made/edges.csv -n cell_type=ER2 -a annotations.csv --where "weight > 4"
    connectivity good.csv --no-clean
    connectivity good.csv -a types.csv --by type
    connectivity twice.csv --sum-duplicates
    connectivity twice.csv --kind synapses
    connectivity signed.csv --signed --normalize input
    connectivity gaps.csv --fill-down
    connectivity gaps.csv --allow-null
    connectivity bare.csv --header pre,post,weight
    connectivity matrix.csv
    connectivity parts
    connectivity parts/*.csv --json
    connectivity made/ring.npz --quiet
    connectivity unclear.csv --pre-col source --post-col target --weight-col weight
    connectivity pairs.csv --undirected
    adjacency {B} --pre cell_type=ER2 --symmetric --keep-unconnected -t 40 --json
    adjacency good.csv --pre 10,99 --keep-unconnected
    adjacency made/edges.parquet --pre cell_type=ER2 -a annotations.csv -o out.npz --json
    counts {B} -n cell_type=MBON01,ER9
    counts {B} -t 5 --min-size 30 --json -o out.csv
    counts made/ring.csv
    counts good.csv -n 10,99 --quiet
    nested {B} --source-types ER2,PEN --target-types EPG/PEG --weight-mode relative_incoming --type-mean out.csv
    nested {B} --source-types ER2 --normalization-scope all --json
    nested {B} --source-types ER2 --normalization-scope all --type-sum out.csv --relative-types rel.csv
    nested {B} --annotation-scope all --neuron-order weight --order out.csv -t 20 --weight-mode count
    nested {B} --weight-mode column --weight-column size --type-sum out.csv --json
    nested {WORM} --source-neurons AVAL,AVAR --target-types motor --keep-unconnected --weight-mode column
    nested {WORM} --type-order motor --neuron-order id --min-neurons 20 --level type_mean --linear --plot out.png
    nested {WORM} --cmap viridis --figsize 6,5 --dpi 80 --show-neuron-labels --title Worm --plot out.png
    nested edges.csv -a types.csv --annotation-scope all --directed
    neuropil made/er2.parquet -a annotations.csv --meshes meshes --assignments-only -o out
    neuropil made/er2.parquet -a annotations.csv --meshes meshes --neuropils protocerebral_bridge -o out --json
    neuropil made/pixels.feather -a annotations.csv --meshes meshes --weight-mode count --no-plot --relative -o out
    neuropil {B} --source-types ER2 --exclude bulb_left,bulb_right --no-include-other --no-plot -o out --relative-types
    attach {B} --no-pre --max-distance 300 --json -o out.csv
    attach {B} -n cell_type=ER2 -t 3 --summary out.csv --quiet
    attach sized.csv --coordinates nm --skeletons skeletons -o out.csv
    meshes meshes -o out --mesh-scale 2
    meshes {B} --exclude ellipsoid_body --neuropils bulb_left,bulb_right -o out --json
    annotations {B} --proofread-only --json -o out.csv
    annotations {B} --quiet
    cache info --json --cache-dir empty
    cache clear --cache-dir empty
"""

#: What ends with an error of one kind or another: commands, by their number in the list, and what they are given.
ERRORS = (
    (13, "--nonsense"),
    (11, "-d nowhere -o out.csv"),
    (11, "-d nowhere.toml -o out.csv"),
    (11, "-d broken.toml -o out.csv"),
    (11, "-d misspelt.toml -o out.csv"),
    (8, "nowhere.csv -o out.csv"),
    (7, "cut.parquet -o out.csv"),
    (7, "damaged.csv -o out.csv"),
    (7, "floats.csv -o out.csv"),
    (7, "good.csv -o - --json"),
    (7, "good.csv -o good.csv"),
    (7, "good.csv -o out.xyz"),
    (7, "good.csv -o nowhere/out.csv"),
    (7, "good.csv --lock nowhere.lock -o out.csv"),
    (7, "good.csv --strict-ids --no-update-ids -o out.csv"),
    (4, "good.csv -t 99 --fail-empty -o out.csv"),
    (4, "sized.csv --assignments types.csv --neuropil EB -o out.csv"),
)


def errors() -> list[Case]:
    """Commands that cannot do what they are told, each in every way."""
    lines = [f"{name} {what}" for number, what in ERRORS for name in COMMANDS[:number]]
    return [*commands("error", "\n".join(lines)), *commands("error", WRONG)]


WRONG = """
    connectivity other.csv
    connectivity unclear.csv
    connectivity good.csv --pre-col prre
    connectivity good.csv --kind edges
    connectivity good.csv --kind nodes
    connectivity good.csv --min-size 5
    connectivity edges.csv --min-size 5
    connectivity good.csv --by neuropil
    connectivity floats.parquet
    connectivity floats.feather
    connectivity twice.csv
    connectivity neuropils.csv
    connectivity gaps.csv
    connectivity signed.csv
    connectivity nothing.csv
    connectivity empty
    connectivity pairs.csv
    connectivity good.csv -a types.csv --annotate cel_type
    connectivity good.csv -a types.csv -n cel_type=ER1
    connectivity good.csv -a types.csv -n cell_type=ER9
    connectivity good.csv -a other.csv
    connectivity good.csv -a types.csv --cell-type-column x
    connectivity good.csv -a types.csv --neuron-id-column x
    connectivity good.csv -n cell_type=ER1
    connectivity good.csv --by type
    connectivity good.csv --annotate side
    connectivity good.csv -a types.csv --by type --annotate side
    connectivity good.csv -a nowhere.csv
    connectivity good.csv --no-upstream --no-downstream
    connectivity good.csv --totals good.csv
    connectivity good.csv --normalize input --totals types.csv
    connectivity good.csv --max-memory lots
    connectivity good.csv --threads 0
    connectivity good.csv --threads 100000
    connectivity good.csv --tmp-dir nowhere
    connectivity good.csv --where "sise > 3"
    connectivity good.csv --where "id > x"
    connectivity good.csv --where "id ~ ("
    connectivity good.csv --where id
    connectivity good.csv --delimiter ab
    connectivity good.csv --header a,b
    connectivity good.parquet --header a,b
    connectivity good.csv --undirected
    connectivity good.csv --treshold 5
    connectivity
    connectivity - -
    connectivity - -n -
    connectivty good.csv
    counts good.csv -n 10.5
    counts good.csv -n @nowhere
    counts nothing.csv
    synapses edges.csv
    synapses good.csv --columns id,sise
    synapses good.csv --units nm
    synapses good.csv --voxel-size 8,8
    synapses sized.csv --coordinates pixels --units nm
    synapses made/er2.parquet --coordinates pixels
    adjacency good.csv --plot out.jpg
    adjacency good.csv --pre - --post -
    adjacency cut.npz
    nested good.csv
    nested good.csv -a types.csv --weight-mode column
    nested good.csv -a types.csv --weight-column size
    nested good.csv -a types.csv --source-types ER9
    nested good.csv -a types.csv --type-order ER9 -o out.csv
    nested edges.csv -a types.csv --weight-mode relative_outgoing --normalization-scope all
    nested edges.csv -a types.csv --plot out.png --cmap rainbows
    nested edges.csv -a types.csv --plot out.png --vmin-percentile 90 --vmax-percentile 10
    nested edges.csv -a types.csv --plot out.png --figsize 1,1
    neuropil sized.csv -a types.csv -o out
    neuropil sized.csv -a types.csv --meshes meshes -o out
    neuropil sized.csv -a types.csv --meshes cut_meshes --coordinates nm -o out
    neuropil sized.csv -a types.csv --meshes meshes --coordinates nm --neuropils EB -o out
    neuropil good.csv -a types.csv --meshes meshes --coordinates nm -o out
    attach good.csv
    attach sized.csv --skeletons skeletons
    attach sized.csv --skeletons cut_skeletons --coordinates nm
    attach sized.csv --skeletons nowhere --coordinates nm
    attach sized.csv --skeletons skeletons --coordinates nm --id-map types.csv
    attach sized.csv --skeletons skeletons --coordinates nm --skeleton-units pixels
    meshes cut_meshes -o out
    meshes meshes -o out --neuropils EB
    meshes meshes -o out --mesh-scale 0
    meshes -o out
    annotations -o out.csv
    lock -d brain.toml -o out.lock
    ids 5 -d brain.toml
    ids
    cache empty
    info
    info nowhere.parquet
    info empty
    info cut.parquet
    info cut.npz
    info sample_data/demo.sh
    --verbose
"""

#: On servers: what they have, and what they do.
LIVE = [
    f"synapses -d live.toml --pre {N[4]} -o out.parquet",
    f"synapses -d live.toml --pre {N[4]} --post {N[6]},{N[7]} --units pixels",
    f"connectivity -d live.toml -n {N[4]} --materialization 3",
    f"connectivity -d live.toml -n {N[0]}",
    f"connectivity -d live.toml -n {N[0]} --strict-ids",
    f"connectivity -d live.toml -n {N[0]} --no-update-ids",
    f"connectivity -d live.toml -n {N[4]} --materialization 2",
    f"connectivity -d live.toml -n {N[4]} --materialization 9",
    f"connectivity -d live.toml -n {N[4]} --materialization soon",
    f"connectivity -d live.toml -n {N[4]} --materialization 2099-01-01",
    f"connectivity -d live.toml -n {N[4]} --materialization live -o out.parquet --json",
    f"connectivity -d live.toml -n {N[4]} --materialization 2026-06-01T00:00:00",
    f"connectivity -d live.toml -n {N[4]} --lock made/live.lock -o out.parquet --json",
    f"connectivity -d live.toml -n {N[4]} --lock made/live.lock --materialization 3",
    f"connectivity -d small.toml -n {N[4]} --lock made/live.lock",
    f"connectivity -d small.toml -n {N[4]},{N[5]} --refresh -o out.csv",
    f"connectivity -d lacking.toml -n {N[4]} --materialization 2026-05-31T00:00:00",
    f"connectivity -d lacking.toml -n {N[4]} --materialization 2026-05-31T00:00:00 --allow-missing",
    f"connectivity -d live.toml -n {N[4]} --retries -1",
    "connectivity -d live.toml",
    "connectivity -d live.toml -n cell_type=ER2 --by type -o out.csv",
    f"adjacency -d live.toml --pre {N[4]},{N[5]} -o out.npz --json",
    f"counts -d live.toml -n {N[4]},{N[0]} --quiet",
    "counts -d live.toml -n cell_type=ER1",
    "nested -d live.toml --source-types ER1 --weight-mode count --type-sum out.csv",
    "nested -d live.toml --source-types ER1 --normalization-scope all",
    f"neuropil -d live.toml --source-neurons {N[4]} --no-plot -o out",
    "meshes -d live.toml -o out --json",
    "annotations -d live.toml -o out.parquet --json",
    "annotations -d live.toml --lock made/live.lock --refresh",
    "annotations -d live.toml --materialization latest -o out.csv",
    f"ids {N[0]},{N[1]},{N[4]} -d live.toml --json",
    f"ids {N[0]} -d live.toml --materialization 1",
    f"ids {N[0]} 5 -d live.toml --strict-ids",
    "lock -d live.toml -o out.lock",
    "lock -d live.toml --materialization 3 --no-annotations --exclude left -o out.lock --json",
    *(f"connectivity -d {name}.toml -n {N[4]} --retries 0 -o out.csv" for name in ("closed", *WEATHERS)),
    *(f"annotations -d {name}.toml --retries 0 -o out.csv" for name in ("closed", "refusing", "paged")),
    "lock -d closed.toml --retries 0 -o out.lock",
    "ids 5 -d closed.toml --retries 0",
    "meshes https://127.0.0.1:9/meshes --retries 0 -o out",
    f"connectivity -d failing.toml -n {N[4]} --retries 1 -o out.csv",
    "cache info --cache-dir nowhere",
]

#: Lines for bash, whose processes are real.
PIPES = """
    crantcli synapses made/er2.parquet --quiet | crantcli connectivity - -t 5 | tail -n 5
    crantcli connectivity made/er2.parquet -o - | crantcli counts - -n 576460752748033503
    crantcli connectivity made/edges.csv | crantcli adjacency - --pre 576460752748033503 -o out.npz
    cat neurons.txt | crantcli counts made/edges.parquet -n -
    crantcli connectivity made/edges.csv --json; echo $?
    crantcli connectivity floats.csv; echo $?
    crantcli connectivity good.csv --debug 2>&1 | tail -n 1
    crantcli adjacency made/ring.npz > /dev/full; echo $?
    crantcli connectivity good.csv -o - < /dev/null; crantcli connectivity - < /dev/null; echo $?
    crantcli --version; crantcli; echo $?
    crantcli connectivity good.csv > out.csv && crantcli info out.csv
    cat raw.parquet | crantcli counts - -n 576460752748033503 --quiet
"""


def others() -> list[Case]:
    """Tables on stdin, tokens that are missing or wrong, and the default data set."""
    asked = (
        ("CRANTCLI_CAVE_TOKEN", f"counts -d live.toml -n {N[6]}"),
        ("CRANTTABLE_TOKEN", "annotations -d live.toml"),
    )
    return [
        Case("stdin", "connectivity -", stdin=b"pre,post\n1,2\n1,2\n"),
        Case("stdin", "connectivity - --json", stdin=b"pre\tpost\tweight\n1\t2\t3\n"),
        Case("stdin", "counts good.csv -n -", stdin=b"10\n20\n"),
        Case("stdin", "adjacency - -o -", stdin=b"pre,post\n1,2\n3\n"),
        Case("stdin", "connectivity - -o out.csv"),
        Case("default", "counts -n cell_type=MBON01", env={"CRANT_DEFAULT_DATASET": "sample_data/sample.toml"}),
        *(Case("no token", f"{line} --refresh", env={name: ""}) for name, line in asked),
        *(Case("wrong token", f"{line} --refresh", env={name: tokens.WRONG_TOKEN}) for name, line in asked),
    ]


D = "dataset='sample_data/sample.toml'"
WORMS = "'celegans_edges.csv', 'celegans_cells.csv', 'cell_class', 'neuron_id'"
NM = "source='made/er2.parquet', return_pixels=False"
PYTHON = f"""
    cc.get_synapses(576460752748033503, {D})
    cc.get_synapses(cc.NeuronCriteria(cell_type='ER2'), cc.NeuronCriteria(cell_type='EPG/PEG'), 20, 50, {D}, \
        return_pixels=False)
    cc.get_synapses(source=pd.read_csv('sized.csv'), coordinates='nm', voxel_size=(8, 8, 42))
    cc.get_synapses(source=pd.read_csv('sized.csv'))
    cc.get_synapses(source='edges.csv')
    cc.get_synapses({D})
    cc.get_synapses([1.5], source='good.csv')
    cc.get_synapses(10, source='sized.csv', min_size=5, where='size > 10', nonsense=3)
    cc.get_connectivity(cc.NeuronCriteria(cell_type='MBON01'), {D}, annotate=['side'], normalize='output')
    cc.get_connectivity(576460752748033503, upstream=False, top=3, {D})
    cc.get_connectivity(source='good.csv', clean=False)
    cc.get_connectivity(source='good.csv', min_size=5)
    cc.get_connectivity(source='good.csv', by='neuropil')
    cc.get_connectivity(source='good.csv', by='type')
    cc.get_connectivity(source='good.csv', by='layer')
    cc.get_connectivity(source='good.csv', annotate=['side'])
    cc.get_connectivity(source='good.csv', upstream=False, downstream=False)
    cc.get_connectivity(source='twice.csv')
    cc.get_connectivity(source='twice.csv', sum_duplicates=True)
    cc.get_connectivity(source='nowhere.csv')
    cc.get_connectivity(source='cut.parquet')
    cc.get_connectivity(source='unclear.csv')
    cc.get_connectivity(source='signed.csv')
    cc.get_connectivity(source='made/er2.parquet', normalize='input')
    cc.get_connectivity(source='made/er2.parquet', normalize='input', totals='made/counts.parquet', threshold=20)
    cc.get_connectivity(source='made/er2.parquet', assignments='made/neuropils/assignments.parquet', \
        neuropil='bulb_left')
    cc.get_connectivity(5, dataset='nowhere')
    cc.get_connectivity({N[4]}, dataset='live.toml')
    cc.get_connectivity({N[0]}, dataset='live.toml', materialization=3, annotate=['side'])
    cc.get_connectivity({N[0]}, dataset='live.toml', live=cc.LiveOptions(strict_ids=True))
    cc.get_connectivity({N[4]}, dataset='live.toml', live=cc.LiveOptions(lock='made/live.lock'))
    cc.get_connectivity({N[4]}, dataset='forbidden.toml')
    cc.get_synapses({N[4]}, dataset='live.toml', materialization='live')
    cc.get_synapse_counts(['VB1', 'VB2', 'nobody'], source='celegans_edges.csv')
    cc.get_synapse_counts({D}, threshold=5)
    cc.get_synapse_counts([{N[0]}, {N[4]}], dataset='live.toml')
    cc.get_adjacency(post_ids=cc.NeuronCriteria(cell_type='EPG/PEG'), {D}, threshold=10)
    cc.get_adjacency(10, 99, source='good.csv', keep_unconnected=True)
    cc.get_adjacency(10, 99, source='good.csv', keep_silent=True, symmetric=True)
    cc.get_adjacency({N[4]}, dataset='live.toml')
    cc.update_ids([{N[0]}, {N[4]}, 5], dataset='live.toml')
    cc.update_ids({N[0]}, 1, dataset='live.toml')
    cc.update_ids(5, dataset='sample_data/sample.toml')
    cc.NestedMatrix.from_connectivity({WORMS}, type_order=['sensory'])
    cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv', annotation_scope='all', \
        neuron_order='weight').get_relative_weights()
    cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv', 'cel_type')
    cc.NestedMatrix.from_connectivity('edges.csv', 'types.csv', type_order=['ER9'])
    cc.NestedMatrix.from_connectivity('good.csv', 'types.csv')
    cc.NestedMatrix.from_synapses('made/er2.parquet', 'annotations.csv')
    cc.NestedMatrix.from_synapses('made/er2.parquet', 'annotations.csv', weight_mode='column', \
        weight_column='size').get_relative_weights(True)
    cc.NestedMatrix.from_synapses('made/er2.parquet', 'annotations.csv', weight_mode='column')
    cc.NestedMatrix.from_synapses('made/er2.parquet', 'annotations.csv', normalization_scope='all')
    cc.NestedMatrix.from_synapses_by_neuropil(cc.get_synapses({NM}), 'annotations.csv', weight_mode='count', \
        meshes='meshes')
    cc.NestedMatrix.from_synapses_by_neuropil(cc.get_synapses({NM}), 'annotations.csv', ['EB'], meshes='meshes')
    cc.NestedMatrix(np.eye(2), {{'a': (0, 2)}}, [1, 2], {{1: 'a', 2: 'a'}})
    cc.NestedMatrix(np.eye(3), {{'a': (0, 2)}}, [1, 2], {{1: 'a', 2: 'a'}})
    cc.NestedMatrix.from_connectivity({WORMS}).plot('out.png', level='type_sum', figsize=(4, 4), dpi=80)
    cc.NestedMatrix.from_connectivity({WORMS}).plot('out.xyz')
    cc.NestedMatrix.from_connectivity({WORMS}).plot(cmap='rainbows')
    cc.NestedMatrix.from_connectivity({WORMS}).plot(vmin_percentile=90, vmax_percentile=10)
    cc.NestedMatrix.from_connectivity({WORMS}).dense(100)
    cc.DirectedNestedMatrix.from_connectivity('edges.csv', 'types.csv', source_types='ER1', target_types=['EPG'])
    cc.DirectedNestedMatrix.from_synapses('made/er2.parquet', 'annotations.csv', source_types=['ER2'], \
        target_types='EPG/PEG')
    cc.DirectedNestedMatrix.from_synapses_by_neuropil(cc.get_synapses({NM}), 'annotations.csv', meshes='meshes', \
        source_types=['ER2'])
    cc.DirectedNestedMatrix(np.eye(2), [1, 2], [3, 4])
    cc.DirectedNestedMatrix(np.eye(2), [1, 2], [3, 3])
    regions = cc.NestedMatrix.from_synapses_by_neuropil('made/er2.parquet', 'annotations.csv', meshes='meshes'); \
        regions.plot(cc.All.minus('other'), output_path='pictures', figsize=(4, 4)); \
        regions.plot(cc.All, output_path='one.png')
    cc.NeuropilCollection().summary; cc.All.minus('a', ['b']); cc.NeuropilCollection().plot('EB')
    import navis; navis.config.pbar_hide = True; trees = navis.read_swc('skeletons', progress=False); \
        [setattr(t, 'id', int(t.name)) for t in trees]; \
        [t.connectors for t in cc.attach_synapses(trees, source='made/er2.parquet')]; cc.attach_synapses(3)
    import inspect; {{name: str(inspect.signature(thing)) for name in cc.__all__ \
        if callable(thing := getattr(cc, name))}}
"""


def cases() -> list[Case]:
    """All cases, in the order in which they run."""
    return [
        *(Case("help", f"{name} --help") for name in ("", *COMMANDS)),
        *demo(),
        *examples(),
        *pages(),
        *formats(),
        *commands("options", OPTIONS),
        *errors(),
        *others(),
        *commands("live", "\n".join(LIVE)),
        *commands("pipe", PIPES, kind="shell"),
        *commands("python", PYTHON, kind="python"),
    ]
