"""Which sections a lock file may have, and who knows what they say."""

from __future__ import annotations

from crantcli.remote.lockfile import Lock, Section, check_file_section, read_sections
from crantcli.sources.cave.versions import check_cave_section
from crantcli.sources.seatable.snapshot import check_annotation_section
from crantcli.sources.shapes.mesh_cache import check_mesh_section
from crantcli.text import P

SECTIONS = {
    "cave": Section("materialization", check_cave_section),
    "synapses": Section("synapse file", check_file_section, f", or give the file as {P.source}"),
    "annotations": Section(
        "annotations", check_annotation_section, f", or give a table with {P.annotations.metavar('FILE')}"
    ),
    "neuropils": Section("meshes", check_mesh_section, f", or give {P.meshes.metavar('FOLDER')}"),
}


def read_lock(path: str) -> Lock:
    """Read the lock of a data set.

    Raises
    ------
    DataError
        Where it is none, damaged, or of another version.
    """
    return read_sections(path, SECTIONS)
