"""What the weight of an edge is: synapses, or sums and means of a column of theirs, and which sign it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.labels import key, label
from crantcli.errors import DataError, UsageError
from crantcli.schema import Names
from crantcli.text import P, did_you_mean, join_names, plural

Unsigned = Literal["error", "drop", "positive"]
UNSIGNED: tuple[Unsigned, ...] = ("error", "drop", "positive")


@dataclass(frozen=True)
class Weight:
    """What is told of a pair of neurons.

    Attributes
    ----------
    how : {"count", "sum", "mean"}
        Its synapses (the weight, of an edge table), or what a column of theirs adds up to, or is on average.
    column : str or None
    """

    how: Literal["count", "sum", "mean"] = "count"
    column: str | None = None

    @classmethod
    def parse(cls, given: str | Weight | None) -> Weight:
        """Read `count`, `sum:COL` or `mean:COL`.

        Raises
        ------
        UsageError
        """
        if isinstance(given, Weight):
            return given
        how, colon, column = (given or "count").partition(":")
        if how == "count" and not colon:
            return cls()
        if how not in ("sum", "mean") or not column.strip():
            raise UsageError(f"{P.weight(str(given))}: say count, sum:COL or mean:COL")
        return cls("sum" if how == "sum" else "mean", column.strip())

    def __str__(self) -> str:
        return self.how if self.column is None else f"{self.how}:{self.column}"

    def total(self, table: Relation) -> str:
        """The weight of several pairs together, as an aggregate of `weight` and `valued` of each."""
        whole = table.whole_weights if self.column is None else table.whole_values
        added = sql.total("weight", "pre, post", whole)
        if self.how != "mean":
            return added
        return f"CAST({added} AS DOUBLE) / CAST(nullif(sum(valued), 0) AS DOUBLE)"

    @property
    def single(self) -> str:
        """The weight of one pair."""
        return "CAST(weight AS DOUBLE) / CAST(nullif(valued, 0) AS DOUBLE)" if self.how == "mean" else "weight"


@dataclass(frozen=True)
class Signs:
    """Which neurons inhibit, by a column of the annotations.

    Attributes
    ----------
    column : str
        The transmitter, say.
    inhibitory : tuple of str
        Its values of neurons whose weights are negative.
    excitatory : tuple of str
        Of those whose weights are not; empty for all others that have a value.
    unsigned : {"error", "drop", "positive"}
        What becomes of the output of all other neurons.
    """

    column: str
    inhibitory: tuple[str, ...]
    excitatory: tuple[str, ...] = ()
    unsigned: Unsigned = "error"

    def __post_init__(self) -> None:
        if not self.inhibitory:
            raise UsageError(f"{P.sign(self.column)} needs {P.inhibitory.metavar('LABEL,...')}")
        both = {word.casefold() for word in self.inhibitory} & {word.casefold() for word in self.excitatory}
        if both:
            raise UsageError(f"{P.inhibitory} and {P.excitatory} both name {join_names(sorted(both))}")
        if self.unsigned not in UNSIGNED:
            raise UsageError(f"{P.unsigned(self.unsigned)}: one of {join_names(UNSIGNED)}")


def signs_of(
    column: str | None,
    inhibitory: str | Sequence[str] | None,
    excitatory: str | Sequence[str] | None = None,
    unsigned: Unsigned = "error",
) -> Signs | None:
    """Signs as they are asked for; None where they are not.

    Raises
    ------
    UsageError
        Where labels are given without a column.
    """
    names = [_words(given) for given in (inhibitory, excitatory)]
    if column is None:
        if any(names) or unsigned != "error":
            raise UsageError(f"{P.inhibitory}, {P.excitatory} and {P.unsigned} go with {P.sign.metavar('COLUMN')}")
        return None
    return Signs(column, names[0], names[1], unsigned)


def _words(given: str | Sequence[str] | None) -> tuple[str, ...]:
    listed = given.split(",") if isinstance(given, str) else given or ()
    return tuple(word.strip() for word in listed if word.strip())


@dataclass(frozen=True)
class SignedEdges:
    """Edges with signed weights: a relation like the one that they were made of, what was dropped, what to say."""

    relation: str
    dropped: str
    notes: list[str]


def signed_edges(
    engine: SqlEngine, table: Relation, found: str, signs: Signs, annotations: Annotations | None
) -> SignedEdges:
    """Give the weights of inhibitory neurons a minus.

    Parameters
    ----------
    found : str
        A relation of edges, with `pre` and `weight`.

    Returns
    -------
    SignedEdges
        `dropped` is a relation of the edges of neurons without a sign, where these are dropped.

    Raises
    ------
    UsageError, DataError
        Where there is no such column, a label stands nowhere in it, or neurons with outputs have no sign.
    """
    if annotations is None:
        raise UsageError(f"{P.sign(signs.column)} needs {P.annotations.metavar('FILE')}, or a data set that has some")
    column = Names(annotations.columns).get(signs.column)
    if column is None:
        told = did_you_mean(signs.column, annotations.columns)
        raise DataError(f"{P.sign(signs.column)}: the annotations have no such column ({told})")
    words = f"lower({label(column, annotations)})"
    known = {row[0] for row in engine.execute(f"SELECT DISTINCT {words} FROM {annotations.relation}")} - {None}
    for option, labels in ((P.inhibitory, signs.inhibitory), (P.excitatory, signs.excitatory)):
        for name in labels:
            if name.lower() not in known:
                raise DataError(f"{option} {name}: no neuron has this {column} ({did_you_mean(name, sorted(known))})")
    negative = f"{words} IN ({_listed(signs.inhibitory)})"
    positive = f"{words} IN ({_listed(signs.excitatory)})" if signs.excitatory else f"{words} IS NOT NULL"
    sign = f"CASE WHEN {negative} THEN -1 WHEN {positive} THEN 1 END"
    signed = engine.table(
        "signs",
        f"SELECT * FROM (SELECT {key(table.id_type)} AS id, {sign} AS sign FROM {annotations.relation}) "
        "WHERE sign IS NOT NULL AND id IS NOT NULL",
    )
    joined = engine.table(
        "edges_with_sign", f"SELECT e.*, s.sign FROM {found} AS e LEFT JOIN {signed} AS s ON e.pre = s.id"
    )
    number, edges, first = engine.execute(
        f"SELECT count(DISTINCT pre), count(*), min(pre) FROM {joined} WHERE sign IS NULL"
    )[0]
    lacking = f"{plural(number, 'presynaptic neuron', 'have')} no {column} that gives a sign, such as {first}"
    if number and signs.unsigned == "error":
        raise DataError(
            f"{lacking} ({plural(edges, 'edge')}); {P.unsigned('drop')} leaves their outputs out, "
            f"{P.unsigned('positive')} counts them as excitatory"
        )
    became = "left out" if signs.unsigned == "drop" else "counted as excitatory"
    notes = [f"{lacking}: {plural(edges, 'edge', 'are')} {became}"] if number else []
    kept = " WHERE sign IS NOT NULL" if signs.unsigned == "drop" else ""
    others = sql.columns(name for name, _ in engine.columns(f"SELECT * FROM {found}") if name != "weight")
    relation = engine.view("signed_edges", f"SELECT {others}, weight * coalesce(sign, 1) AS weight FROM {joined}{kept}")
    return SignedEdges(relation, f"{joined} WHERE sign IS NULL", notes)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(sql.text(name.lower()) for name in labels)
