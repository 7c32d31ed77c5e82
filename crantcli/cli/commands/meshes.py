"""`crantcli meshes`: the neuropil meshes of a data set as files."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import DATA
from crantcli.cli.options import (
    DatasetName,
    ExcludedNames,
    MeshScale,
    NeuropilNames,
    RunOptions,
    ServerOptions,
)

EPILOG = """Example: crantcli meshes -d brain.toml -o neuropils

Into the folder: NAME.ply of each neuropil, in nm, and, last, manifest.json. neuropil --meshes reads it. A neuropil that
is the union of others is written as these. What comes from a server is kept; --refresh fetches it anew."""


@command("meshes", section=DATA, epilog=EPILOG, after="annotations")
def meshes(
    server: ServerOptions,
    run: RunOptions,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="A folder of meshes, or a precomputed source: a folder or an https address. Default: the data set's.",
            show_default=False,
        ),
    ] = None,
    dataset: DatasetName = None,
    neuropils: NeuropilNames = None,
    exclude: ExcludedNames = None,
    mesh_scale: MeshScale = None,
) -> None:
    """Neuropil meshes as PLY files in nm, into a folder. Each is a closed surface named by its neuropil."""
    from pathlib import Path

    from crantcli.cli.ask import CommandSink, settings_of
    from crantcli.core.filenames import safe_file_names
    from crantcli.core.ledger import Ledger
    from crantcli.core.question import Folder, FolderFile, Mesh
    from crantcli.core.questions.base import Results
    from crantcli.core.relation import Completeness
    from crantcli.run.record import table_record
    from crantcli.run.request import Request
    from crantcli.run.runner import opened, pass_on
    from crantcli.sources.selectors import read_labels
    from crantcli.sources.tables.metadata import parse_mesh_scale

    scale = parse_mesh_scale(mesh_scale) if mesh_scale is not None else None
    wanted = read_labels(neuropils) if neuropils else None
    dropped = read_labels(exclude) if exclude else ()
    sink = CommandSink("meshes", {"": Folder}, None, run)
    with opened(Request(dataset=dataset), settings_of(run, server), sink) as opener:
        place = source or (opener.dataset.meshes if opener.dataset else None)
        if place and Path(place).is_dir():
            opener.paths += [path for path in Path(place).iterdir() if path.is_file()]
        sink.check(opener.paths)
        found = opener.neuropil_meshes(source, wanted, dropped, scale)
        stems = safe_file_names([mesh.name for mesh in found])
        ledger = Ledger("meshes", len(found), {}, len(found))
        options = {
            "neuropils": list(wanted) if wanted else None,
            "exclude": list(dropped) or None,
            "mesh_scale": list(scale) if scale else None,
            "units": "nm",
        }
        record = table_record("meshes", "meshes", options, opener.inputs, ledger)
        files = (FolderFile(stems[mesh.name], Mesh(mesh.vertices, mesh.faces), record, ".ply") for mesh in found)
        folder = Folder(files, lambda: {**record, "stems": stems})
        origin = next((f"from {mesh.source}" for mesh in found if mesh.source), "")
        number = len(found)
        results = Results(
            {"": folder}, "meshes", number, ledger, Completeness(), number, "meshes",
            notes=[origin] if origin else [], details={"meshes": sorted(stems)},
        )  # fmt: skip
        pass_on(results, sink, opener, [""], record)
