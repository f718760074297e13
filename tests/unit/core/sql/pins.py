# SPDX-License-Identifier: Apache-2.0
"""A row for each difference between the engines that is pinned."""

from __future__ import annotations

from typing import Any

import duckdb
from sqlglot import exp

from airflow_dataops.core.sql.dialects import WHITE_SPACE, pin, plain_cast


def text(value: str) -> exp.Expression:
    return exp.Literal.string(value)


def number(value: float) -> exp.Expression:
    return exp.Literal.number(value)


def moment(value: str, kind: str = "TIMESTAMPNTZ") -> exp.Expression:
    return plain_cast(text(value), kind)


# As sqlglot escapes them for Spark.
_WS = exp.Literal.string(WHITE_SPACE).sql("spark")[1:-1]
_SP = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_A = "\u3000\\t a b \\n"
# Pin -> (arguments, DuckDB's answer, Spark's text).
ROWS: dict[str, tuple[tuple[exp.Expression, ...], Any, str]] = {
    "regex": ((text("ab\n"), text("b$")), False, r"('ab\n' RLIKE 'b\\z')"),
    "regex_extract": ((text("abc"), text("x(y)"), number(1)), "", "REGEXP_EXTRACT('abc', 'x(y)', 1)"),
    "regex_replace": (
        (text("a1b2"), text(r"(\d)"), text(r"<\1>")),
        "a<1>b<2>",
        r"REGEXP_REPLACE('a1b2', '(\\d)', '<$1>')",
    ),
    "length": ((text("añ🤦🏼"),), 4, "CHAR_LENGTH('añ🤦🏼')"),
    "octets": ((pin("encode", text("ñ")),), 2, "OCTET_LENGTH(ENCODE('ñ', 'UTF-8'))"),
    "sha256": ((text("a"),), "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "SHA2('a', 256)"),
    "encode": ((text(r"\x41"),), rb"\x41", r"ENCODE('\\x41', 'UTF-8')"),
    "timestamptz_text": (
        (moment("2013-01-01 05:00:00+02", "TIMESTAMPTZ"),),
        "2013-01-01 03:00:00Z",
        "CONCAT(CAST(CAST(CAST('2013-01-01 05:00:00+02' AS TIMESTAMP) AS TIMESTAMP_NTZ) AS STRING), 'Z')",
    ),
    "text_timestamp": (
        (text("2013-01-01 05:00:00+02"), text("^[0-9 :+-]+$")),
        "2013-01-01 03:00:00",
        (
            r"CASE WHEN ('2013-01-01 05:00:00+02' RLIKE '^[0-9 :+-]+\\z') "
            "THEN CAST(TRY_CAST('2013-01-01 05:00:00+02' AS TIMESTAMP) AS TIMESTAMP_NTZ) "
            rf"WHEN (TRIM(BOTH '{_SP}' FROM '2013-01-01 05:00:00+02') RLIKE '^[0-9 :+-]+\\z') "
            f"THEN CAST(TRY_CAST(TRIM(BOTH '{_SP}' FROM '2013-01-01 05:00:00+02') AS TIMESTAMP) AS TIMESTAMP_NTZ) END"
        ),
    ),
    "is_nan": ((plain_cast(text("nan"), "DOUBLE"),), True, "(CAST('nan' AS DOUBLE) = CAST('NaN' AS DOUBLE))"),
    "trim": ((text("\u00a0\ta "),), "\ta", f"TRIM(BOTH '{_SP}' FROM '\u00a0\\ta ')"),
    "ltrim": ((text("\u00a0a "),), "a ", f"TRIM(LEADING '{_SP}' FROM '\u00a0a ')"),
    "rtrim": ((text(" a\u00a0"),), " a", f"TRIM(TRAILING '{_SP}' FROM ' a\u00a0')"),
    "floor": (
        (plain_cast(text("1e300"), "DOUBLE"),),
        1e300,
        (
            "CASE WHEN ABS(CAST('1e300' AS DOUBLE)) < 4503599627370496 THEN CAST(FLOOR(CAST('1e300' AS DOUBLE)) AS DOUBLE) "
            "ELSE CAST('1e300' AS DOUBLE) END"
        ),
    ),
    "ceil": (
        (plain_cast(text("1.5"), "DOUBLE"),),
        2.0,
        (
            "CASE WHEN ABS(CAST('1.5' AS DOUBLE)) < 4503599627370496 THEN CAST(CEIL(CAST('1.5' AS DOUBLE)) AS DOUBLE) "
            "ELSE CAST('1.5' AS DOUBLE) END"
        ),
    ),
    "to_float": (
        (plain_cast(text("1e39"), "DOUBLE"),),
        None,
        (
            "CASE WHEN ABS(CAST('1e39' AS DOUBLE)) >= CAST('3.4028235677973366e38' AS DOUBLE) "
            "AND ABS(CAST('1e39' AS DOUBLE)) < CAST('Infinity' AS DOUBLE) THEN NULL ELSE CAST(CAST('1e39' AS DOUBLE) AS FLOAT) END"
        ),
    ),
    "wide": ((number(3),), 3, "CAST(3 AS DECIMAL(38, 0))"),
    "exact": ((number(3),), 3, "3"),
    "concat": ((text("a"), plain_cast(exp.Null(), "TEXT")), None, "CONCAT('a', CAST(NULL AS STRING))"),
    "date_trunc": (
        (text("day"), moment("2013-01-01 05:00:00")),
        "2013-01-01 00:00:00",
        "CAST(DATE_TRUNC('day', CAST(CAST('2013-01-01 05:00:00' AS TIMESTAMP_NTZ) AS TIMESTAMP)) AS TIMESTAMP_NTZ)",
    ),
    "weekday": ((moment("2013-01-06", "DATE"),), 7, "(WEEKDAY(CAST('2013-01-06' AS DATE)) + 1)"),
    "week": ((moment("2012-12-31", "DATE"),), 1, "WEEKOFYEAR(CAST('2012-12-31' AS DATE))"),
    "day_of_year": ((moment("2012-12-31", "DATE"),), 366, "DAYOFYEAR(CAST('2012-12-31' AS DATE))"),
    "days_between": (
        (moment("2013-01-03", "DATE"), moment("2013-01-01", "DATE")),
        2,
        "DATEDIFF(CAST('2013-01-03' AS DATE), CAST('2013-01-01' AS DATE))",
    ),
    "epoch": (
        (moment("1970-01-01 00:00:01.5"),),
        1.5,
        "CAST(CAST(CAST('1970-01-01 00:00:01.5' AS TIMESTAMP_NTZ) AS TIMESTAMP) AS DOUBLE)",
    ),
    "strip": (
        (text("\u3000\t a b \n"),),
        "a b",
        f"CASE WHEN ('{_A}' RLIKE '^[{_WS}]|[{_WS}]\\\\z') THEN TRIM(BOTH '{_WS}' FROM '{_A}') ELSE '{_A}' END",
    ),
    "lowest": (
        (number(3), number(2), exp.true()),
        [3],
        "SLICE(SORT_ARRAY(COLLECT_LIST(CASE WHEN TRUE THEN 3 END)), 1, 2)",
    ),
    "quantile": ((number(3), number(0.5)), 3, "PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY 3)"),
    "starts_with": ((text("abc"), text("ab")), True, "STARTSWITH('abc', 'ab')"),
    "ends_with": ((text("abc"), text("bc")), True, "ENDSWITH('abc', 'bc')"),
    "raise": ((text("stop"),), duckdb.Error, "RAISE_ERROR('stop')"),
}
