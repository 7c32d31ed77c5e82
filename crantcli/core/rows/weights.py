"""What the weight of an edge is: synapses, or sums and means of a column of theirs, which sign it has, which count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

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


@dataclass(frozen=True)
class Weighing:
    """What is told of pairs of neurons, and which of them are strong enough: the same in all commands.

    Attributes
    ----------
    weight : Weight
    min_fraction : float or None
        Keep pairs that are at least this part of the post neuron's input.
    signs : Signs or None
        Weights of inhibitory neurons are negative.
    """

    weight: Weight = Weight()
    min_fraction: float | None = None
    signs: Signs | None = None

    def __post_init__(self) -> None:
        if self.min_fraction is not None and not 0 <= self.min_fraction <= 1:
            raise UsageError(f"{P.min_fraction(self.min_fraction)}: a fraction is from 0 to 1")

    @property
    def column(self) -> str | None:
        """The column that is added up, where weights are not numbers of synapses."""
        return self.weight.column

    @property
    def plain(self) -> bool:
        """Whether weights are numbers of synapses of whatever pairs there are, without a sign."""
        return self == Weighing()

    def whole(self, table: Relation) -> bool:
        """Whether weights are integers."""
        return self.weight.how != "mean" and (table.whole_weights if self.column is None else table.whole_values)

    def record(self) -> dict[str, Any]:
        """What bears on the content, for the options of the provenance."""
        signs = {} if self.signs is None else {name: value or None for name, value in vars(self.signs).items()}
        weight = None if self.column is None else str(self.weight)
        return {"weight": weight, "min_fraction": self.min_fraction, **signs}

    def facts(self, table: Relation) -> dict[str, Any]:
        """What the weights are, for whoever reads the file; nothing where they are numbers of synapses."""
        weights = {} if self.column is None else {"weights": self.words}
        return {**weights, **({"signed": True} if table.signed or self.signs is not None else {})}

    @property
    def words(self) -> str:
        """What a weight is where it is of a column, such as `sum of size`."""
        return f"{self.weight.how} of {self.column}"

    def quantity(self, counted: str) -> str:
        """What a weight is, for the legend of a picture; `counted` where it is a number of synapses."""
        told = counted if self.column is None else self.words
        return told if self.signs is None else f"{told}, signed by {self.signs.column}"

    def reasons(self) -> list[str]:
        """Why totals of what is left are short, or no totals."""
        reasons: list[str] = [P.min_fraction(self.min_fraction)] if self.min_fraction else []
        if self.signs is not None and self.signs.unsigned == "drop":
            reasons.append(P.unsigned("drop"))
        if self.weight.how == "mean":
            reasons.append(P.weight(str(self.weight)))
        return reasons


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
    if table.signed:
        raise DataError(f"the weights have signs already, and {P.sign(signs.column)} gives them others; leave it out")
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
