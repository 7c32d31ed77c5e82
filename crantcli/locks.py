"""Which sections a lock file may have, and who knows what they say."""

from __future__ import annotations

from crantcli.remote.lockfile import Lock, Section, check_files
from crantcli.remote.lockfile import read_lock as read_sections
from crantcli.sources.cave.versions import check_locked as check_cave
from crantcli.sources.mesh_cache import check_locked as check_meshes
from crantcli.sources.seatable.snapshot import check_locked as check_annotations

SECTIONS = {
    "cave": Section("materialization", check_cave),
    "synapses": Section("synapse file", check_files, ", or give the file as SOURCE"),
    "annotations": Section("annotations", check_annotations, ", or give a table with -a FILE"),
    "neuropils": Section("meshes", check_meshes, ", or give --meshes FOLDER"),
}


def read_lock(path: str) -> Lock:
    """Read the lock of a data set.

    Raises
    ------
    DataError
        Where it is none, damaged, or of another version.
    """
    return read_sections(path, SECTIONS)
