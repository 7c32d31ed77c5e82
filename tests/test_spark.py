"""Spark answers what DuckDB answers, byte by byte, or says that it does not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Crant
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from spark_session import drawn_options, missing, on, on_both, running_spark
from strategies import (
    ANNOTATION_COLUMNS,
    AS_TYPED,
    Drawn,
    annotation_tables,
    asked,
    edge_tables,
    frame,
    seeded_frame,
    seeded_synapses,
    synapse_tables,
)

from crantcli.engine.spark import engine as spark_engine

pytestmark = [pytest.mark.spark, pytest.mark.skipif(bool(missing()), reason=missing())]

DRAWN = settings(
    max_examples=16, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    with running_spark() as found:
        yield found


@pytest.fixture
def everything_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes here before the end."""
    monkeypatch.setattr(spark_engine, "GATHERED", -1)


def written(table: Drawn) -> str:
    frame(table.rows, table.columns).to_parquet("drawn.parquet")
    return "drawn.parquet"


def neurons_of(found: list[Any]) -> list[str]:
    Path("asked.txt").write_text("".join(f"{neuron}\n" for neuron in found), encoding="utf-8")
    return ["-n", "@asked.txt"]


@DRAWN
@given(data=st.data(), table=synapse_tables() | edge_tables(), seed=st.integers(0, 2**32 - 1))
def test_connectivity_of_drawn_tables(
    spark: Any, crant: Crant, data: st.DataObject, table: Drawn, seed: int
) -> None:
    chance = random.Random(seed)
    options = drawn_options(chance, table)
    if chance.random() < 0.5:
        options += neurons_of(data.draw(asked(table)))
    if table.has("weight"):
        options += ["--sum-duplicates"] * (chance.random() < 0.7)
    options += chance.choice([[], [], ["--normalize", "input"], ["--normalize", "output"], ["--top", "1"]])
    if table.has("neuropil") and chance.random() < 0.3:
        options += ["--by", "neuropil"]
    on_both(crant, "connectivity", written(table), *AS_TYPED, *options)


@DRAWN
@given(data=st.data(), table=synapse_tables(), seed=st.integers(0, 2**32 - 1))
def test_counts_of_drawn_tables(spark: Any, crant: Crant, data: st.DataObject, table: Drawn, seed: int) -> None:
    chance = random.Random(seed)
    options = drawn_options(chance, table)
    if chance.random() < 0.5:
        options += neurons_of(data.draw(asked(table)))
    if chance.random() < 0.5:
        frame(data.draw(annotation_tables(table.neurons)), ANNOTATION_COLUMNS).to_csv("labels.csv", index=False)
        options += ["-a", "labels.csv", "--by", "side"]
    on_both(crant, "counts", written(table), *AS_TYPED, *options)


@DRAWN
@given(data=st.data(), table=synapse_tables(), seed=st.integers(0, 2**32 - 1))
def test_synapses_of_drawn_tables(spark: Any, crant: Crant, data: st.DataObject, table: Drawn, seed: int) -> None:
    chance = random.Random(seed)
    options = drawn_options(chance, table)
    for side in ("--pre", "--post"):
        if chance.random() < 0.3:
            Path(f"{side[2:]}.txt").write_text("".join(f"{one}\n" for one in data.draw(asked(table))), encoding="utf-8")
            options += [side, f"@{side[2:]}.txt"]
    on_both(crant, "synapses", written(table), *AS_TYPED, *options)


def test_refused_kinds(spark: Any, crant: Crant) -> None:
    seeded_frame(seeded_synapses()).to_parquet("seeded.parquet")
    assert on("spark", crant, "adjacency", "seeded.parquet").outcome.code == 2
