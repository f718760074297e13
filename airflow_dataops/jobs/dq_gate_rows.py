# SPDX-License-Identifier: Apache-2.0
"""The rows that break rules: counted by key, put aside, shown, committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.dq_gate import bad_rows
from airflow_dataops.core.dq_gate.literals import json_safe
from airflow_dataops.core.dq_gate.masking import kept_columns
from airflow_dataops.core.dq_gate.plan import COUNT, Check, GatePlan, KeyPlan
from airflow_dataops.core.dq_gate.spec import GateSpec, RuleOutcome
from airflow_dataops.core.dq_gate.trees import column, named
from airflow_dataops.core.dq_gate.verdict import Repeats
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW
from airflow_dataops.engines.base import Engine
from airflow_dataops.jobs.records import layout_of


@dataclass(frozen=True)
class Aside:
    """Bad rows of this gate.

    Attributes:
        staged: File of them, before they are committed.
        rows: Their number; 0 where there is no file.
        bytes: Size of the file.
        rules: Ids of the rules that they break.
    """

    staged: str
    rows: int = 0
    bytes: int = 0
    rules: frozenset[str] = frozenset()


def count_repeats(engine: Engine, key: KeyPlan) -> Repeats:
    """Run the group-by of a key and return what it saw; its table stays for the scan of the bad rows."""
    keys = engine.create_table(key.name, key.query)
    if not keys:
        return Repeats()
    rows = exp.select(named(exp.Sum(this=column(COUNT)), "n")).from_(exp.to_table(key.name, quoted=True))
    return Repeats(keys, int(engine.rows(rows)[0]["n"]))


def put_aside(
    engine: Engine,
    spec: GateSpec,
    plan: GatePlan,
    broken: Sequence[Check],
    rejected: bad_rows.Rejected | None,
    secrets: Mapping[str, str],
) -> Aside:
    """Write the rows that break ``broken``, and lines that did not decode, into the staged quarantine in one scan.

    A file of an earlier try is replaced, or deleted where there are no bad rows any more.
    """
    path = layout_of(spec).staged_quarantine(spec.task)
    storage = storage_for(path)
    if not broken and rejected is None:
        storage.delete(path)
        return Aside(path)
    masks = spec.masks if spec.quarantine.mask == "inherit" else {}
    end = spec.run.interval_end
    stamp = bad_rows.Stamp(spec.run.key, spec.run.pipeline, spec.task, end.isoformat() if end else None)
    kept = kept_columns(plan.context.columns, masks, secrets)
    query = bad_rows.quarantine_query(plan, broken, stamp, kept=kept, rejected=rejected)
    rows = engine.write_file(query, path)
    if not rows:
        storage.delete(path)
        return Aside(path)
    known = storage.info(path)
    ids = frozenset(check.rule.id for check in broken) | ({bad_rows.DECODE} if rejected else frozenset())
    return Aside(path, rows, known.size if known else 0, ids)


def count_aside(engine: Engine, aside: Aside, rule_ids: Sequence[str]) -> dict[str, int]:
    """Return rule id -> rows among those that were put aside that break it."""
    if not aside.rows or not rule_ids:
        return dict.fromkeys(rule_ids, 0)
    engine.open_parquet([aside.staged], "put_aside")
    seen = engine.rows(bad_rows.counts_query("put_aside", rule_ids))[0]
    return {name: int(seen[f"n{index}"]) for index, name in enumerate(rule_ids)}


def commit(spec: GateSpec, aside: Aside, *, committed: bool) -> str | None:
    """Make the staged bad rows the committed ones of this run and task; returns where they are, None where there are none.

    Args:
        spec: The gate.
        aside: What was put aside.
        committed: False leaves them staged, for the step that publishes.
    """
    if committed:
        target = f"{layout_of(spec).quarantine}/{spec.task}.parquet"
        storage = storage_for(target)
        if aside.rows:
            storage.copy(aside.staged, target)
            return target
        storage.delete(target)
    return aside.staged if aside.rows else None


def examples(
    engine: Engine,
    spec: GateSpec,
    plan: GatePlan,
    found: Sequence[RuleOutcome],
    aside: Aside,
    secrets: Mapping[str, str],
) -> list[RuleOutcome]:
    """Return the outcomes with the first few bad rows of each rule, masked.

    Rows that were put aside are read from there; for other rules that some rows break, the table is scanned once more.
    """
    broken = [outcome.id for outcome in found if outcome.row_rule and outcome.unexpected]
    if not spec.examples or not broken:
        return list(found)
    shown: dict[str, list[dict[str, Any]]] = {}
    from_aside = [name for name in broken if name in aside.rules]
    if from_aside:
        engine.open_parquet([aside.staged], "put_aside")
        relation = exp.select(exp.Star()).from_(exp.to_table("put_aside", quoted=True))
        present = {name: kind for name, kind in engine.columns("put_aside").items() if _shown(name, plan)}
        masks = {} if spec.quarantine.mask == "inherit" else spec.masks
        kept = kept_columns(present, masks, secrets)
        shown |= _first_rows(engine, relation, relation, bad_rows.named_in(from_aside), kept, spec.examples)
    rest = [check for check in plan.checks if check.rule.id in broken and check.rule.id not in aside.rules]
    if rest:
        kept = kept_columns(plan.context.columns, spec.masks, secrets)
        relation = bad_rows.flagged(plan, rest)
        shown |= _first_rows(engine, relation, plan.data, bad_rows.flags(rest), kept, spec.examples)
    return [outcome.model_copy(update={"examples": shown.get(outcome.id, [])}) for outcome in found]


def _shown(name: str, plan: GatePlan) -> bool:
    return name in plan.context.columns or name in (bad_rows.LINE, bad_rows.REASON)


def _first_rows(
    engine: Engine,
    relation: exp.Select,
    rows: exp.Select,
    tests: Mapping[str, exp.Expression],
    kept: Sequence[exp.Expression],
    count: int,
) -> dict[str, list[dict[str, Any]]]:
    """Return rule id -> its first bad rows: their places in one scan, then the rows at these places."""
    positions = engine.rows(bad_rows.positions_query(relation, tests, count))[0]
    places = {name: [(p["file"], p["row"]) for p in positions[f"e{i}"] or []] for i, name in enumerate(tests)}
    wanted = [place for found in places.values() for place in found]
    if not wanted:
        return {}
    known = {(row[SOURCE_FILE], row[SOURCE_ROW]): row for row in engine.rows(bad_rows.lookup_query(rows, wanted, kept))}
    return {name: [json_safe(known[place]) for place in found if place in known] for name, found in places.items()}
