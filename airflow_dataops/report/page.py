# SPDX-License-Identifier: Apache-2.0
"""A run's result as one HTML document that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from airflow_dataops.core.metadata.telling import tables_of
from airflow_dataops.core.refine.flow import row_flow
from airflow_dataops.core.refine.history import Point
from airflow_dataops.core.refine.spec import RunResult
from airflow_dataops.report import palette, text, view
from airflow_dataops.report.flow_chart import bounded, exit_name, flow_charts
from airflow_dataops.report.line_chart import Dot, legend_mark, line_chart

_FILTERS = (text.count, text.figure, text.moment, text.seconds, text.share, text.short, text.size, text.value)


def render(run: RunResult, history: Sequence[Point] = ()) -> str:
    """Return the page of a run.

    It loads nothing, runs no script, and is complete without the folder it lies in. Every text that comes from data or from the author is
    escaped and shortened; the number of rules, columns, reasons and examples shown is bounded, and what is left out is counted.

    Args:
        run: The result of the run.
        history: Earlier runs, in any order; the run itself may be among them.

    Raises:
        ValidationError: A document in ``run.steps`` is not a result of its job.
    """
    steps = view.steps_of(run)
    gates = view.gates_of(steps)
    examples = view.examples_of(gates)
    flow = row_flow(steps)
    points = view.points_of(run, history)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            run=run,
            steps=steps,
            headline=view.headline(run, steps),
            drained=view.is_drain(steps),
            tables=[(task, table) for task, step in steps.items() for table in tables_of(step)],
            reasons=run.reasons[: view.MOST_REASONS],
            more_reasons=max(len(run.reasons) - view.MOST_REASONS, 0),
            hints=list(dict.fromkeys(view.hints_of(steps)))[:5],
            gates=gates,
            examples=examples[: view.MOST_EXAMPLES],
            more_examples=max(len(examples) - view.MOST_EXAMPLES, 0),
            columns=view.columns_of(steps),
            flow=flow,
            flow_charts=flow_charts(flow, published=bool(run.rows.written)) if flow.read else None,
            points=points,
            charts=_history_charts(points),
            marks={verdict: legend_mark(verdict) for verdict in ("passed", "warned", "quarantined", "failed")},
            facts=view.facts_of(run, steps),
        )
    )


def _history_charts(points: Sequence[Point]) -> list[tuple[str, Markup]]:
    if len(points) < 2:
        return []
    figures: list[tuple[str, Callable[[Point], float | None], Callable[[float], str]]] = [
        ("Rows published", lambda p: float(p.written), _compact),
        ("Share put aside", lambda p: p.quarantined_share, text.share),
        ("Seconds of work", lambda p: p.seconds, text.seconds),
    ]
    charts = []
    for number, (title, amount, label) in enumerate(figures):
        dots = [Dot(p.moment, amount(p), p.verdict, _tip(p, title, amount(p), label)) for p in points]
        charts.append((title, line_chart(f"history-{number}", title, dots, label=label)))
    return charts


def _tip(point: Point, title: str, amount: float | None, label: Callable[[float], str]) -> str:
    shown = "–" if amount is None else label(amount)
    return f"{text.moment(point.moment)}: {title.lower()} {shown}, {point.verdict}"


def _compact(number: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("airflow_dataops.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {filter_.__name__: filter_ for filter_ in _FILTERS}
    environment.globals |= {
        "colours": Markup(palette.css()),  # noqa: S704 - our own constants
        "exit_name": exit_name,
        "bounded": bounded,
        "nulls": view.share_of_nulls,
    }
    return environment


def _finalize(item: Any) -> Any:
    """Clean every text on its way to the page; what is markup of our own stays."""
    return text.clean(item) if isinstance(item, str) and not isinstance(item, Markup) else item
