"""Folders of neuropils of parts put together: where synapses lie, and what lies in each neuropil."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from crantcli.core.engine import SqlEngine
from crantcli.core.merge.agreement import PartAnswer, joined_completeness, joined_ledger, joined_record
from crantcli.core.merge.tables import concatenated
from crantcli.core.question import Folder, FolderFile, Table
from crantcli.core.questions.base import Results
from crantcli.errors import DataError
from crantcli.text import P


def merged_folder(
    engine: SqlEngine,
    folders: Sequence[PartAnswer],
    assignments: Sequence[PartAnswer],
    relation: str,
    columns: Mapping[str, str],
    summaries: Sequence[str],
) -> Results:
    """Folders of parts as the one that a run on all parts would have given.

    Parameters
    ----------
    engine : SqlEngine
    folders, assignments : sequence of PartAnswer
        The folders, and the assignments of each, in the order of their parts.
    relation : str
        The rows of all assignments, in that order.
    columns : mapping of str to str
        Their columns and types.
    summaries : sequence of str
        Relations `neuropil, synapses, pairs`.

    Returns
    -------
    Results
        The number of different neurons in a neuropil does not add up, and is left out of `summary`.

    Raises
    ------
    DataError
        For folders with matrices, and for synapses that cannot be told apart by their ids.
    """
    one = folders[0]
    if not one.record["options"].get("assignments_only"):
        raise DataError(
            f"{one.name}: matrices of parts are not put together; make the folders with {P.assignments_only(True)}"
        )
    if "id" not in columns or not one.part.unique_ids:
        raise DataError(
            f"{one.name}: the table has synapses without an id, or ids that come twice, so that those of two parts "
            "cannot be told apart; ask neuropil of the folder of all parts"
        )
    placed = Counter[str]()
    for folder in folders:
        placed.update(folder.record["assigned"])
    record = {**joined_record(folders, placed["memberships"]), "assigned": dict(placed)}
    every = concatenated(relation, columns, assignments)
    results = Results(
        {}, "assignments", placed["memberships"], joined_ledger(folders), joined_completeness(folders),
        placed["memberships"], "memberships",
        notes=["numbers of different neurons do not add up: summary has synapses and pairs"],
        details={"assigned": dict(placed), "parts": one.part.of},
    )  # fmt: skip

    def files() -> Iterator[FolderFile]:
        yield FolderFile("summary", _summary(engine, summaries), record)
        yield FolderFile("assignments", every, joined_record(assignments, every.rows), ".parquet")

    results.outputs = {"": Folder(files(), lambda: {**record, "kind": "neuropils", "stems": {}})}
    return results


def _summary(engine: SqlEngine, summaries: Sequence[str]) -> Table:
    """Synapses and pairs of each neuropil, in the order of the folders' own."""
    listed = " UNION ALL ".join(f"SELECT * FROM {one}" for one in summaries)
    numbered = engine.table("held", f"SELECT *, row_number() OVER () AS position FROM ({listed})")
    columns = ("neuropil", "synapses", "pairs")
    summed = engine.table(
        "summed",
        "SELECT neuropil, CAST(sum(synapses) AS BIGINT) AS synapses, CAST(sum(pairs) AS BIGINT) AS pairs, "
        f"min(position) AS position FROM {numbered} GROUP BY neuropil",
    )
    rows = int(engine.execute(f"SELECT count(*) FROM {summed}")[0][0])
    return Table(f"SELECT neuropil, synapses, pairs FROM {summed} ORDER BY position", columns, rows)
