# SPDX-License-Identifier: Apache-2.0
"""The gate's job: check one table, put bad rows aside, say what was found."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from airflow_dataops.core.dq_gate.bad_rows import Rejected
from airflow_dataops.core.dq_gate.parse import check_columns, parse_all
from airflow_dataops.core.dq_gate.plan import Check, GatePlan, KeyPlan, build_plan, counted_aside
from airflow_dataops.core.dq_gate.problems import raise_problems
from airflow_dataops.core.dq_gate.rule import Context, RowRule, Rule
from airflow_dataops.core.dq_gate.spec import GateResult, GateSpec, RuleOutcome, Verdict
from airflow_dataops.core.dq_gate.verdict import Policy, Repeats, decide, decode_outcome, outcomes, puts_aside
from airflow_dataops.core.errors import GateFailed, SpecError
from airflow_dataops.core.faults import FaultPoint
from airflow_dataops.core.tables import ColumnProfile, RowCounts
from airflow_dataops.engines.base import Engine
from airflow_dataops.jobs.dq_gate_rows import Aside, commit, count_aside, count_repeats, examples, put_aside
from airflow_dataops.jobs.dq_gate_table import CheckedTable, open_table, slice_test, take_out
from airflow_dataops.jobs.engines import engine_for
from airflow_dataops.jobs.process import Progress, main
from airflow_dataops.jobs.records import withdraw_step_result
from airflow_dataops.jobs.timing import Timer

log = logging.getLogger(__name__)


def run(spec: GateSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None) -> GateResult:
    """Check a table.

    Args:
        spec: What to check, and what becomes of failures.
        secrets: Reference -> value, for the salts of masks.
        progress: Told one line at a time what is being done.

    Returns:
        What was found. A gate that did not pass has the verdict ``failed`` and an error; nothing is raised for that.

    Raises:
        SpecError: The rules are wrong, or do not fit the table; all faults at once.
        InputError: The source is missing, empty, broken or of another schema.
    """
    tell = progress or log.info
    timer = Timer()
    rules = _rules(spec)
    with engine_for(spec) as engine:
        with timer("open", FaultPoint.GATE_OPENED):
            tell(f"opening {spec.source.path if spec.source else 'the staged table'}")
            table = open_table(engine, spec)
            _check_columns(spec, rules, table.columns)
            end = spec.run.interval_end
            context = Context(table.columns, end.astimezone(UTC) if end else None)
            plan = build_plan(
                rules,
                context,
                slice_test=slice_test(spec, table.columns),
                aside=_counted_aside(spec, rules, table.columns),
            )
        tell(f"checking {len(rules)} rules")
        with timer("scan", FaultPoint.GATE_SCANNED):
            seen = engine.rows(plan.fused)[0]
        with timer("keys", FaultPoint.GATE_KEYS_COUNTED):
            repeats = _repeats(engine, plan, seen)
        gate = _Gate(spec, engine, table, plan, dict(secrets or {}), seen[plan.rows])
        return gate.conclude(seen, repeats, timer, tell)


class _Gate:
    """What the steps after the scan share."""

    def __init__(
        self, spec: GateSpec, engine: Engine, table: CheckedTable, plan: GatePlan, secrets: dict[str, str], rows: int
    ) -> None:
        self.spec, self.engine, self.table, self.plan, self.secrets = spec, engine, table, plan, secrets
        self.policy = Policy(spec.on_failure, spec.max_quarantine_ratio)
        self.checked = rows
        self.total = rows + table.info.rejected

    def conclude(
        self, seen: Mapping[str, Any], repeats: Mapping[str, Repeats], timer: Timer, tell: Progress
    ) -> GateResult:
        """Put bad rows aside, decide, and commit what the verdict asks for."""
        # A kill after this leaves new bad rows: publish must not take them for those of an earlier result, with that one's good rows.
        withdraw_step_result(self.spec)
        with timer("bad_rows", FaultPoint.GATE_ROWS_ASIDE):
            found, aside = self._look_at_rows(seen, repeats, tell)
        with timer("examples", FaultPoint.GATE_EXAMPLES_READ):
            found = examples(self.engine, self.spec, self.plan, found, aside, self.secrets)
        verdict, reasons = decide(
            found, [check.rule for check in self.plan.checks], self.policy, rows=self.total, quarantined=aside.rows
        )
        with timer("commit", FaultPoint.GATE_COMMITTED):
            written = 0
            if verdict == "quarantined" and self.table.manifest is not None:
                written = take_out(self.engine, self.spec, self.table.manifest, aside.staged, aside.rows)
            uri = commit(self.spec, aside, committed=self.spec.commit_quarantine or verdict == "failed")
        tell(f"{verdict}: {sum(1 for outcome in found if not outcome.passed)} of {len(found)} rules do not hold")
        return self._result(found, seen, verdict, reasons, aside, uri, written, timer)

    def _look_at_rows(
        self, seen: Mapping[str, Any], repeats: Mapping[str, Repeats], tell: Progress
    ) -> tuple[list[RuleOutcome], Aside]:
        """Return the outcomes and the rows that were put aside: these after those, or those counted from these."""
        uncounted = [check for check in self.plan.checks if check.bad is not None and check.unexpected is None]
        if not uncounted:
            found = _with_decode(self.spec, self, outcomes(self.plan, seen, repeats))
            wanted = {outcome.id for outcome in found if puts_aside(outcome, self.policy)}
            return found, self._put_aside([check for check in self.plan.checks if check.rule.id in wanted], tell)
        aside = self._put_aside([check for check in self.plan.checks if _may_break(check, repeats)], tell)
        counted = count_aside(self.engine, aside, [check.rule.id for check in uncounted])
        return _with_decode(self.spec, self, outcomes(self.plan, seen, repeats, counted)), aside

    def _put_aside(self, broken: Sequence[Check], tell: Progress) -> Aside:
        rejected = None
        if self.table.info.rejected and self.spec.on_failure != "warn":
            rejected = Rejected(self.table.rejected, with_text=not self._masked())
        if broken or rejected:
            tell(f"putting aside the rows that break any of {len(broken) + bool(rejected)} rules")
        return put_aside(self.engine, self.spec, self.plan, broken, rejected, self.secrets)

    def _masked(self) -> bool:
        return bool(self.spec.masks) and self.spec.quarantine.mask == "inherit"

    def _result(
        self,
        found: list[RuleOutcome],
        seen: Mapping[str, Any],
        verdict: Verdict,
        reasons: list[str],
        aside: Aside,
        uri: str | None,
        written: int,
        timer: Timer,
    ) -> GateResult:
        nulls = self.plan.nulls
        error = _failure(self.spec, found, reasons).to_dict() if verdict == "failed" else None
        return GateResult(
            task=self.spec.task,
            run=self.spec.run,
            status="failed" if error else "ok",
            error=error,
            verdict=verdict,
            reasons=reasons,
            rules=found,
            columns=[
                ColumnProfile(name=name, type=kind, rows=self.checked, nulls=self.checked - seen[nulls[name]])
                for name, kind in self.table.columns.items()
            ],
            rows=RowCounts(read=self.total, quarantined=aside.rows, written=written),
            quarantine_uri=uri,
            fingerprint=self.table.info.fingerprint,
            attempt=self.table.manifest.attempt if self.table.manifest else None,
            bytes_read=self.table.info.bytes,
            bytes_written=aside.bytes,
            seconds=timer.seconds(),
            versions=self.engine.versions(),
        )


def explain(spec: GateSpec, columns: Mapping[str, str]) -> list[str]:
    """Return the SQL that a gate runs on a table of known columns, in its engine's dialect; nothing is read.

    Args:
        spec: The gate.
        columns: Column -> canonical type.
    """
    from airflow_dataops.core.dq_gate.explain import gate_sql
    from airflow_dataops.core.sql.dialects import dialect_of

    rules = _rules(spec)
    raise_problems(check_columns(rules, columns))
    aside = _counted_aside(spec, rules, columns)
    cut, dialect = slice_test(spec, columns), dialect_of(spec.engine)
    return gate_sql(rules, columns, run=spec.run, slice_test=cut, dialect=dialect, aside=aside)


def _rules(spec: GateSpec) -> list[Rule]:
    parsed = parse_all(spec.suite, spec.rules)
    raise_problems(parsed.problems)
    if not parsed.rules:
        raise SpecError(
            f"gate {spec.task!r} has no rule, so that it could not fail",
            hint="give it a suite, or rules such as {row_count: {min: 1}}",
            code="GATE_WITHOUT_RULES",
        )
    return parsed.rules


def _check_columns(spec: GateSpec, rules: list[Rule], columns: Mapping[str, str]) -> None:
    """A rule that does not fit the table: is it the rule's fault or the delivery's? Both are named."""
    try:
        raise_problems(check_columns(rules, columns))
    except SpecError as error:
        table = spec.source.path if spec.source else "the staged table"
        hint = error.hint or "mend the rule, or deliver the columns that it was written for"
        raise SpecError(f"{table}: {error.message}", hint=hint, code=error.code, details=error.details) from None


def _counted_aside(spec: GateSpec, rules: list[Rule], columns: Mapping[str, str]) -> frozenset[str]:
    return counted_aside(rules, columns, quarantine=spec.on_failure == "quarantine")


def _may_break(check: Check, repeats: Mapping[str, Repeats]) -> bool:
    """Whether rows that break the rule are put aside, and there may be some."""
    if not isinstance(check.rule, RowRule) or check.rule.severity != "critical":
        return False
    return check.key is None or repeats[check.key.name].rows > 0


def _with_decode(spec: GateSpec, gate: _Gate, found: list[RuleOutcome]) -> list[RuleOutcome]:
    rejected = gate.table.info.rejected
    return [decode_outcome(gate.checked, rejected, spec.on_failure), *found] if rejected else found


def _repeats(engine: Engine, plan: GatePlan, seen: Mapping[str, Any]) -> dict[str, Repeats]:
    """Group each key once; a key of which a part is known to be unique over all rows needs no look."""
    unique: list[KeyPlan] = []
    found: dict[str, Repeats] = {}
    for key in plan.keys:
        found[key.name] = Repeats() if plan.implied(key, unique) else count_repeats(engine, key)
        if found[key.name].rows == 0 and seen[key.present] == seen[plan.rows]:
            unique.append(key)
    return found


def _failure(spec: GateSpec, found: Sequence[RuleOutcome], reasons: Sequence[str]) -> GateFailed:
    failed = [outcome.id for outcome in found if not outcome.passed and outcome.severity == "critical"]
    return GateFailed(
        f"gate {spec.task!r} failed: {reasons[0]}" + (f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""),
        hint="look at the rows that were put aside, mend the source or the rule, and run it again; nothing was published",
        details={"rules": failed, "reasons": list(reasons)},
    )


def run_gate(
    suite: dict[str, Any] | list[Any] | str | Path,
    data: Any,
    *,
    engine: str = "duckdb",
    quarantine: str | Path | None = None,
) -> GateResult:
    """Check a table or a data frame, without a lake, a run or Airflow.

    Args:
        suite: A Great Expectations suite as a dict, its file, or a list of rules in the short form.
        data: Path of a table (Parquet, CSV, JSON lines, Delta), or a frame of pandas, Polars or PyArrow.
        engine: ``duckdb``; ``spark``: on the Spark application of this process, or one of its own.
        quarantine: Parquet file for the rows that break critical rules; None keeps none, and a critical rule that fails fails the gate.

    Returns:
        What was found; ``to_gx_dict()`` gives it in Great Expectations' shape.

    Raises:
        SpecError: The suite or the arguments are wrong.
        InputError: The data cannot be read.
    """
    from airflow_dataops.jobs.dq_gate_frames import check_frame

    return check_frame(run, suite, data, engine=engine, quarantine=quarantine)


__all__ = ["explain", "run", "run_gate"]

if __name__ == "__main__":
    raise SystemExit(main(GateSpec, run))
