# SPDX-License-Identifier: Apache-2.0
"""Random tables and cleanings for the refine job."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from airflow_dataops.core.refine.spec import CastSpec, CleanSpec, DedupSpec, RefineSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, Resources, SourceSpec, TargetSpec

Row = dict[str, Any]
SCHEMA = pa.schema([("k", pa.int64()), ("s", pa.string()), ("f", pa.float64()), ("t", pa.timestamp("us"))])
START = datetime.fromisoformat("2013-01-01")
rows_of_a_table = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.one_of(st.none(), st.integers(0, 3)),
            "s": st.sampled_from([None, "", "7", " 7\u3000", "7.0", "7.5", "x", "ñ🤦", "12", "-3", "\t12\n", "1e3"]),
            "f": st.sampled_from([None, math.nan, math.inf, 0.0, 1.0, -2.5, 7.0]),
            "t": st.one_of(st.none(), st.integers(0, 40).map(lambda m: START + timedelta(minutes=m))),
        }
    ),
    max_size=25,
)
cleanings = st.fixed_dictionaries(
    {
        "cast": st.sampled_from([None, "null", "quarantine"]),
        "trim": st.booleans(),
        "fill": st.booleans(),
        "drop": st.sampled_from([[], ["f"], ["k", "s"]]),
        "keep": st.sampled_from([[], ["f > 0"], ["k is not null", "f < 5 or f is null"]]),
        "dedup": st.sampled_from([None, ["k"], ["k", "s"]]),
        "keep_which": st.sampled_from(["first", "last"]),
        "order": st.sampled_from([[], ["f"], ["-f"], ["t", "-f"]]),
        "within": st.sampled_from([None, 5, 15]),
    }
)


def spec_of(choice: Row, source: str, lake: str, threads: int) -> RefineSpec:
    within = choice["within"]
    clean = CleanSpec(
        rename={"k": "key"},
        cast={"s": CastSpec(type="integer", on_error=choice["cast"])} if choice["cast"] else {},
        trim=["s"] if choice["trim"] and not choice["cast"] else [],
        fill={"f": 1} if choice["fill"] else {},
        drop_nulls=[{"k": "key"}.get(name, name) for name in choice["drop"]],
        keep_if=[text.replace("k is", "key is") for text in choice["keep"]],
        derive={"double": "f * 2", "quadruple": "double * 2"},
        dedup=None
        if choice["dedup"] is None
        else DedupSpec(
            keys=[{"k": "key"}.get(name, name) for name in choice["dedup"]],
            keep=choice["keep_which"],
            order_by=choice["order"],
            within=f"{within} minutes" if within else None,
            event_time="t" if within else None,
        ),
    )
    return RefineSpec(
        task="refine",
        lake=lake,
        run=RunContext(pipeline="p", key="k"),
        resources=Resources(threads=threads),
        source=SourceSpec(path=source),
        slice=FullSlice(),
        clean=clean,
        target=TargetSpec(path=f"{lake}/silver"),
    )
