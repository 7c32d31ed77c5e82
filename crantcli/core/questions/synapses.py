"""Rows of a synapse table, each synapse once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crantcli.core.engine import SqlEngine
from crantcli.core.question import Table
from crantcli.core.questions.base import (
    Describe,
    Given,
    Inputs,
    Needs,
    Question,
    Results,
    Scope,
    Selectors,
    as_names,
    normalize_selectors,
)
from crantcli.core.relation import Relation, Unit
from crantcli.core.rows.filters import NeuronFilter
from crantcli.core.rows.units import convert_positions, unit_record
from crantcli.core.rows.weights import Weighing
from crantcli.core.synapses import StrongInputs, synapse_rows
from crantcli.errors import UsageError
from crantcli.text import P


@dataclass(frozen=True)
class Synapses(Question):
    """Rows of a synapse table, sorted by pre, post, id.

    Attributes
    ----------
    pre, post : neurons or None
        With both, both must hold; None for all.
    units : {"nm", "pixels"} or None
        Convert positions to this unit; None leaves them as they are.
    units_required : bool
        Positions whose unit is not known are an error where they were to be converted; else they stay as they are.
    columns : tuple of str
        Columns that are wanted, in their order; all if empty.
    min_fraction : float or None
        Rows of pairs that are at least this part of the post neuron's input.
    """

    pre: Selectors = None
    post: Selectors = None
    units: Unit | None = None
    units_required: bool = True
    columns: tuple[str, ...] = ()
    min_fraction: float | None = None

    command: ClassVar[str] = "synapses"
    chosen_by: ClassVar[str] = f"{P.pre} or {P.post}"
    outputs: ClassVar[Mapping[str, type]] = {"": Table}
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        normalize_selectors(self, "pre", "post")
        object.__setattr__(self, "columns", as_names(self.columns))
        Weighing(min_fraction=self.min_fraction)  # refuses what is no fraction
        if self.units not in (None, "nm", "pixels"):
            raise UsageError(f"{P.units(self.units)}: 'nm' or 'pixels'")

    def needs(self) -> Needs:
        """Rows of synapses with all that they have."""
        useless = "" if self.min_fraction is not None else f"{P.totals} goes with {P.min_fraction}"
        return Needs(
            {"pre": self.pre, "post": self.post}, synapses=True, columns=self.columns or None, carry=True,
            without_totals=useless,
        )  # fmt: skip

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Synapses from the one to the other; all inputs of the latter where these are what fractions are of."""
        pre, post = given.neurons["pre"], given.neurons["post"]
        whole = self.min_fraction is not None and not given.has_totals and post is not None
        return Scope(None if whole else pre, post)

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Select them."""
        table, notes = given.source, list[str]()
        conversions, unit, voxel = convert_positions(table, self._units(table, notes))
        chosen = NeuronFilter(given.neurons["pre"], given.neurons["post"])
        strong = None if self.min_fraction is None else StrongInputs(self.min_fraction, given.totals)
        result = synapse_rows(engine, table, chosen, given.rows, conversions, self.columns, strong)
        units = unit_record(table, result.columns, unit, voxel)
        result.notes[:0] = notes
        return Results.of_table(
            result,
            "synapses",
            "synapses",
            options={"units": self.units, "columns": self.columns, "min_fraction": self.min_fraction},
            units=units,
            units_advice=f"tell the next command with {P.coordinates} and {P.voxel_size}, or write .parquet",
            details=units,
            subject=table,
        )

    def _units(self, table: Relation, notes: list[str]) -> Unit | None:
        """The unit to convert to."""
        if self.units_required or (table.positions and table.unit != "unknown"):
            return self.units
        if table.positions and self.units is not None:
            notes.append(
                "the unit of the positions is not recorded, so they are not converted; say coordinates='nm' or 'pixels'"
            )
        return None
