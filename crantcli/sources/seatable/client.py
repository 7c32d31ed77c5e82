"""The annotation table of a SeaTable base: all of it, or an error.

What of SeaTable's interface (api.seatable.com, developer.seatable.com/sql, and SeaTable's own `seatable-api` 4.0) this
relies on:

- A token is that of an account, or of one base. `GET /api/v2.1/workspace/W/dtable/BASE/temp-api-token/` gives an
  account's passing token for a base it may read; `GET /api/v2.1/dtable/app-access-token/` takes either kind of base
  token and gives `access_token`, `dtable_uuid`, `dtable_name`. Tokens go into the header `Authorization: Token ...`.
- `POST /api-gateway/api/v2/dtables/UUID/sql` takes `sql` and `convert_keys` (rows by names of columns, not their keys;
  options of select columns by name). It answers `success`, `error_message`, `metadata` (columns: `key`, `name`,
  `type`, `data`) and `results`. Without LIMIT there are 100 rows, with it 10,000 at most, in no order unless asked.
- Servers without that gateway, which do not say `use_api_gateway` beside the access token, name an address `dtable_db`
  there: `POST /api/v1/query/UUID/` takes `sql` alone, and answers with keys of columns and IDs of options.
- A cell without content is null. `multiple-select`, `collaborator`, `link`, `image` and `file` hold lists, links of
  `{row_id, display_value}`, at most 50 of them. Each row has `_id`, which no other has, and `_ctime`. Dates are times
  with a zone, whatever is shown of them, which `data.format` says. What a formula gives, `data.result_type` says, and
  of lists `data.array_type`, with options in `data.array_data`.
- 429 means too many requests; 401 and 403 that the token will not do.

`seatable-api` itself is not used: it has no retries and no time limit, answers None where a body is cut, and brings a
websocket client.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from crantcli.core.addresses import TableAddress
from crantcli.errors import AuthorisationError, CrantError, DataError, IncompleteError, UsageError
from crantcli.remote.auth import Auth, check_address, is_token
from crantcli.remote.body import document
from crantcli.remote.client import RemoteClient
from crantcli.remote.retry import RetryPolicy
from crantcli.text import P

#: Environment variable with the token of an account, or of the base.
TOKEN_VARIABLE = "CRANTTABLE_TOKEN"

#: What to do about a missing one.
_HELP = (
    f"put yours into the environment variable {TOKEN_VARIABLE}, or give a table with {P.annotations.metavar('FILE')}"
)

#: Rows in an answer, at most.
PAGE = 10_000

#: Statuses of answers that say in JSON what is wrong with a base, a table or a token.
_JUDGED = (400, 401, 403, 404)

#: How often to start over when the table changes while it is read.
_READINGS = 4

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column, as SeaTable describes it.

    Attributes
    ----------
    name, type : str
    options : tuple of (str, str)
        IDs and names of the options of a select column, or of one that is linked to.
    date_format : str
        How its dates are shown, such as `YYYY-MM-DD`; "" where it has none.
    """

    name: str
    type: str
    options: tuple[tuple[str, str], ...] = ()
    date_format: str = ""


@dataclass(frozen=True)
class SeatableRows:
    """A whole table.

    Attributes
    ----------
    columns : tuple of Column
        In the order of the table, without those that SeaTable keeps for itself.
    rows : sequence of dict
        Values by name of column, in the order in which the rows were made.
    """

    columns: tuple[Column, ...]
    rows: Sequence[Row]

    def digest(self) -> str:
        """SHA-256 of names, types and values: that of equal tables is equal."""
        digest = hashlib.sha256()
        digest.update(json.dumps([[column.name, column.type] for column in self.columns]).encode())
        for row in self.rows:
            values = [row.get(column.name) for column in self.columns]
            digest.update(json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode())
        return digest.hexdigest()


class _ChangedError(Exception):
    """The table is not what it was a page ago."""


def fetch(address: TableAddress, policy: RetryPolicy) -> SeatableRows:
    """Fetch a table.

    Parameters
    ----------
    address : TableAddress
    policy : RetryPolicy

    Raises
    ------
    AuthorisationError
        Where there is no token, or it will not do.
    IncompleteError
        Where a page does not come, or the table goes on changing while it is read.
    DataError
        Where there is no such base or table.
    """
    check_address(address.server)
    token = _token(address)
    auth = Auth(_HELP)
    auth.keep_secret(token)
    with RemoteClient(policy, auth) as client:
        base = _Base(client, address, token)
        for _ in range(_READINGS):
            try:
                return base.read()
            except _ChangedError as change:
                said = str(change)
    raise IncompleteError(
        f"{address}: {said}, in each of {_READINGS} readings, so it cannot be told whether all rows came; nothing is "
        "written; try again when nobody edits it"
    )


def _token(address: TableAddress) -> str:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise AuthorisationError(f"{address}: the annotations need a token of SeaTable; {_HELP}")
    if not is_token(token):
        raise AuthorisationError(f"{TOKEN_VARIABLE} holds no token: those have letters, digits, dots and dashes only")
    return token


class _Base:
    """A base that may be read."""

    def __init__(self, client: RemoteClient, address: TableAddress, token: str) -> None:
        self._client, self._address = client, address
        self._root = address.server.rstrip("/")
        found = self._document(self._access(token), "access_token", "dtable_uuid")
        self._token = str(found["access_token"])
        client.auth.keep_secret(self._token)
        name = found.get("dtable_name")
        if name is not None and name != address.base:
            raise AuthorisationError(
                f"{address}: the token in {TOKEN_VARIABLE} is for the base {name}; give one for {address.base}"
            )
        self._sql, self._request = self._query_address(found, quote(str(found["dtable_uuid"]), safe=""))

    def _query_address(self, access: dict[str, Any], base: str) -> tuple[str, dict[str, Any]]:
        """Where queries go, and what goes with them."""
        if access.get("use_api_gateway"):
            return f"{self._root}/api-gateway/api/v2/dtables/{base}/sql", {"convert_keys": True}
        root = str(access.get("dtable_db") or "").rstrip("/")
        try:
            return f"{check_address(root)}/api/v1/query/{base}/", {}
        except UsageError:
            said = f"names {self._client.auth.clean(root)}, which is no https address," if root else "names no address"
            raise CrantError(f"{self._address}: SeaTable {said} for queries; ask those who run it") from None

    def _access(self, token: str) -> Any:
        """The answer with the base's passing token."""
        address, missing = self._address, False
        if address.workspace is not None:
            where = f"workspace/{address.workspace}/dtable/{quote(address.base, safe='')}"
            answer = self._get(f"{where}/temp-api-token/", token)
            missing = answer.status_code == 404
            # An account's token is refused where it is a base's.
            if answer.status_code not in (401, 403, 404):
                token = str(self._document(answer, "api_token")["api_token"])
                self._client.auth.keep_secret(token)
        answer = self._get("dtable/app-access-token/", token)
        if missing and answer.status_code != 200:
            raise DataError(f"{address}: there is no such base in workspace {address.workspace}, or not for this token")
        return answer

    def _get(self, place: str, token: str) -> Any:
        return self._client.get(f"{self._root}/api/v2.1/{place}", token, whole=_is_document, judged=_JUDGED)

    def _document(self, answer: Any, *needed: str) -> dict[str, Any]:
        """What an answer says.

        Raises
        ------
        AuthorisationError, DataError
            Where it is a refusal, or has not what is needed.
        """
        found = document(answer) or {}
        said = next((found[key] for key in ("error_message", "error_msg", "detail") if found.get(key)), "")
        told = f" ({self._client.auth.clean(str(said))})" if said else ""
        if answer.status_code in (401, 403):
            raise AuthorisationError(
                f"{self._address}: SeaTable does not accept the token in {TOKEN_VARIABLE}{told}; it may have expired, "
                f"or be for another base; make a new one in SeaTable, or give a table with "
                f"{P.annotations.metavar('FILE')}"
            )
        if answer.status_code != 200 or found.get("success") is False or any(key not in found for key in needed):
            raise DataError(
                f"{self._address}: SeaTable refused with status {answer.status_code}{told}; is the name right?"
            )
        return found

    def _query(self, sql: str) -> dict[str, Any]:
        answer = self._client.post(self._sql, self._token, {"sql": sql, **self._request}, _is_document, _JUDGED)
        return self._document(answer, "results")

    def _count(self) -> int | None:
        """Rows of the table; None from a server that does not count."""
        try:
            results = self._query(f"SELECT COUNT(*) FROM `{self._address.table}`")["results"]
            (number,) = results[0].values()
            return int(number)
        except (DataError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
            return None

    def read(self) -> SeatableRows:
        """Read the whole table once.

        Each page begins with the last row of the one before, so that a row that comes or goes in between is noticed.

        Raises
        ------
        _ChangedError
            Where it has changed meanwhile.
        """
        expected = self._count()
        columns, rows = self._page(0)
        # A page may hold fewer rows than were asked for, so its length does not tell that it is the last.
        while rows and (expected is None or len(rows) < expected):
            again, more = self._page(len(rows) - 1)
            if again != columns:
                raise _ChangedError("its columns change while it is read")
            if not more or more[0]["_id"] != rows[-1]["_id"]:
                raise _ChangedError("its rows move while it is read")
            if len(more) == 1:
                break
            rows += more[1:]
        if len({row["_id"] for row in rows}) < len(rows):
            raise _ChangedError("a row comes twice")
        for number in (expected, self._count()):
            if number is not None and number != len(rows):
                raise _ChangedError(f"{len(rows):,} rows came of {number:,}")
        return SeatableRows(columns, rows)

    def _page(self, offset: int) -> tuple[tuple[Column, ...], list[Row]]:
        table = self._address.table
        found = self._query(f"SELECT * FROM `{table}` ORDER BY _ctime, _id LIMIT {PAGE} OFFSET {offset}")
        columns, rows = _columns(found.get("metadata")), found["results"] or []
        if not self._request:
            rows = _by_name(rows, found.get("metadata"))
        rowlike = isinstance(rows, list) and all(isinstance(row, dict) and row.get("_id") for row in rows)
        if not rowlike or len(rows) > PAGE or not columns:
            raise IncompleteError(f"{self._address}: SeaTable's answer is no page of a table; nothing is written")
        return columns, rows


def _is_document(answer: Any) -> bool:
    return document(answer) is not None


def _by_name(rows: Any, metadata: Any) -> Any:
    """Rows by names of columns, where the server gives them by keys."""
    described = [item for item in metadata if isinstance(item, dict)] if isinstance(metadata, list) else []
    names = {item.get("key"): item.get("name") for item in described}
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return [{names.get(key, key): value for key, value in row.items()} for row in rows]


def _columns(metadata: Any) -> tuple[Column, ...]:
    """The columns that an answer describes; those that begin with `_` are SeaTable's own."""
    described = metadata if isinstance(metadata, list) else []
    found = []
    for item in described:
        if not isinstance(item, dict) or not item.get("name") or str(item["name"]).startswith("_"):
            continue
        kind, settings = str(item.get("type")), _settings(item.get("data"))
        linked = _settings(settings.get("array_data"))
        listed = settings.get("options") or linked.get("options")
        options = [option for option in (listed if isinstance(listed, list) else []) if isinstance(option, dict)]
        pairs = tuple((str(option.get("id")), str(option.get("name"))) for option in options)
        dated = "date" in (kind, settings.get("result_type"), settings.get("array_type"))
        date_format = str(settings.get("format") or linked.get("format") or "") if dated else ""
        found.append(Column(str(item["name"]), kind, pairs, date_format))
    return tuple(found)


def _settings(data: Any) -> dict[str, Any]:
    return data if isinstance(data, dict) else {}
