# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: DTZ001 - moments without a zone are among the odd values
"""One table of values on which engines are known to differ, and expressions over it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("i", pa.int64()),
        ("j", pa.int32()),
        ("s", pa.int16()),
        ("u", pa.uint32()),
        ("f", pa.float64()),
        ("g", pa.float32()),
        ("t", pa.string()),
        ("k", pa.string()),
        ("n", pa.decimal128(10, 2)),
        ("m", pa.decimal128(18, 6)),
        ("b", pa.bool_()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us")),
        ("z", pa.timestamp("us", tz="UTC")),
        ("ns", pa.timestamp("ns")),
        ("l", pa.list_(pa.int64())),
        ("r", pa.struct([("x", pa.int64()), ("y", pa.string())])),
    ]
)
TEXTS = [
    "", " ", "a", "A", "ab", "N123", "ä", "日本", "👨‍👩‍👧", "e\u0301", "a\nb", "a\tb", "\u00a0x\u2003", "x  ", "'", "\\", "\\d", '"', "%", "_a",
    "$", "a$1", "2", "2.0", "2.5", "-3", "+4", " 5 ", "5.", ".5", "1e3", "1E-2", "1_000", "0x1F", "NaN", "inf", "Infinity", "99999999999",
    "9223372036854775808", "true", "TRUE", "t", "no", "Y", "0", "1", "null", "2024-02-29", "2023-02-29", "2024-1-1", "2024-02-29T12:00:00",
    "2024-02-29 12:00:00.123456", "2024-02-29T12:00:00+02:00", "2024-02-29 12:00:00Z", "2024-02-29T24:00:00", "2024-02-29 12:00", "12:30:00",
    "1e39", "1e400", "0001-01-01", "9999-12-31", "12345.678", "0.005", "1.005", "-0.005", "a,b,c", ",", "a,,b", "٣",
]  # fmt: skip
NUMBERS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1.5,
    2.5,
    -2.5,
    0.1,
    1e-7,
    1e15,
    1e16,
    1e300,
    -1e300,
    float("nan"),
    float("inf"),
    -float("inf"),
    3.0,
    9007199254740993.0,
]
INTEGERS = [0, 1, -1, 2, 3, 7, 10, 2**31 - 1, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63) + 1, 100]
MOMENTS = [
    datetime(1970, 1, 1), datetime(2024, 2, 29, 23, 59, 59, 999999), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(1582, 10, 10),
    datetime(2, 1, 1), datetime(2024, 12, 30), datetime(2025, 1, 1, 12), datetime(2024, 3, 31, 1, 30), datetime(1900, 1, 1, 0, 0, 0, 1), datetime(2021, 1, 3),
]  # fmt: skip


def rows(count: int = 240, seed: int = 7) -> list[dict[str, Any]]:
    """Return rows in which each of the odd values stands a few times, some of them null."""
    draw = random.Random(seed)
    made = []
    for place in range(count):
        moment = MOMENTS[place % len(MOMENTS)]
        row: dict[str, Any] = {
            "i": INTEGERS[place % len(INTEGERS)],
            "j": draw.choice([0, 1, -1, 2, 5, 1000, -46000]),
            "s": draw.choice([0, 1, -7, 32767, -32768]),
            "u": draw.choice([0, 2**32 - 1, 5]),
            "f": NUMBERS[place % len(NUMBERS)],
            "g": draw.choice([0.0, 0.1, -1.5, float("nan"), float("inf"), 3.0]),
            "t": TEXTS[place % len(TEXTS)],
            "k": draw.choice(["a", "b", "ä", "A", ""]),
            "n": Decimal(draw.randrange(-99999999, 99999999)) / 100,
            "m": Decimal(draw.randrange(-(10**12), 10**12)) / 10**6,
            "b": draw.random() < 0.5,
            "day": moment.date(),
            "at": moment,
            "z": moment.replace(tzinfo=UTC),
            "ns": datetime(2024, 1, 1) + timedelta(microseconds=draw.randrange(-(10**15), 10**15)),
            "l": draw.choice([[], [1, None], [3]]),
            "r": draw.choice([{"x": 1, "y": "a"}, {"x": None, "y": None}]),
        }
        made.append({name: None if draw.random() < 0.1 else value for name, value in row.items()})
    return made


EXPRESSIONS = """
i = j
i <> 2
f > 1
f = 0
g = 0.1
i in (1, 2, 9007199254740993)
t not in ('a', 'b')
not (t in ('a') or k in ('b'))
i between -1 and 10
t between 'A' and 'b'
t like '%b%'
t like '_a'
t ilike 'A%'
k is not distinct from t
b is true
g > 1.5
g in (0.1, 3)
g between 0.1 and 3
b and i > 0
i is null or j is null
-i
i / j
i / 0
n / m
n / 3
f / 2
i % j
j % 3
-j % 3
n % 3
f % 2
j + j
j * 2
j - 1
j + 0.5
n + m
n - m
n * 2
n + 1
m * 0.1
f + n
f * j
s + j
u + j
k || t
case when i > 0 then 'p' when i < 0 then 'n' end
case k when 'a' then 1 when 'b' then 2.5 else 0 end
if(b, i, j)
coalesce(n, m, 0)
coalesce(k, t, 'x')
nullif(k, 'a')
greatest(i, j)
least(i, j, 5)
greatest(n, m)
greatest(k, t)
least(day, day)
abs(j)
abs(n)
abs(f)
sign(j)
sign(n)
round(f, 1)
round(n, 1)
round(n)
round(m, 3)
round(j, 0)
round(f)
floor(f)
ceil(f)
floor(n)
ceil(m)
sqrt(f)
ln(n)
log10(n)
exp(j / 1000)
power(j / 100, 2)
isnan(f)
lower(t)
upper(t)
trim(t)
ltrim(t)
rtrim(t)
length(t)
substr(t, 2)
substr(t, 1, 2)
substr(t, 5, 3)
left(t, 2)
right(t, 2)
left(t, 0)
right(t, 0)
replace(t, 'a', 'xy')
replace(t, '', 'x')
concat(k, t, 'z')
contains(t, 'a')
contains(t, '')
starts_with(t, 'a')
ends_with(t, 'b')
split_part(t, ',', 2)
split_part(t, ',', 4)
split_part(t, ' ', 1)
regexp_matches(t, '^[a-zà-ÿ]+$')
regexp_matches(t, 'a.b')
regexp_matches(t, '\\d')
regexp_matches(t, '\\s')
regexp_matches(t, '\\w$')
regexp_matches(t, '\\bN')
regexp_matches(t, '(?i)ä')
regexp_matches(t, '^$')
regexp_matches(t, '[[:alpha:]]')
regexp_matches(t, '\\p{L}')
regexp_extract(t, '([0-9]+)\\.?([0-9]*)', 2)
regexp_extract(t, '(x)?a', 1)
regexp_replace(t, '[0-9]', '#')
regexp_replace(t, '(a)(b)?', '<\\1>')
regexp_replace(t, 'a', '$1')
sha256(t)
year(at)
quarter(at)
month(z)
day(day)
hour(at)
minute(z)
second(at)
week(at)
isodow(day)
dayofyear(z)
date_trunc('week', at)
date_trunc('month', z)
date_trunc('day', day)
date_trunc('hour', at)
date_trunc('quarter', day)
date_diff('day', at, z)
date_diff('day', day, date '2024-01-01')
epoch(at)
epoch(z)
epoch(day)
make_date(2024, 2, 29)
at + interval '1' month
day - interval '1' day
z + interval '3' hour
at < z
day = at
at > '2024-01-01'
z > '2024-01-01T00:00:00+02:00'
ns > '2024-01-01'
date_trunc('second', ns)
cast(i as varchar)
cast(n as varchar)
cast(m as varchar)
cast(b as varchar)
cast(day as varchar)
cast(at as varchar)
cast(z as varchar)
cast(ns as varchar)
cast(j as double)
try_cast(t as integer)
try_cast(t as bigint)
try_cast(t as smallint)
try_cast(t as double)
try_cast(t as float)
try_cast(t as decimal(10, 2))
try_cast(t as decimal(38, 0))
try_cast(t as boolean)
try_cast(t as date)
try_cast(t as timestamp)
try_cast(t as timestamptz)
try_cast(i as integer)
try_cast(i as smallint)
try_cast(f as integer)
try_cast(f as bigint)
try_cast(f as decimal(10, 2))
try_cast(n as integer)
try_cast(n as decimal(6, 1))
try_cast(m as decimal(18, 2))
try_cast(n as double)
try_cast(f as float)
try_cast(i as double)
try_cast(i as float)
try_cast(i as decimal(10, 0))
try_cast(g as double)
try_cast(b as integer)
try_cast(j as boolean)
try_cast(at as date)
try_cast(z as date)
try_cast(day as timestamptz)
try_cast(z as timestamp)
r.x + 1
r.y
""".strip().splitlines()
