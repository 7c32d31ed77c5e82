"""What a table is taken for: one function decides, from the columns and a sample of values, and says why.

The rest of the code asks for roles (pre, post, weight, a position), never for spellings. Rules: a table is read only in
a way for which it gives evidence; where two readings are possible, or none has evidence, the decision is an error that
names what was seen and the option that settles it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from crantcli.errors import DataError
from crantcli.schema import (
    ANNOTATION_IDS,
    AXES,
    DIRECTEDNESS,
    DIRECTIONS,
    NEUROPILS,
    PAIRS,
    PREFIXED_PAIR,
    SIZES,
    SUPERVOXEL_PAIRS,
    SYNAPSE_IDS,
    SYNAPSE_MARKS,
    UNDIRECTED,
    WEIGHTS,
    Kind,
    Names,
    fold,
    is_id_column,
    is_index_name,
    is_word,
)
from crantcli.sources.tables.columns import ROOT_ID, Columns, find_positions
from crantcli.sources.tables.matrix_form import matrix_reasons, may_name_rows
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.text import P, did_you_mean, join_names


@dataclass(frozen=True)
class Decision:
    """What a table is taken for.

    Attributes
    ----------
    roles : dict of str to str
        "pre", "post", "weight", "neuropil", "id", "size" -> column; of an adjacency "index", the column of labels.
    positions : dict of str to tuple of str
        Name of a position -> its column, or its three columns.
    prefix : str
        First digits of every neuron ID, which the names of the columns carry.
    dropped : tuple of str
        Columns that were the index of a DataFrame, and are no data.
    directedness : str or None
        The column that says of an edge whether it has a direction.
    reasons, notes : tuple of str
        Why, and what the user should be told.
    """

    kind: Kind
    roles: dict[str, str]
    positions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    prefix: str = ""
    dropped: tuple[str, ...] = ()
    directedness: str | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def sentence(self) -> str:
        """In one line: `read as edges: pre = body_pre, post = body_post, weight = weight`."""
        if self.kind is Kind.ADJACENCY:
            return f"read as adjacency: rows named by column {self.roles['index']!r}"
        roles = [f"{role} = {column}" for role, column in self.roles.items()]
        if self.kind is Kind.POINTS:
            roles = [f"{name} = {', '.join(columns)}" for name, columns in self.positions.items()]
        one = " (one row is one synapse)" if self.kind is Kind.SYNAPSES else ""
        return f"read as {self.kind}{one}: {', '.join(roles)}"


def decide(columns: Columns, given: ReadOptions, ours: str | None = None) -> Decision:
    """Decide what a table is.

    Parameters
    ----------
    columns : Columns
    given : ReadOptions
        What the user says of it. It settles what it names.
    ours : str, optional
        The kind that the file's provenance says.

    Raises
    ------
    DataError
        Where two readings are possible, or none has evidence.
    """
    dropped = () if ours else _indices(columns, given)
    columns = columns.without(dropped)
    notes = (f"dropped: column {', '.join(map(repr, dropped))}, which numbers the rows",) if dropped else ()
    if given.kind is Kind.ADJACENCY or (ours == Kind.ADJACENCY and not given.settled):
        return _adjacency(columns, given, dropped, notes, known=True)
    found = _long(columns, given, None if given.settled else ours)
    if found is None:
        positions = find_positions(columns.types)
        if given.kind is Kind.POINTS or (positions and given.kind is None):
            if not positions:
                raise DataError(
                    f"{P.kind('points')}: no column is a position; the columns are {join_names(list(columns.types))}"
                )
            return Decision(
                Kind.POINTS, _roles(columns, {"id": SYNAPSE_IDS[:1]}), positions, "", dropped, None,
                ("a position, and no pair of neuron IDs",), notes,
            )  # fmt: skip
        if given.kind is not None:
            raise _no_pair(columns, given.kind)
        return _adjacency(columns, given, dropped, notes, known=False)
    return Decision(
        found.kind, found.roles, found.positions, found.prefix, dropped, found.directedness, found.reasons,
        (*notes, *found.notes),
    )  # fmt: skip


def _no_pair(columns: Columns, kind: Kind) -> DataError:
    return DataError(
        f"no {kind} table: no pair of columns holds neuron IDs (pre and post, however they are spelled) among "
        f"{join_names(list(columns.types))}; name them with {P.pre_col} and {P.post_col}"
    )


def _roles(columns: Columns, spellings: Mapping[str, Sequence[str]]) -> dict[str, str]:
    names = Names(columns.types)
    found = {role: names.first(known) for role, known in spellings.items()}
    return {role: column for role, column in found.items() if column is not None}


def _indices(columns: Columns, given: ReadOptions) -> tuple[str, ...]:
    """Columns that pandas or R left: named like an index, and numbering the rows."""
    named = {given.pre_col, given.post_col, given.weight_col, given.value, given.position}
    # R writes a column X first, and pandas an index first or, in Parquet, last.
    ends = (next(iter(columns.types)), list(columns.types)[-1])
    place = {fold(name) for name in columns.types} >= set(AXES)
    if len(columns.types) < 2:
        return ()
    candidates = [
        name
        for name in columns.types
        if name not in named
        and (is_index_name(name) or (is_index_name(name, possible=True) and name in ends))
        and not (place and fold(name) == "x")
    ]
    found = []
    for name in candidates:
        values = columns.values(name)
        if not values or not _numbers_rows(values, columns.files):
            continue
        others = {other for other in columns.types if other not in candidates}
        if others and others == {_label(value) for value in values}:
            continue  # labels on both axes
        found.append(name)
    if given.kind is Kind.ADJACENCY and len(found) < len(columns.types) and not may_name_rows(columns.without(found)):
        found = found[:-1]  # the neurons of the rows, which happen to be numbered
    return tuple(found)


def _numbers_rows(values: Sequence[Any], files: int) -> bool:
    """Whether values count from 0 or from 1, anew in each file."""
    texts = [_label(value) for value in values]
    if not all(text.isdigit() for text in texts) or texts[0] not in ("0", "1"):
        return False
    numbers = [int(text) for text in texts]
    anew = sum(number == numbers[0] for number in numbers)
    return anew <= files and all(after in (before + 1, numbers[0]) for before, after in pairwise(numbers))


def _label(value: Any) -> str:
    text = str(value)
    return text[:-2] if re.fullmatch(r"[0-9]+\.0", text) else text


# -- tables with one row per synapse or per pair -------------------------------------------------------------------


def _long(columns: Columns, given: ReadOptions, ours: str | None) -> Decision | None:
    pair, prefix, notes = _pair(columns, given, ours)
    if pair is None:
        return None
    rest = columns.without(pair)
    names = Names(rest.types)
    weights = names.all(WEIGHTS)
    if given.weight_col is not None:
        weights = [_named(rest, P.weight_col, given.weight_col)]
    evidence = _evidence(rest)
    kind = given.kind or (Kind(ours) if ours in (Kind.SYNAPSES, Kind.EDGES) else None)
    if kind is None and given.weight_col is not None:
        kind = Kind.EDGES
    if kind is None:
        _refuse_counts_of_neurons(rest, pair, given)
        kind, more = _kind(columns, pair, weights, evidence, given)
        notes += more
    if kind is Kind.EDGES:
        weight = _weight(columns, weights, given)
        roles = {"pre": pair[0], "post": pair[1], "weight": weight}
        roles |= _neuropil(columns.without((*pair, weight)))
        directedness = _directedness(columns.without(tuple(roles.values())), given)
        _refuse_sides(rest, pair, given)
        reasons = (f"a pair of IDs ({', '.join(pair)}) and a weight ({weight})",)
        return Decision(kind, roles, {}, prefix, (), directedness, reasons, tuple(notes))
    roles = {"pre": pair[0], "post": pair[1], **_roles(rest, {"id": SYNAPSE_IDS, "size": SIZES})}
    roles |= _neuropil(columns.without(tuple(roles.values())), strict=False)
    _refuse_sides(rest, pair, given)
    why = f"and {', '.join(evidence)}" if evidence else "and no number beside it"
    reasons = (f"a pair of IDs ({', '.join(pair)}) {why}",)
    return Decision(Kind.SYNAPSES, roles, find_positions(rest.types), prefix, (), None, reasons, tuple(notes))


def _kind(
    columns: Columns, pair: tuple[str, str], weights: list[str], evidence: list[str], given: ReadOptions
) -> tuple[Kind, list[str]]:
    """Synapses or edges, where no option says so."""
    if weights:
        # Gephi numbers its edges.
        alone = len(evidence) == 1 and fold(evidence[0]) == "id"
        if evidence and not (alone and not _repeats(columns, pair)):
            raise DataError(
                f"column {weights[0]} says that a row is a pair with its weight, and {', '.join(evidence)} that it is "
                f"one synapse; say which with {P.kind('edges')} or {P.kind('synapses')}"
            )
        return Kind.EDGES, []
    if evidence:
        return Kind.SYNAPSES, []
    named = (*pair, given.value, given.position)
    others = [name for name in columns.types if name not in named and _may_weigh(columns, name)]
    if others:
        raise DataError(
            f"columns {', '.join(pair)} hold neuron IDs, and {join_names(others)} numbers: nothing tells whether a row "
            f"is one synapse, or a pair whose weight is one of these. Say {P.weight_col(others[0])}, "
            f"or {P.kind('synapses')}"
        )
    notes = []
    if columns.values(pair[0]) and not _repeats(columns, pair):
        notes.append(
            "no pair stands in two rows, so this may be a list of edges without weights; each row counts as one synapse"
        )
    return Kind.SYNAPSES, notes


def _may_weigh(columns: Columns, name: str) -> bool:
    """Whether a column may be a weight: it holds numbers, and its name says nothing else."""
    return not (is_index_name(name) or is_word(name) or is_id_column(name)) and bool(columns.numbers(name))


def _repeats(columns: Columns, pair: tuple[str, str]) -> bool:
    rows = list(zip(columns.values(pair[0]), columns.values(pair[1]), strict=True))
    return len(set(map(str, rows))) < len(rows)


def _named(columns: Columns, option: str, column: str) -> str:
    """A column that an option names."""
    if column in columns.types:
        return column
    found = Names(columns.types).get(column)
    if found is None:
        raise DataError(f"{option} {column}: there is no such column ({did_you_mean(column, columns.types)})")
    return found


def _pair(columns: Columns, given: ReadOptions, ours: str | None) -> tuple[tuple[str, str] | None, str, list[str]]:
    """The columns of pre- and postsynaptic IDs, the digits that their names carry, and notes."""
    if given.pre_col is not None and given.post_col is not None:
        pre, post = (
            _named(columns, option, name) for option, name in ((P.pre_col, given.pre_col), (P.post_col, given.post_col))
        )
        if pre == post:
            raise DataError(f"{P.pre_col} and {P.post_col} both name column {pre}; name two")
        return (pre, post), "", []
    names = Names(columns.types)
    if given.pre_col is not None or given.post_col is not None:
        return _half_named(columns, names, given), "", []
    found = {}
    for pair in PAIRS:
        pre_name, post_name = names.get(pair[0]), names.get(pair[1])
        if pre_name is not None and post_name is not None:
            found[(pre_name, post_name)] = ""
    found |= _prefixed(columns)
    if not found:
        return None, "", []
    if len(found) > 1 and ours:
        # We write these; others are labels that were carried along.
        written = {pair: prefix for pair, prefix in found.items() if pair in PAIRS[:2]}
        found = dict(list(written.items())[:1]) or found
    if len(found) > 1:
        return _ids_over_types(columns, found)
    (pair, prefix) = next(iter(found.items()))
    return pair, prefix, []


def _prefixed(columns: Columns) -> dict[tuple[str, str], str]:
    forms = [re.compile(re.escape(fold(half)) + r"([0-9]{1,17})") for half in PREFIXED_PAIR]
    sides: list[dict[str, str]] = [{}, {}]
    for name in columns.types:
        for form, side in zip(forms, sides, strict=True):
            match = form.fullmatch(fold(name))
            if match:
                side[match[1]] = name
    return {(sides[0][digits], sides[1][digits]): digits for digits in sides[0] if digits in sides[1]}


def _half_named(columns: Columns, names: Names, given: ReadOptions) -> tuple[str, str]:
    """The pair of which an option names one side."""
    first = given.pre_col is not None
    option, other = (P.pre_col, P.post_col) if first else (P.post_col, P.pre_col)
    column = _named(columns, option, str(given.pre_col if first else given.post_col))
    side = 1 if first else 0
    candidates = [name for name in names.all(pair[side] for pair in PAIRS) if name != column]
    if len(candidates) != 1:
        seen = f"{' and '.join(candidates)} could each be" if candidates else "no column is known to be"
        raise DataError(f"{option} {column}: {seen} the other side; name it with {other}")
    return (column, candidates[0]) if first else (candidates[0], column)


def _ids_over_types(columns: Columns, found: dict[tuple[str, str], str]) -> tuple[tuple[str, str], str, list[str]]:
    """Of several pairs the one that holds numbers, where the others hold words."""
    numeric = [pair for pair in found if all(columns.numbers(name) for name in pair)]
    words = [pair for pair in found if all(columns.numbers(name) is False for name in pair)]
    told = " and ".join(", ".join(pair) for pair in found)
    if len(numeric) != 1 or len(numeric) + len(words) != len(found):
        raise DataError(f"columns {told} could each be the neuron IDs; say which with {P.pre_col} and {P.post_col}")
    pair = numeric[0]
    note = f"of the columns {told}, {', '.join(pair)} hold the neuron IDs; {P.pre_col} and {P.post_col} choose others"
    return pair, found[pair], [note]


def _evidence(columns: Columns) -> list[str]:
    """Columns that only a table of single synapses has."""
    names = Names(columns.types)
    found = names.all((*SYNAPSE_IDS, *SIZES, *SYNAPSE_MARKS))
    found += [column for position in find_positions(columns.types).values() for column in position]
    for pair in SUPERVOXEL_PAIRS:
        both = names.all(pair)
        found += both if len(both) == 2 else []
    return found


def _weight(columns: Columns, weights: list[str], given: ReadOptions) -> str:
    if len(weights) > 1:
        raise DataError(f"columns {' and '.join(weights)} could each be the weight; say which with {P.weight_col}")
    if not weights:
        raise DataError(
            f"not an edge table: no column is known to be the weight among {join_names(list(columns.types))}; name it "
            f"with {P.weight_col}"
        )
    return weights[0]


def _neuropil(columns: Columns, strict: bool = True) -> dict[str, str]:
    found = Names(columns.types).all(NEUROPILS)
    if len(found) > 1 and strict:
        raise DataError(f"columns {' and '.join(found)} both name the neuropil of an edge; keep one of them")
    return {"neuropil": found[0]} if found else {}


def _refuse_counts_of_neurons(columns: Columns, pair: tuple[str, str], given: ReadOptions) -> None:
    """Stop at a table of neurons whose `pre` and `post` are numbers of partners or of sites."""
    if tuple(map(fold, pair)) != ("pre", "post") or given.settled:
        return
    names = Names(columns.types)
    own = names.first(name for name in ANNOTATION_IDS if name != "id")
    identity = names.get("id")
    if own is None and identity is not None:
        values, others = columns.values(identity), [*columns.values(pair[0]), *columns.values(pair[1])]
        sizes = [int(str(value)) for value in values if str(value).isdigit()]
        counts = [int(str(value)) for value in others if str(value).isdigit()]
        if sizes and counts and min(sizes) >= ROOT_ID and max(counts) < min(sizes) // 10**6:
            own = identity
    if own is not None:
        raise DataError(
            f"column {own} names a neuron, so {' and '.join(pair)} seem to be its numbers of partners or sites and no "
            f"neurons; give the synapses or edges that they were counted from, or say {P.kind}, or {P.pre_col} "
            f"and {P.post_col}"
        )


def _directedness(columns: Columns, given: ReadOptions) -> str | None:
    """The column in which Gephi says of each edge whether it has a direction."""
    name = Names(columns.types).first(DIRECTEDNESS)
    if name is None or not columns.types[name].startswith(("VARCHAR", "ENUM")):
        return None
    said = {str(value).casefold() for value in columns.values(name) if value is not None}
    if not said or not said <= {UNDIRECTED, "directed", "mutual"}:
        return None
    return name


def _refuse_sides(columns: Columns, pair: tuple[str, str], given: ReadOptions) -> None:
    """Stop where a column says, row by row, which side is the presynaptic one."""
    spelled = tuple(map(fold, pair)) in {tuple(map(fold, known)) for known in PAIRS}
    name = Names(columns.types).first(DIRECTIONS)
    if spelled or name is None or any(fold(condition.column) == fold(name) for condition in given.where):
        return
    raise DataError(
        f"column {name} says which side is meant, row by row, so {' and '.join(pair)} are not the pre- and the "
        f"postsynaptic neuron in each; make columns pre and post of them, or take one side "
        f"with {P.where(f'{name} = ...')}"
    )


# -- matrices ------------------------------------------------------------------------------------------------------


def _adjacency(
    columns: Columns, given: ReadOptions, dropped: tuple[str, ...], notes: tuple[str, ...], known: bool
) -> Decision:
    if not columns.types:
        raise DataError("the table has no columns but an index")
    index, reasons = matrix_reasons(columns, given, known, dropped)
    return Decision(Kind.ADJACENCY, {"index": index}, {}, "", dropped, None, reasons, notes)
