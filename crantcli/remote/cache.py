"""What was fetched once and need not be fetched again, in the user's cache folder.

Files appear whole under their names, so that two runs at once cannot spoil each other's; a fetch under way holds a lock
that goes with its process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crantcli.errors import CrantError
from crantcli.remote.body import parse_json
from crantcli.system.archives import DAMAGED
from crantcli.system.locking import one_at_a_time
from crantcli.system.temporary import remove, sweep, temporary_path
from crantcli.text import P

#: Environment variable with the cache folder, where `--cache-dir` is not given.
CACHE_VARIABLE = "CRANTCLI_CACHE_DIR"


class CacheError(CrantError):
    """The cache cannot be written. Those who can do without it go on."""

    def __init__(self, place: Path, error: OSError) -> None:
        super().__init__(f"{place}: the cache cannot be written ({error.strerror or error}); use {P.cache_dir}")


def cache_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Where fetched things are kept: `given`, else CRANTCLI_CACHE_DIR, else the user's cache folder."""
    chosen = given or os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("crantcli"))


def key_of(*content: Any) -> str:
    """A short name for something that is told in JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class CacheFolder:
    """A folder of files that appear whole.

    Parameters
    ----------
    folder : Path
        Made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._swept: set[Path] = set()

    def path(self, name: str) -> Path:
        """Where a file is, or would be."""
        return self.folder / name

    def read_json(self, name: str) -> Any:
        """A file's content; None where it is not there or damaged."""
        try:
            return parse_json(self.path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def write_json(self, name: str, content: Any) -> None:
        """Replace a file."""
        with self.writing(name) as path:
            path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")), encoding="utf-8")

    def read_arrays(self, name: str) -> dict[str, Any] | None:
        """NumPy arrays by name; None where the file is not there or damaged (the archive has checksums)."""
        import numpy as np

        try:
            with self.path(name).open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except DAMAGED:
            return None

    def write_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Replace a file of arrays."""
        import numpy as np

        with self.writing(name) as path, path.open("wb") as file:
            np.savez(file, **arrays)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A temporary place, which takes the name when the block ends well.

        Raises
        ------
        CacheError
        """
        final = self.path(name)
        self._prepare(final.parent)
        temporary = temporary_path(final.parent, final.name)
        try:
            yield temporary
            os.replace(temporary, final)
        except OSError as error:
            raise CacheError(final, error) from None
        finally:
            remove(temporary)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Only one process at a time gets here; the next one waits, and then finds what the first has fetched."""
        path = self.path(f"{name}.lock")
        self._prepare(path.parent)
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(one_at_a_time(path))
            except OSError as error:
                raise CacheError(path, error) from None
            yield

    def seal(self, name: str) -> None:
        """Write down the checksum of a file, for those who hold its lock, in the lock's own file."""
        try:
            self.path(f"{name}.lock").write_text(_digest(self.path(name)), encoding="ascii")
        except OSError as error:
            raise CacheError(self.path(name), error) from None

    def sealed(self, name: str) -> bool:
        """Whether a file is there, and what it was when it was sealed."""
        try:
            return self.path(f"{name}.lock").read_text(encoding="ascii") == _digest(self.path(name))
        except (OSError, ValueError):
            return False

    def _prepare(self, folder: Path) -> None:
        """Make a folder, and remove what killed runs left unfinished in it, for which once is enough."""
        try:
            # What is in there may not be published yet.
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            names = [] if folder in self._swept else os.listdir(folder)
        except OSError as error:
            raise CacheError(folder, error) from None
        self._swept.add(folder)
        for name in names:
            stem, mark, _ = name.removeprefix(".").partition(".crantcli-")
            if mark and name.startswith("."):
                sweep(folder, stem)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_store(kind: str, given: str | os.PathLike[str] | None = None) -> CacheFolder:
    """The part of the cache that holds one kind of things, one of `KINDS`; `given` as for `cache_folder`."""
    return CacheFolder(cache_folder(given) / kind)


@dataclass(frozen=True)
class Content:
    """What the cache holds of one kind."""

    kind: str
    files: int
    bytes: int


def contents(folder: Path) -> list[Content]:
    """What the cache holds, by kind: the folders in it, and those in the folder of each CAVE data set."""
    found: dict[str, list[int]] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        parts = path.relative_to(folder).parts
        if len(parts) < 2 or path.suffix == ".lock" or not path.is_file():
            continue
        kind = parts[2] if parts[0] == "cave" and len(parts) > 3 else "versions" if parts[0] == "cave" else parts[0]
        with contextlib.suppress(OSError):
            found.setdefault(kind, []).append(path.stat().st_size)
    return [Content(kind, len(sizes), sum(sizes)) for kind, sizes in sorted(found.items())]


def clear(folder: Path) -> None:
    """Remove everything from the cache that is ours.

    Raises
    ------
    CrantError
        Where something cannot be removed.
    """
    for name in KINDS:
        path = folder / name
        try:
            if path.is_dir():
                shutil.rmtree(path)
        except OSError as error:
            raise CrantError(f"{path}: cannot be removed ({error.strerror})") from None


#: Folders in the cache; what else stands beside them is not ours.
KINDS = ("cave", "annotations", "meshes")
