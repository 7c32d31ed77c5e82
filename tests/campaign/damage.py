"""Damage: to the bytes of a file, and to what a table in it says."""

from __future__ import annotations

import random
from collections.abc import Callable

import pyarrow as pa

Damage = Callable[[random.Random, bytes], bytes]


# Damage to bytes


def flipped(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.choice([0, 1, 4, rng.randrange(len(data)), len(data) - rng.randrange(1, 12)])]


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.choice([0, rng.randrange(len(data)), max(0, len(data) - rng.randrange(1, 600))])
    return start, min(len(data), start + rng.choice([1, 8, 64, 512, 4096]))


def zeroed(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + bytes(stop - start) + data[stop:]


def garbled(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def lost(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + data[stop:]


def doubled(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:stop] + data[start:]


BYTES: list[Damage] = [flipped, cut, zeroed, garbled, lost, doubled]

# Damage to what the table says

HOSTILE = [
    "", " ", '"', '""', 'a"b', "'", "'; DROP TABLE x; --", "a,b", "a\nb", "a\r\nb", "\r", "\x00", "\x1b[31mred\x1b[0m",
    "\x07", "nan", "NaN", "None", "NULL", "inf", "-inf", "-", "1.5", "1e5", "0x10", "1_000", "\u202e", "\ufeff",
    "\u200b", "é", "\U0001f9e0", "x" * 5_000, "=1+1", "../../etc/passwd", "{}", "[1, 2]", "%s%n", "-1", "+1", "00012",
    "true",
]  # fmt: skip
HUGE = [
    2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, 10**30, -(10**30), 10**400, "1e300", "-1e300", "1e-300", "1e5000",
    "inf", "9" * 3000, 2**53 + 1, "0.1", "-0", 0,
]  # fmt: skip


def cells(rng: random.Random, table: pa.Table, values: list[object]) -> str:
    """CSV with some of these values in some cells, or in the header."""
    names, rows = list(table.column_names), [list(map(str, row.values())) for row in table.to_pylist()]
    column = rng.randrange(len(names))
    quoted = rng.random() < 0.7
    for _ in range(rng.choice([1, 1, 3, 50])):
        value = str(rng.choice(values))
        if quoted:
            value = '"' + value.replace('"', '""') + '"'
        if rng.random() < 0.1:
            names[rng.randrange(len(names))] = value
        else:
            rows[rng.randrange(len(rows))][column] = value
    return "\n".join([",".join(names), *map(",".join, rows)]) + "\n"


def typed(rng: random.Random, table: pa.Table) -> pa.Table:
    """The table with columns in another order, under other names, of other types, with nulls, or without one."""
    names = list(table.column_names)
    change = rng.randrange(6)
    if change == 0:
        rng.shuffle(names)
        return table.select(names)
    if change == 1:
        rng.shuffle(names)
        return table.rename_columns(names)
    if change == 2:
        names.remove(rng.choice(names))
        return table.select(names)
    place = rng.randrange(len(names))
    values = table.column(place).to_pylist()
    some = rng.sample(range(len(values)), rng.choice([1, 5, len(values) // 2]))
    if change == 3:
        for row in some:
            values[row] = None
        return table.set_column(place, names[place], pa.array(values))
    if change == 4:
        number = rng.choice([float("nan"), float("inf"), 1e300, -1.0, 0.5, 2.0**63, 2.0**64])
        floats = [
            number if row in some else (float(v) if not isinstance(v, str) else 0.0) for row, v in enumerate(values)
        ]
        return table.set_column(place, names[place], pa.array(floats, pa.float64()))
    kinds: list[Callable[[], pa.Array]] = [
        lambda: pa.array([2**64 - 1 - row for row in range(len(values))], pa.uint64()),
        lambda: pa.array([str(rng.choice(HOSTILE)) if row in some else str(v) for row, v in enumerate(values)]),
        lambda: pa.array([row % 2 == 0 for row in range(len(values))]),
        lambda: pa.array([[1, 2]] * len(values)),
        lambda: pa.array([{"x": 1}] * len(values)),
        lambda: pa.array([b"\xff\x00"] * len(values), pa.binary()),
        lambda: pa.array(list(range(len(values))), pa.timestamp("us")),
        lambda: pa.nulls(len(values)),
        lambda: pa.array([10**25 + row for row in range(len(values))], pa.decimal128(38, 0)),
        lambda: pa.array(list(map(str, values))).dictionary_encode(),
    ]
    return table.set_column(place, names[place], rng.choice(kinds)())
