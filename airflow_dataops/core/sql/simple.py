# SPDX-License-Identifier: Apache-2.0
"""The plainest conditions, recognised without the SQL library: ``distance > 0 and origin is not null``.

Loading the library costs more than all else that a check of one file does. What is recognised here is surely valid; everything else,
right or wrong, is left to :mod:`airflow_dataops.core.sql.expressions`, so that there is one place that refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_dataops.core.sql import types

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_SPACE = r"[ \t\n]"
_TEST = re.compile(
    rf"{_SPACE}*(?P<name>{_NAME})"
    rf"(?:{_SPACE}+(?P<null>is(?:{_SPACE}+not)?{_SPACE}+null)"
    rf"|{_SPACE}*(?:>=|<=|<>|!=|=|>|<){_SPACE}*(?:(?P<number>{_NUMBER})|'(?P<text>[^'\\\n\r]*)'))"
    rf"(?:{_SPACE}*\Z|{_SPACE}+(?:and|or)(?={_SPACE}))",
    re.IGNORECASE | re.ASCII,
)
_MOST_TESTS = 30

# Words that the library's grammar may read as something else than a name, and functions that are called without parentheses.
_WORDS = """
@ all alter analyze and anti any apply array as asc asof attach auto_increment autoincrement begin between
bigdecimal bigint bignum bignumeric binary bit bitstring blob bool boolean bpchar by byte bytea cache call case
char character clob cluster collate column comment commit connect connect_by_root constraint copy create cross cube
current_catalog current_date current_schema current_time current_timestamp current_user currval database date
datemultirange daterange datetime dec decfloat decimal decimal128 decimal256 decimal32 decimal64 default defined
delete desc describe detach disconnect distinct distribute div double drop else end enum escape except execute
exists explain false fetch file filter first fixed float float4 float8 for force foreign format from full function
gen_random_uuid geography geometry get_current_time glob grant group grouping having hugeint if ilike in index inet
inner insert install int int1 int128 int16 int2 int256 int32 int4 int4multirange int4range int64 int8
int8multirange int8range integer intersect interval into is isnull join json jsonb keep key kill lateral left like
limit list load localtime localtimestamp lock logical long longblob longtext longvarchar macro map mediumblob
mediumint mediumtext merge namespace natural nchar next nextval not notnull now null nullable number numeric
nummultirange numrange nvarchar nvarchar2 object offset on only operator optimize or order ordinality out outer
over overlaps overwrite partition partitioned partitioned_by percent pivot pivot_wider positional pragma precision
prepare primary procedure qualify rand random range real recursive ref references regexp rename replace reset
returning revoke right rlike rollback rollup row rows schema security select semi sequence session session_user set
sets setseed settings short show signed similar smallint some sort sql str straight_join string struct summarize
table tablesample temp temporary text then time time_ns timestamp timestamp_ltz timestamp_ms timestamp_ns timestamp_ntz
timestamp_s timestamp_us timestampltz timestampntz timestamptz timetz tinyblob tinyint tinytext to today trigger
true truncate tsmultirange tsrange tstzmultirange tstzrange txid_current ubigint uhugeint uint uint128 uint256
uinteger uncache union unique unknown unnest unpivot update use user using usmallint utinyint uuid vacuum values
varbinary varchar varchar2 variant varying vector view volatile when where window with xor
"""
WORDS = frozenset(_WORDS.split())


def columns_of_condition(text: str, columns: Mapping[str, str] | None) -> list[str] | None:
    """Return the columns that a plain condition reads, each once, in order of appearance; None where the text is not surely valid.

    Args:
        text: The author's SQL.
        columns: Column -> canonical type; None where the columns are not known.
    """
    names: list[str] = []
    at = 0
    while at < len(text):
        test = _TEST.match(text, at)
        if test is None or len(names) == _MOST_TESTS or test["name"].lower() in WORDS or not _fits(test, columns):
            return None
        names.append(test["name"])
        at = test.end()
    return list(dict.fromkeys(names)) or None


def _fits(test: re.Match[str], columns: Mapping[str, str] | None) -> bool:
    """Return whether the column is there, and of the kind that it is compared with."""
    if columns is None:
        return True
    kind = columns.get(test["name"])
    if kind is None:
        return False
    return test["null"] is not None or (types.is_numeric(kind) if test["number"] is not None else types.is_text(kind))
