"""Files that Hadoop finds, asked as object stores are: by the client, configuration and credentials of Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class HadoopFiles:
    """Hadoop's file systems, as much of them as is asked of object stores; paths begin with the name of the server.

    Parameters
    ----------
    spark : function
        Gives the session, which starts when it is first asked for.
    """

    def __init__(self, spark: Callable[[], Any]) -> None:
        self._spark = spark

    def info(self, path: str) -> dict[str, Any]:
        """Type and bytes of a file or a folder, and when it was written, which tells it from what replaces it.

        Raises
        ------
        FileNotFoundError, PermissionError, OSError
        """
        files, place = self._opened(path)
        with _told(path):
            return _details(files.getFileStatus(place))

    def find(self, path: str) -> list[str]:
        """All files below a folder; none where there is no such folder."""
        files, place = self._opened(path)
        with _told(path):
            if not files.exists(place):
                return []
            below = files.listFiles(place, True)
            found = []
            while below.hasNext():
                found.append(_name(below.next()))
            return found

    def glob(self, pattern: str, detail: bool) -> dict[str, dict[str, Any]]:
        """What matches a pattern, as Hadoop understands it."""
        assert detail
        files, place = self._opened(pattern)
        with _told(pattern):
            return {_name(status): _details(status) for status in files.globStatus(place) or ()}

    def cat_file(self, path: str, start: int, end: int, generation: str) -> bytes:
        """The bytes of a file from one number up to before another.

        Raises
        ------
        FileNotFoundError
            Where it is not the file that was found before.
        """
        files, place = self._opened(path)
        with _told(path):
            if _details(files.getFileStatus(place))["generation"] != generation:
                raise FileNotFoundError(path)
            stream = files.open(place)
            try:
                stream.seek(start)
                return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream, end - start))
            finally:
                stream.close()

    @property
    def _jvm(self) -> Any:
        return self._spark().sparkContext._jvm

    def _opened(self, path: str) -> tuple[Any, Any]:
        """The file system that a path belongs to, and the path as it knows it."""
        with _told(path):
            place = self._jvm.org.apache.hadoop.fs.Path(f"hdfs://{path}")
            return place.getFileSystem(self._spark().sparkContext._jsc.hadoopConfiguration()), place


def _details(status: Any) -> dict[str, Any]:
    return {
        "type": "directory" if status.isDirectory() else "file",
        "size": int(status.getLen()),
        "generation": str(status.getModificationTime()),
    }


def _name(status: Any) -> str:
    return str(status.getPath().toString()).partition("://")[2]


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn what Java throws into what Python raises for files."""
    from py4j.protocol import Py4JJavaError

    try:
        yield
    except Py4JJavaError as error:
        kind = str(error.java_exception.getClass().getSimpleName())
        if "FileNotFound" in kind:
            raise FileNotFoundError(path) from None
        if "AccessControl" in kind:
            raise PermissionError(path) from None
        raise OSError(f"{kind}: {error.java_exception.getMessage()}") from None
