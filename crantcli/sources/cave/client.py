"""The CAVE server of a data set: what it knows, rows of its synapse table, neurons over time.

Queries for rows are sent from here, through caveclient's sessions: its own query methods hide the headers that tell
whether an answer was cut, and lead through pandas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from crantcli.core.addresses import CaveAddress
from crantcli.errors import CrantError, DataError, IncompleteError, UsageError
from crantcli.remote.outcomes import NotFoundError, NotReadyError, RefusedError, TooLargeError
from crantcli.remote.retry import RetryPolicy
from crantcli.sources.cave.answers import Answer, cut_at, missing_lookups
from crantcli.sources.cave.connection import Connection
from crantcli.sources.cave.query import PAIR
from crantcli.sources.cave.versions import Version
from crantcli.text import P

#: The first version of the server's engine that follows neurons from a version to an earlier time.
_FOLLOWS_BACK = (5, 26, 3)

#: IDs in one question to the chunkedgraph.
_IDS_AT_ONCE = 5000


class Cave(Connection):
    """A data set's server. Nothing is sent before something is asked.

    Parameters
    ----------
    address : CaveAddress
    policy : RetryPolicy
    """

    def __init__(self, address: CaveAddress, policy: RetryPolicy) -> None:
        super().__init__(address, policy)
        self._versions: list[Version] = []
        self._at_once = _IDS_AT_ONCE

    # What the server knows

    @property
    def synapse_table(self) -> str:
        """Name of the synapse table."""
        table = self.address.synapse_table or self._info.get("synapse_table")
        if not table:
            raise UsageError(
                f"data stack {self.address.datastack} names no synapse table; say it in the TOML: [cave] synapse_table"
            )
        return str(table)

    def versions(self) -> list[Version]:
        """All materializations, the expired ones included, oldest first, as they were when first asked for."""
        if not self._versions:
            client = self._materialize
            url = f"{client.server_address}/materialize/api/v3/datastack/{self.address.datastack}/metadata"
            with self._answers():
                listed = client.session.get(url, params={"expired": "True"}).json()
                found = [_version(described) for described in listed]
            self._versions = sorted(found, key=lambda version: (version.time, version.number))
        return self._versions

    @property
    def follows_back(self) -> bool:
        """Whether neurons are followed from a version to an earlier time, too."""
        engine = self._materialize.server_version
        return engine is not None and engine.release >= _FOLLOWS_BACK

    def resolution(self, version: int) -> tuple[float, float, float]:
        """Nanometres per unit of the positions in the synapse table."""
        with self._answers(), self._naming(version):
            record = self._materialize.get_table_metadata(self.synapse_table, version=version)
            sizes = list(record["voxel_resolution"])
        if len(sizes) != 3 or not all(isinstance(size, int | float) and size > 0 for size in sizes):
            raise DataError(
                f"table {self.synapse_table}: its resolution is {sizes}, and no unit of positions can be told"
            )
        x, y, z = map(float, sizes)
        return x, y, z

    # Rows

    def rows(self, version: int, filters: dict[str, dict[str, Any]], columns: Sequence[str] | None) -> Answer:
        """Ask for rows of the synapse table at a version.

        Parameters
        ----------
        version : int
        filters : dict
            Name of a filter (`in`, `greater_equal`, `less`) -> column -> value.
        columns : sequence of str, optional
            Positions come as three columns. None means all.
        """
        body = self._body(filters)
        if columns is not None:
            body["select_columns"] = list(columns)
        with self._naming(version):
            return self._ask(f"/version/{version}/table/{self.synapse_table}/query", body)

    def count(self, version: int, filters: dict[str, dict[str, Any]]) -> int:
        """The exact number of rows of a query, whatever the limit."""
        body = self._body(filters)
        with self._naming(version):
            table = self._ask(f"/version/{version}/table/{self.synapse_table}/query", body, count="True").table
        number = table.column(0)[0].as_py() if (table.num_columns, table.num_rows) == (1, 1) else None
        if not isinstance(number, int):
            raise IncompleteError("the server does not count rows, so that no answer can be shown to be complete")
        return number

    def rows_and_known(self, version: int) -> tuple[int, int]:
        """Rows of the synapse table at a version, and how many of them have both neurons: all but in split ones."""
        with self._answers(), self._naming(version):
            rows = int(self._materialize.get_annotation_count(self.synapse_table, version=version))
        return rows, self.count(version, {"greater_equal": dict.fromkeys(PAIR[1:], 0)})

    def rows_at(
        self,
        time: datetime,
        filters: dict[str, dict[str, Any]],
        columns: Sequence[str] | None,
        limit: int | None = None,
        allow_missing: bool = False,
    ) -> Answer:
        """Ask for rows as they are at any time. IDs must be those of that time. There are no counts.

        Synapses whose neurons are not looked up yet are an error or, if they may be missing, left out.
        """
        body = self._body(filters)
        body |= {"table": self.synapse_table, "timestamp": time.astimezone(UTC).isoformat()}
        if columns is not None:
            body["select_columns"] = {self.synapse_table: list(columns)}
        if limit is not None:
            body["limit"] = limit
        more = {"allow_missing_lookups": str(allow_missing), "allow_invalid_root_ids": "False"}
        try:
            return self._ask("/query", body, **more)
        except NotReadyError as error:
            told, way, rest = error.message.partition("; nothing is written")
            without = "" if allow_missing else f", or go on without them with {P.allow_missing(True)}"
            raise NotReadyError(f"{told}{without}{way}{rest}") from None
        except RefusedError as error:
            if "not subscriptable" in error.message:  # what it has to say of a table that it does not know
                self._refuse_table(next((v.number for v in reversed(self.versions()) if v.available), None))
            if "root_ids passed are not valid" in error.message:
                stale = ", ".join(re.findall(r"\d{3,}", error.message.partition("not valid")[2]))
                raise DataError(
                    f"no neurons of {time.isoformat()} have these IDs: {stale}; leave {P.update_ids(False)} out to "
                    "bring them to that time, or see what became of them with crantcli ids"
                ) from None
            raise

    @contextmanager
    def _naming(self, version: int) -> Any:
        """Say more of a synapse table that a version does not have: it may be a view."""
        try:
            yield
        except NotFoundError as error:
            if self.synapse_table in error.message.partition("(")[2]:
                self._refuse_table(version)
            raise

    def _refuse_table(self, version: int | None) -> None:
        """Raise the error for a synapse table that is not there. It may be a view."""
        name, stack = self.synapse_table, f"data stack {self.address.datastack}"
        try:
            views = {} if version is None else self._materialize.get_views(version=version)
        except CrantError:
            views = {}
        if isinstance(views, dict) and name in views:
            place = f"/materialize/api/v3/datastack/{self.address.datastack}/version/{version}/views/{name}/query"
            raise DataError(
                f"{name} is a view of {stack}, and only tables can be read; name the synapse table in the TOML ([cave] "
                f"synapse_table), or fetch the view yourself from {place}"
            ) from None
        where = "" if version is None else f" in version {version}"
        raise NotFoundError(f"{stack} has no table {name}{where}; is the name right?") from None

    def _body(self, filters: dict[str, dict[str, Any]]) -> dict[str, Any]:
        return {f"filter_{name}_dict": {self.synapse_table: by_column} for name, by_column in filters.items()}

    def _ask(self, place: str, body: dict[str, Any], **parameters: str) -> Answer:
        client = self._materialize
        url = f"{client.server_address}/materialize/api/v3/datastack/{self.address.datastack}{place}"
        common = {"return_pyarrow": "True", "arrow_format": "True", "split_positions": "True"}
        with self._answers():
            answer = client.session.post(
                url,
                data=json.dumps(body),
                headers={"Content-Type": "application/json", "Accept-Encoding": "zstd"},
                params={**common, "direct_sql_pandas": "True", **parameters},
            )
        return Answer(answer.table, answer.content, cut_at(answer.notice), missing_lookups(answer.notice))

    # Neurons over time

    def are_current(self, ids: Sequence[int], time: datetime) -> list[bool]:
        """Which IDs are those of neurons at a time."""
        return self._for_each(ids, lambda some: self._graph.is_latest_roots(some, timestamp=time))

    def are_known(self, ids: Sequence[int], time: datetime | None = None) -> list[bool]:
        """Which IDs the chunkedgraph has given out, until a time or ever: neurons, supervoxels, what is between."""
        end = time or datetime.now(UTC)
        return self._for_each(ids, lambda some: self._graph.is_valid_nodes(some, end_timestamp=end))

    def made(self, ids: Sequence[int]) -> list[datetime]:
        """When neurons were made; all must be known."""
        return self._for_each(ids, lambda some: self._graph.get_root_timestamps(some))

    def roots(self, nodes: Sequence[int], time: datetime) -> list[int]:
        """The neurons of supervoxels, or of other nodes, at a time; 0 where there is none.

        Raises
        ------
        IncompleteError
            Where the answer contradicts what the server knows. It is bare numbers, which look like others where they
            are damaged on their way.
        """
        found = [int(root) for root in self._for_each(nodes, lambda some: self._graph.get_roots(some, timestamp=time))]
        told = distinct(root for root in found if root)
        if any(root >= 2**63 for root in told) or not all(self.are_known(told)):
            raise IncompleteError("the server tells of neurons that it does not know; try again")
        if any(self.are_known(distinct(node for node, root in zip(nodes, found, strict=True) if not root), time)):
            raise IncompleteError("the server tells of no neuron for pieces that it knows; try again")
        return found

    def lineage(
        self, ids: Sequence[int], start: datetime, end: datetime
    ) -> tuple[dict[int, float], list[tuple[int, int]]]:
        """When neurons and what came of them were made, in seconds since 1970, and which came of which."""
        with self._answers():
            graph = self._graph.get_lineage_graph(list(ids), timestamp_past=start, timestamp_future=end)
            made = {int(node["id"]): _seconds(node.get("timestamp")) for node in graph["nodes"]}
            return made, [(int(link["source"]), int(link["target"])) for link in graph["links"]]

    def past(self, ids: Sequence[int], time: datetime) -> dict[int, list[int]]:
        """What neurons were at a time before they were made."""
        with self._answers():
            found = self._graph.get_past_ids(list(ids), timestamp_past=time)["past_id_map"]
            return {int(new): [int(old) for old in olds] for new, olds in found.items()}

    def pieces(self, root: int) -> list[int]:
        """The smallest pieces with a history that a neuron is made of: nodes of the chunkedgraph's second layer."""
        with self._answers():
            return [int(node) for node in self._graph.get_leaves(root, stop_layer=2)]

    def _for_each(self, ids: Sequence[int], ask: Any) -> list[Any]:
        """Ask about IDs, some at a time, and fewer where the server finds that too many."""
        found: list[Any] = []
        for start in range(0, len(ids), self._at_once):
            some = list(ids[start : start + self._at_once])
            try:
                with self._answers():
                    told = list(ask(some))
            except TooLargeError:
                if len(some) < 2:
                    raise
                self._at_once = len(some) // 2
                return found + self._for_each(ids[start:], ask)
            if len(told) != len(some):
                raise IncompleteError(f"the server was asked about {len(some)} IDs, and told of {len(told)}")
            found += told
        return found


def _version(described: dict[str, Any]) -> Version:
    """What the server says of a version."""
    status = str(described.get("status") or "")
    available = bool(described.get("valid", True)) and status not in ("RUNNING", "FAILED", "EXPIRED")
    merged = bool(described.get("is_merged", False))
    return Version(int(described["version"]), _utc(described["time_stamp"]), available, status, merged)


def _utc(text: str) -> datetime:
    """A time as the server writes it; without a zone it is in UTC."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def distinct(ids: Iterable[int]) -> list[int]:
    """IDs without repeats, in their order."""
    return list(dict.fromkeys(ids))


def _seconds(stated: Any) -> float:
    """A time as the chunkedgraph tells it: seconds since 1970, or text."""
    if isinstance(stated, str):
        time = datetime.fromisoformat(stated)
        return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).timestamp()
    return float(stated or 0.0)
