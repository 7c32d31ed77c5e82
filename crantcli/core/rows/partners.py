"""Neurons of two sides that belong together, as a column of the annotations says."""

from __future__ import annotations

from collections.abc import Sequence

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Annotations
from crantcli.core.rows.filters import count_rows
from crantcli.core.rows.labels import key, label
from crantcli.errors import DataError, UsageError
from crantcli.schema import IdType
from crantcli.text import P, did_you_mean, join_names


def matched_neurons(
    engine: SqlEngine,
    annotations: Annotations | None,
    column: str,
    id_type: IdType,
    sides: Sequence[str],
    names: Sequence[str] = "AB",
) -> str:
    """Neurons of two sides, A and B, that belong together, as a column of the annotations says.

    Parameters
    ----------
    column : str
        It has the ID of the partner on the other side, or a label that both partners have.
    sides : sequence of str
        Tables `id` of the neurons of A and of B.
    names : sequence of str
        What to call the sides in messages.

    Returns
    -------
    str
        A table `a, b`.

    Raises
    ------
    DataError
        Where the column does not match neurons one to one, or matches none.
    """
    if annotations is None:
        raise UsageError(f"{P.pair(column)} needs {P.annotations.metavar('FILE')}, or a data set that has annotations")
    if column not in annotations.columns:
        raise DataError(
            f"{P.pair(column)}: no such column in the annotations ({did_you_mean(column, annotations.columns)})"
        )
    said = f"SELECT {key(id_type)} AS id, {label(column, annotations)} AS value FROM {annotations.relation}"
    values = [
        engine.table(
            "pair_values",
            f"SELECT s.id, v.value FROM {side} AS s JOIN ({said}) AS v ON s.id = v.id WHERE v.value IS NOT NULL",
        )
        for side in sides
    ]
    a, b = values
    there = [f"SELECT v.id AS a, s.id AS b FROM {a} AS v JOIN {sides[1]} AS s ON v.value = CAST(s.id AS VARCHAR)"]
    there += [f"SELECT s.id AS a, v.id AS b FROM {b} AS v JOIN {sides[0]} AS s ON v.value = CAST(s.id AS VARCHAR)"]
    partners = engine.table("partners", " UNION ".join(there))
    twins = engine.table("twins", f"SELECT v.id AS a, w.id AS b FROM {a} AS v JOIN {b} AS w ON v.value = w.value")
    # A label may be a neuron's ID by chance; but then that neuron does not name its partner in turn.
    mutual = engine.execute(f"SELECT count(*) FROM ({' INTERSECT '.join(there)})")[0][0]
    named, labelled = (count_rows(engine, name) for name in (partners, twins))
    if mutual == labelled and (mutual or not named):
        why = (
            "may hold IDs of partners, or labels"
            if mutual
            else f"matches no neuron of {names[0]} with one of {names[1]}"
        )
        raise DataError(f"{P.pair(column)}: column {column} {why}; give one that names the partner, or a label of both")
    matched = twins if labelled > mutual else partners
    _refuse_many(engine, matched, column, names)
    if matched == partners:
        _refuse_one_sided(engine, partners, a, b, column)
    return matched


def unmatched_notes(
    engine: SqlEngine, matched: str, column: str, sides: Sequence[str], names: Sequence[str]
) -> list[str]:
    """What to say of neurons of some sides that are left out for want of a partner.

    Parameters
    ----------
    matched : str
        As `matched_neurons` gives it.
    column : str
        That said so.
    sides, names : sequence of str
        Of A, or of A and B.
    """
    notes = []
    for name, side, end in zip(names, sides, "ab", strict=False):
        every, without = engine.execute(
            f"SELECT count(*), count(*) FILTER (id NOT IN (SELECT {end} FROM {matched})) FROM {side}"
        )[0]
        if without:
            notes.append(f"{without:,} of {every:,} neurons of {name} have no partner by {column}, and are left out")
    return notes


def _refuse_many(engine: SqlEngine, matched: str, column: str, names: Sequence[str]) -> None:
    for one, other, side in (("a", "b", names[1]), ("b", "a", names[0])):
        found = engine.execute(
            f"SELECT {one}, {sql.gathered(other, other, 'TRUE')}, count(*) FROM {matched} GROUP BY {one} "
            f"HAVING count(*) > 1 ORDER BY {one} LIMIT 1"
        )
        if found:
            neuron, partners, _ = found[0]
            raise DataError(
                f"{P.pair(column)}: column {column} is not one to one: neuron {neuron} goes with "
                f"{join_names(partners.split(' '), 3)} of {side}"
            )


def _refuse_one_sided(engine: SqlEngine, matched: str, a: str, b: str, column: str) -> None:
    """Refuse a partner that names somebody else."""
    for values, one, other in ((a, "a", "b"), (b, "b", "a")):
        found = engine.execute(
            f"SELECT m.{other}, m.{one}, v.value FROM {matched} AS m JOIN {values} AS v ON m.{one} = v.id "
            f"WHERE v.value <> CAST(m.{other} AS VARCHAR) ORDER BY 1 LIMIT 1"
        )
        if found:
            neuron, partner, named = found[0]
            raise DataError(
                f"{P.pair(column)}: column {column} is not one to one: neuron {neuron} goes with {partner}, which goes "
                f"with {named}"
            )
