"""Opens synapse, edge and adjacency tables as views with canonical columns.

Files of one format and layout are read together as one part; the parts are joined by name. What a part is, `kinds`
decides; how its columns become canonical ones, `reader`. Nothing is loaded here: what comes out are views that the
engine streams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from crantcli.core.engine import StoredSynapses
from crantcli.core.relation import Relation
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.schema import CORNER, COUNTS, PAIRS, IdType, Kind, Names, is_index_name
from crantcli.sources.tables import adjacency as adjacencies
from crantcli.sources.tables.columns import SAMPLE, Columns
from crantcli.sources.tables.comparison import comparison
from crantcli.sources.tables.convert import converted, whole_part
from crantcli.sources.tables.files import Source
from crantcli.sources.tables.kinds import Decision, decide
from crantcli.sources.tables.metadata import combine, resolve_units
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.sources.tables.reader import Reader
from crantcli.sources.tables.spread import let_scan, refuse_kinds, refuse_matrix, scans_of
from crantcli.text import P

#: Columns up to which a sample is taken of all at once; of wider tables of as many, and of fewer rows.
_WIDE = 64
_WIDE_SAMPLE = 200


def open_table(engine: Engine, found: Sequence[Part], sources: Sequence[Source], given: ReadOptions) -> Relation:
    """Open the tables that the files hold as one view with canonical columns.

    Parameters
    ----------
    engine : Engine
    found : sequence of Part
        From `parts` or `frame_part`.
    sources : sequence of Source
        All files; those in npz format are read here.
    given : ReadOptions

    Raises
    ------
    DataError
        Where columns, IDs or units are not what a table needs; the message names file, column and row.
    """
    matrices = [source for source in sources if source.format == "npz"]
    if matrices:
        refuse_matrix(engine, matrices[0].name)
        _refuse_for_adjacency(given)
        if found or len(matrices) > 1:
            raise UsageError("an .npz adjacency is read alone; give one file")
        return adjacencies.open_npz(engine, matrices[0], given)
    compared = comparison(engine, found, given)
    if compared is not None:
        part, decision, form = compared
        reading = replace(given, signed=True, carry=form.columns)
        told = f"read as a comparison of {form.what}: A = {form.a}, B = {form.b}"
        return replace(_open_long(engine, [(part, decision)], reading), compared=form, read_as=told)
    decisions = [decide_part(engine, part, given) for part in found]
    kinds: dict[Kind, str] = {}
    for part, decision in zip(found, decisions, strict=True):
        kinds.setdefault(decision.kind, part.name)
    if len(kinds) > 1:
        told = ", ".join(f"{name} reads as {kind}" for kind, name in kinds.items())
        raise DataError(f"the files hold different kinds of table ({told}); give one kind at a time")
    refuse_kinds(engine, list(zip(found, decisions, strict=True)), given)
    if set(kinds) == {Kind.POINTS} and not given.points:
        columns = ", ".join(column for position in decisions[0].positions.values() for column in position)
        raise DataError(
            f"{found[0].name}: columns {columns} are a position, and no pair of columns holds neuron IDs; points are "
            f"read by neuropil {P.assignments_only(True)} alone. Name the ID columns with {P.pre_col} and {P.post_col}"
        )
    if set(kinds) == {Kind.ADJACENCY}:
        _refuse_for_adjacency(given)
        if len(found) > 1 or len(found[0].records) > 1:
            raise UsageError("an adjacency is read alone; give one file")
        return adjacencies.open_wide(engine, whole_part(found[0]), decisions[0], given)
    return _open_long(engine, list(zip(found, decisions, strict=True)), given)


def decide_part(engine: Engine, part: Part, given: ReadOptions) -> Decision:
    """Decide what a part is.

    Raises
    ------
    DataError
        Where that cannot be told; the message names the file.
    """
    ours = _kind_of_ours(part, given)
    columns = Columns(part.columns, _sampler(engine, part), part.text, part.index, max(1, len(part.files)))
    try:
        return decide(columns, given, ours)
    except DataError as error:
        if error.message.startswith(part.name):  # said by the engine, of a row
            raise
        raise DataError(f"{part.name}: {error.message}") from None


def _kind_of_ours(part: Part, given: ReadOptions) -> str | None:
    """The kind that the provenance of our own files says; None for other files."""
    names = Names(part.columns)
    if not given.settled and all(name in part.columns for name in COUNTS):
        raise DataError(
            f"{part.name}: columns {', '.join(COUNTS)} are partner counts, as crantcli counts writes them; "
            "give the synapses or edges that they were counted from"
        )
    kinds = {record.kind for record in part.recorded}
    if given.settled or len(kinds) != 1 or None in kinds:
        return None
    kind = str(kinds.pop())
    if kind in set(Kind):
        return kind
    if names.get(CORNER) is not None:
        return Kind.ADJACENCY.value
    raise DataError(
        f"{part.name}: holds {kind}, as crantcli {part.recorded[0].command} writes them; give synapses, edges or an "
        "adjacency"
    )


def _sampler(engine: Engine, part: Part) -> Callable[[str], Sequence[Any]]:
    """Gives the first values of a column; looked up for many columns at once."""
    seen: dict[str, list[Any]] = {}
    names = list(part.columns)
    rows = SAMPLE if len(names) <= _WIDE else _WIDE_SAMPLE
    # Of a table elsewhere, columns that nobody asks for are not fetched.
    elsewhere = any(path in engine.reading.remote for path in part.files)
    head = (
        []
        if elsewhere
        else [*names[: _WIDE - 4], *names[-2:], *(name for name in names if is_index_name(name) or name == CORNER)]
    )

    def sample(column: str) -> list[Any]:
        if column not in seen:
            wanted = list(dict.fromkeys([column, *(name for name in head if name not in seen)]))
            chosen = ", ".join(map(quote, wanted))
            found = engine.execute(f"SELECT {chosen} FROM {part.first_rows} LIMIT {rows}")
            for place, name in enumerate(wanted):
                seen[name] = [row[place] for row in found]
        return seen[column]

    return sample


def _refuse_for_adjacency(given: ReadOptions) -> None:
    if given.value is not None:
        raise DataError(f"an adjacency has no column {given.value} to add up; its cells are the weights")
    if given.fill_down or given.undirected:
        option = P.fill_down(True) if given.fill_down else P.undirected(True)
        raise UsageError(f"{option} goes with tables that have a row per edge or synapse, and this is an adjacency")


def _open_long(engine: Engine, matched: list[tuple[Part, Decision]], given: ReadOptions) -> Relation:
    kind = matched[0][1].kind
    if given.undirected and kind is not Kind.EDGES:
        raise UsageError(f"{P.undirected(True)} goes with edges, and this is a table of single synapses")
    matched = [(converted(engine, part, _needed(part, match, given)), match) for part, match in matched]
    readers = [Reader(engine, part, match, given) for part, match in matched]
    _refuse_unlike(matched)
    id_type: IdType = "BIGINT" if all(reader.integer_ids for reader in readers) else "VARCHAR"
    selects = [reader.select(id_type) for reader in readers]
    canonical = list(dict.fromkeys(name for reader in readers for name in reader.outputs))
    whole = kind is not Kind.EDGES or all(reader.whole_weights for reader in readers)
    selects, scanned = scans_of(
        engine, selects, [part for part, _ in matched], [reader.ids for reader in readers], given
    )
    relation = engine.view("source", " UNION ALL BY NAME ".join(selects))
    _tell_stored(engine, relation, kind, readers, id_type)
    recorded = combine(
        [record for part, _ in matched for record in part.recorded],
        [name for part, _ in matched for name in part.recorded_names],
    )
    unit, voxel_size = resolve_units(recorded, given.coordinates, given.voxel_size, given.dataset)
    rows = [reader.rows for reader in readers]
    total = sum(number for number in rows if number is not None)
    if None in rows:
        total = int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0])
    positions = tuple(dict.fromkeys(name for reader in readers for name in reader.positions))
    head = {"pre", "post", "id", "size", "weight", "neuropil", "value"}
    names = {(match.roles.get("pre", ""), match.roles.get("post", "")) for _, match in matched}
    pre_name, post_name = next((pair for pair in names if len(names) == 1), PAIRS[0])
    inputs = tuple(record for part, _ in matched for record in part.records)
    notes = [note for part, match in matched for note in (*part.notes, *match.notes)]
    notes += [note for reader in readers for note in reader.notes]
    told: tuple[str, ...] = ()
    of_parts = all(record.completeness.part is not None for part, _ in matched for record in part.recorded)
    if kind is Kind.SYNAPSES and len(inputs) > 1 and "id" not in canonical and not of_parts:
        told = ("the tables have no id column, so a synapse that stands in two of them counts twice",)
    if recorded.completeness.part is not None:
        told += (
            f"{recorded.completeness.part.words} of a partitioned table: these have all outputs of their presynaptic "
            "neurons, and inputs are spread over all parts; crantcli merge puts results of all parts together",
        )
    if kind is not Kind.POINTS and not (recorded.command or of_parts):
        notes += _alike(engine, readers) if id_type == "VARCHAR" else _numbered(engine, relation)
    filters = dict(recorded.filters)
    if given.where:
        filters["where"] = [*filters.get("where", ()), *map(str, given.where)]
    whole_rows = _whole_rows(engine, kind, readers, id_type)
    # Up to here a table is looked at in the same way whichever engine answers.
    let_scan(engine, relation, selects, scanned)
    return Relation(
        kind=kind,
        relation=relation,
        id_type=id_type,
        rows=total,
        null_rows=0 if all(reader.null_free for reader in readers) else None,
        pre_name=pre_name,
        post_name=post_name,
        roles=frozenset(head.intersection(canonical)),
        whole_weights=whole,
        whole_values=all(reader.whole_values for reader in readers),
        carried=tuple(name for name in canonical if name not in head),
        known=tuple(dict.fromkeys(name for part, _ in matched for name in part.columns)),
        positions=positions,
        unique_ids=recorded.unique_ids,
        unit=unit,
        voxel_size=voxel_size,
        completeness=recorded.completeness,
        totals=recorded.totals,
        filters=filters,
        inputs=inputs,
        notes=told,
        read_notes=tuple(dict.fromkeys(notes)),
        filtered=sum(reader.filtered for reader in readers),
        signed=given.signed or recorded.signed,
        whole_rows=whole_rows,
        read_as="; ".join(dict.fromkeys(match.sentence() for _, match in matched)),
    )


def _needed(part: Part, match: Decision, given: ReadOptions) -> set[str]:
    """Columns that are read: of synapses those that play a part, if no others are kept or looked at."""
    if match.kind is not Kind.SYNAPSES or (given.carry and not given.named) or given.where or given.fill_down:
        return set(part.columns)
    further = [*given.named, *([] if given.value is None else [given.value])]
    return {*match.roles.values(), *Names(part.columns).all(further)}


def _tell_stored(engine: Engine, relation: str, kind: Kind, readers: list[Reader], id_type: IdType) -> None:
    """Tell the engine of synapses that all stand in files as they are, which it may count in a way of its own."""
    if kind is not Kind.SYNAPSES:
        return
    files = [reader.stored_files() for reader in readers]
    if all(files):
        rows = sum(reader.rows or 0 for reader in readers)
        engine.stored[relation] = StoredSynapses(tuple(file for some in files for file in some), rows, id_type)


def _whole_rows(engine: Engine, kind: Kind, readers: list[Reader], id_type: IdType) -> str | None:
    if kind is not Kind.EDGES:
        return None
    return engine.view("whole_rows", " UNION ALL BY NAME ".join(reader.whole_rows(id_type) for reader in readers))


def _refuse_unlike(matched: list[tuple[Part, Decision]]) -> None:
    """Refuse tables of which one tells synapses apart, or has their sizes, neuropils or positions, and another not."""
    (first, known), *others = matched
    for part, match in others:
        here, there = ({*found.roles, *found.positions} for found in (match, known))
        for role in sorted(here ^ there):
            with_it, without = (part, first) if role in here else (first, part)
            column = (match if role in here else known).roles.get(role, role)
            raise DataError(
                f"{with_it.name} has a column {column}, and {without.name} has none, so they are not read as one "
                "table; give tables of the same columns"
            )


def _numbered(engine: Engine, relation: str) -> list[str]:
    """Say where 0 may be a neuron: the first of those that are numbered from it."""
    small = 10**7
    first = f"SELECT max(greatest(pre, post)) FROM (SELECT pre, post FROM {relation} LIMIT {SAMPLE})"
    if (engine.execute(first)[0][0] or small) >= small:
        return []
    return adjacencies.numbered_note(engine, f"SELECT pre AS id FROM {relation} UNION ALL SELECT post FROM {relation}")


def _alike(engine: Engine, readers: list[Reader]) -> list[str]:
    """Say where IDs differ in case only: they are two neurons."""
    ids = " UNION ".join(reader.ids_as_text for reader in readers)
    found = engine.execute(
        f"SELECT min(id), max(id), count(*) OVER () FROM ({ids}) WHERE id IS NOT NULL "
        "GROUP BY lower(id) HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    )
    if not found:
        return []
    one, other, number = found[0]
    more = f" ({number:,} such names)" if number > 1 else ""
    return [f"{one} and {other} differ in case only, and count as two neurons{more}"]
