"""The CAVE server of a data set: what it knows, rows of its synapse table, neurons over time.

Built on caveclient for addresses, tokens, versions and the chunkedgraph. Queries for rows are sent from here, through
its sessions: its own query methods hide the headers that tell whether an answer was cut, and lead through pandas.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from crantcli.errors import AuthorisationError, CrantError, DataError, IncompleteError, UsageError
from crantcli.sources.live.answers import Rows, cut_at, read
from crantcli.sources.live.facts import CaveFacts
from crantcli.sources.live.moment import Version
from crantcli.sources.live.patience import Patience
from crantcli.sources.live.wire import TooLargeError, Wire

#: Environment variable with a token, before those that lie where caveclient looks for them.
TOKEN_VARIABLE = "CRANTCLI_CAVE_TOKEN"

#: Requests for rows at the same time.
THREADS = 4

#: The first version of the server's engine that sends rows as they are (caveclient 8 asks for it too).
_OLDEST_ENGINE = (5, 13)

#: IDs in one question to the chunkedgraph.
_IDS_AT_ONCE = 5000


class Cave:
    """A data set's server. Nothing is sent before something is asked.

    Parameters
    ----------
    facts : CaveFacts
    patience : Patience
    """

    def __init__(self, facts: CaveFacts, patience: Patience) -> None:
        self.facts, self._patience, self.status = facts, patience, patience.status
        server = facts.server.rstrip("/")
        self._server = server
        host = server.partition("//")[2]
        self._help = (
            f"get a token from {server}/auth/api/v1/create_token in a browser, and put it into {TOKEN_VARIABLE} or, as "
            f'{{"token": "..."}}, into ~/.cloudvolume/secrets/{host}-cave-secret.json'
        )
        self._clients: dict[str, Any] = {}
        self._wires: dict[str, Wire] = {}
        self._making = threading.Lock()
        self._secrets: list[str] = []
        self._at_once = _IDS_AT_ONCE

    # Clients of caveclient, made when they are first needed

    def _auth(self) -> Any:
        if "auth" not in self._clients:
            token = os.environ.get(TOKEN_VARIABLE) or None
            auth = _caveclient("auth")
            try:
                self._clients["auth"] = auth.AuthClient(server_address=self._server, token=token)
            except (json.JSONDecodeError, AttributeError, OSError) as error:
                raise DataError(
                    f"a token file in ~/.cloudvolume/secrets cannot be read ({type(error).__name__}); {self._help}"
                ) from None
            found = self._clients["auth"].token
            if found is not None and not _sendable(found):
                raise AuthorisationError(f"the token is not one: it has spaces or other signs; {self._help}")
            self._secrets += [found] if found else []
        return self._clients["auth"]

    def _client(self, name: str, module: str, kind: str, *arguments: Any, **options: Any) -> Any:
        """A client whose sessions send through a `Wire` from the first request on."""
        # Of two threads that come at once, one makes it: a notice is looked for on the wire that it came by.
        with self._making:
            if name not in self._clients:
                auth = self._auth()
                wire = self._wires[name] = Wire(self._patience, self._help, self._secrets, connections=2 * THREADS)
                base: Any = getattr(_caveclient(module), kind)

                def get_version(client: Any) -> Any:
                    # The first request of all; sessions have no time limits before, and none can be given to them.
                    client.session.mount("http://", wire)
                    client.session.mount("https://", wire)
                    # Else a line for the server in ~/.netrc would take the place of the token.
                    client.session.auth = lambda request: request
                    return base._get_version(client)

                patient = type(kind, (base,), {"_get_version": get_version})
                with _explained():
                    self._clients[name] = patient(*arguments, auth_client=auth, **options)
            return self._clients[name]

    @property
    def _info(self) -> dict[str, Any]:
        client = self._client(
            "info", "infoservice", "InfoServiceClient", self._server, self.facts.datastack, api_version=2
        )
        with _explained():
            found: dict[str, Any] = client.get_datastack_info()
        return found

    @property
    def _materialize(self) -> Any:
        if "materialize" not in self._clients:
            client = self._client(
                "materialize", "materializationengine", "MaterializationClient",
                self._info["local_server"], self.facts.datastack, api_version=3,
            )  # fmt: skip
            # With its own choice of version, caveclient takes an old one where this request fails once.
            with _explained():
                known = client.session.get(f"{client.server_address}/materialize/api/versions").json()
            if client.api_version != 3 or 3 not in known:
                raise CrantError(f"{client.server_address}: speaks versions {known} of CAVE's interface, 3 is needed")
            engine = client.server_version
            if engine is not None and engine.release[:2] < _OLDEST_ENGINE:
                raise CrantError(f"{client.server_address}: its engine {engine} is too old; 5.13 is needed")
        return self._clients["materialize"]

    @property
    def _graph(self) -> Any:
        info = self._info
        table = str(info["segmentation_source"]).rstrip("/").rpartition("/")[2]
        return self._client(
            "graph", "chunkedgraph", "ChunkedGraphClient", info["local_server"], table, api_version=1
        )  # fmt: skip

    def stop(self) -> None:
        """Try nothing again, in whichever thread."""
        for wire in self._wires.values():
            wire.stop()

    # What the server knows

    @property
    def synapse_table(self) -> str:
        """Name of the synapse table."""
        table = self.facts.synapse_table or self._info.get("synapse_table")
        if not table:
            raise UsageError(
                f"data stack {self.facts.datastack} names no synapse table; say it in the TOML: [cave] synapse_table"
            )
        return str(table)

    def versions(self) -> list[Version]:
        """All materializations, the expired ones included, oldest first."""
        client = self._materialize
        url = f"{client.server_address}/materialize/api/v3/datastack/{self.facts.datastack}/metadata"
        with _explained():
            listed = client.session.get(url, params={"expired": "True"}).json()
            found = [Version(int(v["version"]), _utc(v["time_stamp"]), bool(v.get("valid", True))) for v in listed]
        return sorted(found, key=lambda version: (version.time, version.number))

    def resolution(self, version: int) -> tuple[float, float, float]:
        """Nanometres per unit of the positions in the synapse table."""
        with _explained():
            record = self._materialize.get_table_metadata(self.synapse_table, version=version)
        sizes = record["voxel_resolution"]
        if not all(isinstance(size, int | float) and size > 0 for size in sizes):
            raise DataError(
                f"table {self.synapse_table}: its resolution is {sizes}, and no unit of positions can be told"
            )
        x, y, z = map(float, sizes)
        return x, y, z

    # Rows

    def rows(self, version: int, filters: dict[str, dict[str, Any]], columns: Sequence[str] | None) -> Rows:
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
        return self._ask(f"/version/{version}/table/{self.synapse_table}/query", body)

    def count(self, version: int, filters: dict[str, dict[str, Any]]) -> int:
        """The exact number of rows of a query, whatever the limit."""
        body = self._body(filters)
        table = self._ask(f"/version/{version}/table/{self.synapse_table}/query", body, count="True").table
        if table.num_columns != 1 or table.num_rows != 1:
            raise IncompleteError("the server does not count rows, so that no answer can be shown to be complete")
        return int(table.column(0)[0].as_py())

    def rows_at(
        self,
        time: datetime,
        filters: dict[str, dict[str, Any]],
        columns: Sequence[str] | None,
        limit: int | None = None,
    ) -> Rows:
        """Ask for rows as they are at any time. IDs must be those of that time. There are no counts."""
        body = self._body(filters)
        body |= {"table": self.synapse_table, "timestamp": time.astimezone(UTC).isoformat()}
        if columns is not None:
            body["select_columns"] = {self.synapse_table: list(columns)}
        if limit is not None:
            body["limit"] = limit
        # With missing look-ups allowed, synapses whose neurons are not known yet would be left out.
        more = {"merge_reference": "False", "allow_missing_lookups": "False", "allow_invalid_root_ids": "False"}
        return self._ask("/query", body, **more)

    def _body(self, filters: dict[str, dict[str, Any]]) -> dict[str, Any]:
        return {f"filter_{name}_dict": {self.synapse_table: by_column} for name, by_column in filters.items()}

    def _ask(self, place: str, body: dict[str, Any], **parameters: str) -> Rows:
        import pyarrow as pa

        client = self._materialize
        url = f"{client.server_address}/materialize/api/v3/datastack/{self.facts.datastack}{place}"
        common = {"return_pyarrow": "True", "arrow_format": "True", "split_positions": "True"}
        with _explained():
            answer = client.session.post(
                url,
                data=json.dumps(body),
                headers={"Content-Type": "application/json", "Accept-Encoding": "zstd"},
                params={**common, "direct_sql_pandas": "True", **parameters},
            )
        try:
            table = read(answer.content)
        except pa.ArrowException as error:
            raise CrantError(f"{url}: the answer is no Arrow table ({str(error).splitlines()[0][:200]})") from None
        return Rows(table, answer.content, cut_at(self._wires["materialize"].notice))

    # Neurons over time

    def are_current(self, ids: Sequence[int], time: datetime) -> list[bool]:
        """Which IDs are those of neurons at a time."""
        return self._for_each(ids, lambda some: self._graph.is_latest_roots(some, timestamp=time))

    def are_known(self, ids: Sequence[int]) -> list[bool]:
        """Which IDs the chunkedgraph has ever given out."""
        now = datetime.now(UTC)
        return self._for_each(ids, lambda some: self._graph.is_valid_nodes(some, end_timestamp=now))

    def made(self, ids: Sequence[int]) -> list[datetime]:
        """When neurons were made; all must be known."""
        return self._for_each(ids, lambda some: self._graph.get_root_timestamps(some))

    def roots(self, nodes: Sequence[int], time: datetime) -> list[int]:
        """The neurons of supervoxels, or of other nodes, at a time."""
        found = self._for_each(nodes, lambda some: self._graph.get_roots(some, timestamp=time))
        return [int(root) for root in found]

    def lineage(self, ids: Sequence[int], start: datetime, end: datetime) -> dict[str, Any]:
        """Nodes (`id`, `timestamp`) and links (`source`, `target`) of what came of neurons."""
        with _explained():
            found: dict[str, Any] = self._graph.get_lineage_graph(list(ids), timestamp_past=start, timestamp_future=end)
        return found

    def past(self, ids: Sequence[int], time: datetime) -> dict[int, list[int]]:
        """What neurons were at a time before they were made."""
        with _explained():
            found = self._graph.get_past_ids(list(ids), timestamp_past=time)["past_id_map"]
        return {int(new): [int(old) for old in olds] for new, olds in found.items()}

    def pieces(self, root: int) -> list[int]:
        """The smallest pieces with a history that a neuron is made of: nodes of the chunkedgraph's second layer."""
        with _explained():
            return [int(node) for node in self._graph.get_leaves(root, stop_layer=2)]

    def _for_each(self, ids: Sequence[int], ask: Any) -> list[Any]:
        """Ask about IDs, some at a time, and fewer where the server finds that too many."""
        found: list[Any] = []
        for start in range(0, len(ids), self._at_once):
            some = list(ids[start : start + self._at_once])
            try:
                with _explained():
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


def _caveclient(module: str) -> Any:
    """A module of caveclient; it takes seconds to load, so only what talks to a server does."""
    from importlib import import_module

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(f"caveclient.{module}")


def _utc(text: str) -> datetime:
    """A time as the server writes it; without a zone it is in UTC."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _sendable(token: Any) -> bool:
    return isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token


@contextmanager
def _explained() -> Any:
    """Turn what caveclient raises for an answer into our errors. What goes wrong on the way is ours already."""
    import requests

    try:
        yield
    except requests.RequestException as error:
        raise CrantError(f"the server's answer cannot be read ({type(error).__name__})") from None
    except (KeyError, ValueError) as error:
        if isinstance(error, CrantError):
            raise
        raise CrantError(f"the server's answer is not what it should be ({type(error).__name__}: {error})") from None


def distinct(ids: Iterable[int]) -> list[int]:
    """IDs without repeats, in their order."""
    return list(dict.fromkeys(ids))
