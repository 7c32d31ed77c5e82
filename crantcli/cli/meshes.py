"""`crantcli meshes`: the neuropil meshes of a data set as files."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.options import (
    DatasetName,
    ExcludedNames,
    MeshScale,
    NeuropilNames,
    RunOptions,
    ServerOptions,
    SourceOptions,
    with_options,
)

EPILOG = """Example: crantcli meshes -d brain.toml -o neuropils

Into the folder: NAME.ply of each neuropil, in nm, and, last, manifest.json. neuropil --meshes reads it. A neuropil that
is the union of others is written as these. What comes from a server is kept; --refresh fetches it anew."""


@with_options
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
    """Neuropil meshes as PLY files in nm, each a closed surface named by its neuropil, into a folder."""
    from pathlib import Path

    from crantcli.cli.job import Job
    from crantcli.core.ledger import Ledger
    from crantcli.errors import CrantError
    from crantcli.core.filenames import safe_file_names
    from crantcli.output.ply import write_ply
    from crantcli.output.provenance import as_text, table_record
    from crantcli.schema import KEY, MANIFEST
    from crantcli.sources.recorded import parse_mesh_scale
    from crantcli.sources.selection import read_labels

    scale = parse_mesh_scale(mesh_scale) if mesh_scale is not None else None
    wanted = read_labels(neuropils) if neuropils else None
    dropped = read_labels(exclude) if exclude else ()
    job = Job("meshes", SourceOptions(dataset=dataset), run, folder=True, reads_synapses=False, fetch=server)
    with job.opened() as work:
        space = work.space
        place = source or (space.dataset.meshes if space.dataset else None)
        if place and Path(place).is_dir():
            space.paths += [path for path in Path(place).iterdir() if path.is_file()]
        work.check_destinations()
        found = space.neuropil_meshes(source, wanted, dropped, scale)
        stems = safe_file_names([mesh.name for mesh in found])
        folder = work.pending.place_folder(str(run.output))
        for mesh in found:
            write_ply(mesh.vertices, mesh.faces, folder / f"{stems[mesh.name]}.ply")
        ledger = Ledger("meshes", len(found), {}, len(found))
        options = {
            "neuropils": list(wanted) if wanted else None,
            "exclude": list(dropped) or None,
            "mesh_scale": list(scale) if scale else None,
            "units": "nm",
        }
        record = table_record("meshes", "meshes", options, space.inputs, ledger)
        manifest = {**record, KEY: record[KEY], "files": sorted(path.name for path in folder.iterdir()), "stems": stems}
        try:
            (folder / MANIFEST).write_text(as_text(manifest) + "\n", encoding="utf-8")
        except OSError as error:
            raise CrantError(f"{run.output}: cannot be written ({error.strerror})") from None
        origin = next((f"from {mesh.source}" for mesh in found if mesh.source), "")
        work.finish("meshes", len(found), ledger, [origin] if origin else [], {"meshes": sorted(stems)})
