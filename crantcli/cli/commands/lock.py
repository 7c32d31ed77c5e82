"""`crantcli lock`: one brain for a whole pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crantcli.cli.command import command
from crantcli.cli.help import LIVE
from crantcli.cli.options import (
    DatasetName,
    ExcludedNames,
    FetchOptions,
    Materialization,
    RunOptions,
    ServerOptions,
)

if TYPE_CHECKING:
    from crantcli.core.addresses import Dataset
    from crantcli.run.inputs import Opener

EPILOG = """Example: crantcli lock -d crantb -o crant.lock

Then give --lock crant.lock to every command of the pipeline: all see the same brain, whatever is published or edited
meanwhile. The lock names the version, time, table and resolution of the synapses, and holds fingerprints of the
annotations, of each mesh, and of the data set's local tables. The annotations and meshes stay in the cache. Where it
does not have them, they come from their servers if they are still the same; else the command stops. A lock of the
same state as before is left as it was, so that make finds nothing to do."""


@command("lock", section=LIVE, epilog=EPILOG)
def lock(
    server: ServerOptions,
    run: RunOptions,
    dataset: DatasetName = None,
    materialization: Materialization = "latest",
    no_annotations: Annotated[bool, typer.Option("--no-annotations", help="Do not lock the annotations.")] = False,
    no_meshes: Annotated[bool, typer.Option("--no-meshes", help="Do not lock the meshes.")] = False,
    exclude: ExcludedNames = None,
) -> None:
    """Write down the state of a data set, for a whole pipeline. Version, annotations and meshes are resolved once."""
    import json

    from crantcli.cli.ask import CommandSink, settings_of
    from crantcli.errors import UsageError
    from crantcli.remote.lockfile import lock_text
    from crantcli.run.request import Request
    from crantcli.run.runner import opened
    from crantcli.sources.selectors import read_labels

    if server.lock is not None:
        raise UsageError("--lock FILE reads a lock; crantcli lock writes one, with -o FILE")
    if run.output in (None, "-"):
        raise UsageError("say where the lock goes with -o FILE, such as -o crant.lock")
    if no_meshes and exclude:
        raise UsageError("--exclude and --no-meshes contradict each other")
    excluded = read_labels(exclude) if exclude else ()
    settings = settings_of(run, FetchOptions(**vars(server), materialization=materialization))
    sink = CommandSink("lock", {"": str}, None, run)
    with opened(Request(dataset=dataset), settings, sink) as opener:
        sink.check(opener.paths)
        if opener.dataset is None:
            raise UsageError("whose state? Give a data set with -d NAME, or CRANT_DEFAULT_DATASET")
        found = list(_locked(opener, opener.dataset, not no_annotations, not no_meshes, excluded))
        if not found:
            raise UsageError(f"data set {opener.dataset.name}: there is nothing to lock")
        sink.check(opener.paths)
        text = lock_text(opener.dataset.name, {name: content for name, content, _ in found})
        same = _says(str(run.output), text)
        if not same:
            sink.files.put_text("", text)
            sink.files.commit()
        for note in opener.notes:
            sink.console.note(note)
        sink.console.note(f"{'; '.join(what for _, _, what in found)} -> {run.output}{' (as it was)' if same else ''}")
        if run.json:
            sink.console.json({"command": "lock", "outputs": [run.output], **json.loads(text)})


def _says(path: str, text: str) -> bool:
    """Whether a file has this content. It is left alone then, so that make sees that nothing has changed."""
    from pathlib import Path

    from crantcli.output.streams import find_stream

    try:
        return find_stream(path) is None and Path(path).read_bytes() == text.encode()
    except OSError:
        return False


def _locked(
    opener: Opener, dataset: Dataset, annotations: bool, meshes: bool, exclude: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each section of the lock: its name, what it holds, and what to say of it."""
    from crantcli.remote.lockfile import file_section
    from crantcli.sources.shapes.mesh_cache import mesh_section
    from crantcli.sources.shapes.meshes import keep_meshes, place_name
    from crantcli.sources.tables.expand import expand

    if dataset.cave is not None:
        yield "cave", opener.live.lock(), f"{opener.live.record()['name']}: {opener.live.data_version}"
    if dataset.synapses is not None:
        files = expand([dataset.synapses], opener.engine)
        opener.paths += [file.path for file in files]
        yield "synapses", file_section([file.record() for file in files]), "synapses in a file"
    if annotations and (dataset.annotations or dataset.annotation_table):
        yield "annotations", *_annotations(opener, dataset)
    own = dataset.meshes or dataset.mesh_source
    if meshes and own:
        found = opener.neuropil_meshes(None, None, exclude)
        keep_meshes(found, opener.live_options)
        digests = {mesh.name: mesh.digest for mesh in found}
        yield "neuropils", mesh_section(place_name(own), digests), f"{len(found):,} meshes"


def _annotations(opener: Opener, dataset: Dataset) -> tuple[dict[str, Any], str]:
    """What the lock holds of the annotations, and what to say of them."""
    from crantcli.errors import AuthorisationError
    from crantcli.remote.lockfile import file_section
    from crantcli.sources.seatable.snapshot import annotation_file, keep_annotations

    address = dataset.annotation_table
    if dataset.annotations is not None or address is None:
        part = opener.annotation_part()
        assert part is not None
        return file_section(part.records), "annotations in a file"
    try:
        made = annotation_file(address, opener.engine.scratch, opener.live_options)
    except AuthorisationError as error:
        raise AuthorisationError(f"{error.message}; or lock without them, with --no-annotations") from None
    keep_annotations(made, address, opener.live_options)
    opener.notes += made.notes
    record = {"table": address.table, **{key: made.record[key] for key in ("server", "base", "rows", "sha256")}}
    return record, f"{record['rows']:,} annotations in {address}"
