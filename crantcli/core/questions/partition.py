"""A table in parts, each with all outputs of some neurons, for work on several machines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from crantcli.checks import whole_number
from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.partition import IdRange, PartsOf
from crantcli.core.question import Folder, FolderFile, Table
from crantcli.core.questions.base import Describe, Given, Inputs, Needs, Question, Results, Scope
from crantcli.core.questions.sort import sorting
from crantcli.core.relation import Relation
from crantcli.core.row_parts import part_stems
from crantcli.core.rows.deduplicate import refuse_conflicts
from crantcli.core.rows.denominators import told_totals
from crantcli.core.rows.units import unit_record
from crantcli.core.sql import id_literal, quote
from crantcli.core.synapses import output_columns
from crantcli.errors import DataError, UsageError
from crantcli.schema import IdType, Kind, NeuronId, is_id_column
from crantcli.text import P, plural

#: More files than this are no help to anybody.
MOST_PARTS = 10_000


@dataclass(frozen=True)
class Partition(Question):
    """All rows of a table of synapses or edges in parts of about as many rows, by the presynaptic neuron.

    A neuron's rows are all in one part, and each part is sorted as `Sort` does. Nothing is dropped but what a condition
    on rows drops; rows without a presynaptic neuron are in the last part.

    Attributes
    ----------
    parts : int
        How many.
    """

    parts: int

    command: ClassVar[str] = "partition"
    outputs: ClassVar[Mapping[str, type]] = {"": Folder}

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", whole_number("parts", self.parts))
        if not 2 <= self.parts <= MOST_PARTS:
            raise UsageError(f"{P.parts(self.parts)}: from 2 to {MOST_PARTS:,}")

    def needs(self) -> Needs:
        """The table with all that it has."""
        return Needs({}, carry=True)

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """A table on a server is not partitioned: it would have to be fetched whole.

        Raises
        ------
        UsageError
        """
        raise UsageError("partition takes a table in a file; write what is on a server to one with crantcli synapses")

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Tell where parts begin; they are sorted when their files are written."""
        table = given.source
        if table.kind not in (Kind.SYNAPSES, Kind.EDGES) or table.silent is not None:
            raise DataError("this is an adjacency, and partition takes a row per synapse or edge")
        if table.completeness.part is not None:
            raise DataError("these are parts of a partition already; give the table that it was made of")
        unique = "id" in table.roles and (table.unique_ids or refuse_conflicts(engine, table))
        cuts = _cuts(engine, table, self.parts)
        columns = sorting(table).columns
        units = unit_record(table, columns, table.unit, table.voxel_size)
        kind = "synapses" if table.kind is Kind.SYNAPSES else "edges"
        ledger = table.ledger()
        ledger.kept = table.rows
        ledger.check()
        results = Results(
            {},
            "partition",
            table.rows,
            ledger,
            table.completeness,
            table.rows,
            f"{kind} in {plural(self.parts, 'part')}",
            options={"parts": self.parts},
            facts={
                "unique_ids": unique,
                **({"signed": True} if table.signed else {}),
                **told_totals(engine, table, {}),
            },
            units=units,
            notes=_notes(engine, table, cuts),
            details={"parts": [cut.rows for cut in cuts], **units},
        )
        record = describe(results)
        work = PartFiles(engine, table, cuts, describe, replace(results, kind=kind), _digest(record, cuts))
        results.outputs = {"": Folder(work.files(), lambda: work.manifest(record))}
        return results


@dataclass(frozen=True)
class Cut:
    """Where a part begins and ends.

    Attributes
    ----------
    number : int
    rows : int
    first, last : NeuronId or None
        The presynaptic neurons at its ends; None where it has none.
    """

    number: int
    rows: int
    first: NeuronId | None
    last: NeuronId | None

    def condition(self, pre: str, id_type: IdType, lacking: bool) -> str:
        """Which rows are of it, by a column; with those that lack a presynaptic neuron, or without."""
        found = [f"{pre} IS NULL"] if lacking else []
        if self.first is not None and self.last is not None:
            found.append(f"{pre} BETWEEN {id_literal(self.first, id_type)} AND {id_literal(self.last, id_type)}")
        return sql.any_of(found)


def _cuts(engine: SqlEngine, table: Relation, number: int) -> list[Cut]:
    """Cut a table by ranges of presynaptic neurons: a neuron is in the part in which the middle of its rows falls."""
    counted = engine.table("of_pre", f"SELECT pre, count(*) AS n FROM {table.relation} GROUP BY pre")
    total = int(engine.execute(f"SELECT coalesce(sum(n), 0) FROM {counted}")[0][0])
    before = "coalesce(sum(n) OVER (ORDER BY pre ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
    place = f"CAST(((2 * {before} + n) * {number}) // {2 * max(total, 1)} AS BIGINT)"
    found = engine.execute(
        f"SELECT place, CAST(sum(n) AS BIGINT), min(pre), max(pre) FROM (SELECT pre, n, {place} AS place "
        f"FROM {counted} WHERE pre IS NOT NULL) GROUP BY place ORDER BY place"
    )
    known = {int(at): (int(rows), first, last) for at, rows, first, last in found}
    without = total - sum(rows for rows, _, _ in known.values())
    cuts = []
    for at in range(number):
        rows, first, last = known.get(at, (0, None, None))
        if at == number - 1:
            rows += without
        cuts.append(Cut(at + 1, rows, first, last))
    return cuts


def _ranges(cuts: list[Cut]) -> dict[int, IdRange]:
    """Number of each part that has presynaptic neurons -> who would be in it, were he one: ranges without a gap."""
    filled = [cut for cut in cuts if cut.first is not None]
    firsts = [None, *(cut.first for cut in filled[1:]), None]
    return {cut.number: (first, end) for cut, first, end in zip(filled, firsts, firsts[1:], strict=False)}


def _digest(record: Mapping[str, Any], cuts: list[Cut]) -> str:
    """What tells a partition from any other: equal ones have the same parts, byte for byte."""
    told = json.dumps([record, [(cut.rows, cut.first, cut.last) for cut in cuts]], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _notes(engine: SqlEngine, table: Relation, cuts: list[Cut]) -> list[str]:
    """What to say of rows without a neuron, and of parts that are not alike."""
    notes = []
    without = int(engine.execute(f"SELECT count(*) FROM {table.relation} WHERE pre IS NULL")[0][0])
    if without:
        notes.append(f"{plural(without, 'row')} without a presynaptic ID stand in the last part")
    empty = sum(cut.rows == 0 for cut in cuts)
    if empty and table.rows:
        notes.append(f"{plural(empty, 'part', 'have')} no rows: a neuron's rows are not cut apart")
    largest = max(cut.rows for cut in cuts)
    if largest * len(cuts) > 2 * table.rows and table.rows and not empty:
        notes.append(f"the largest part has {largest:,} rows, and they have {table.rows // len(cuts):,} on average")
    return notes


class PartFiles:
    """The files of a partition, one after the other."""

    def __init__(
        self, engine: SqlEngine, table: Relation, cuts: list[Cut], describe: Describe, results: Results, digest: str
    ) -> None:
        self._engine, self._table, self._cuts, self._describe = engine, table, cuts, describe
        self._results, self._digest = results, digest
        self._ranges = _ranges(cuts)
        self._stems = part_stems(len(cuts))

    def files(self) -> Iterator[FolderFile]:
        """All files of the folder but the manifest."""
        sort = sorting(self._table)
        pre = quote(output_columns(self._table)["pre"])
        parts = [(cut.condition(pre, self._table.id_type, cut is self._cuts[-1]), cut.rows) for cut in self._cuts]
        ids = {name for name in sort.columns if name in sort.first or is_id_column(name)}
        kinds = dict(self._engine.columns(sort.query))
        text_ids = [name for name in sort.columns if name in ids and kinds[name] == "VARCHAR"]
        facts = {**self._results.facts, "sorted_by": sort.first, **({"text_ids": text_ids} if text_ids else {})}
        made = self._engine.ordered_parts(sort.query, sort.keys, parts)
        for cut, stem, query in zip(self._cuts, self._stems, made, strict=True):
            table = Table(query, sort.columns, cut.rows)
            yield FolderFile(stem, table, self._record(cut, facts), ".parquet")

    def _record(self, cut: Cut, facts: dict[str, Any]) -> dict[str, Any]:
        """The provenance of a part."""
        ranges = (self._ranges[cut.number],) if cut.number in self._ranges else ()
        part = PartsOf(self._digest, len(self._cuts), (cut.number,), ranges, facts["unique_ids"])
        ledger = Ledger(self._results.ledger.unit, cut.rows, kept=cut.rows)
        completeness = self._results.completeness.of_parts(part)
        results = replace(self._results, rows=cut.rows, ledger=ledger, completeness=completeness, facts=facts)
        return self._describe(results)

    def manifest(self, record: dict[str, Any]) -> dict[str, Any]:
        """The manifest of the folder: what it is made of, and which neurons are in which file."""
        listed = [
            {"file": f"{stem}.parquet", "rows": cut.rows, "first": cut.first, "last": cut.last}
            for cut, stem in zip(self._cuts, self._stems, strict=True)
        ]
        return {**record, "partition": self._digest, "parts": listed}
