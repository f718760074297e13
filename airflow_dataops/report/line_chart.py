# SPDX-License-Identifier: Apache-2.0
"""A figure over time as a small line: one marker a run, its shape the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from airflow_dataops.report import text
from airflow_dataops.report.svg import Drawing, number

WIDTH, HEIGHT = 340.0, 168.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 12.0, 12.0, 28.0
_CROWD = 60
_TONES = {"passed": "good", "warned": "warn", "quarantined": "warn", "failed": "bad"}


@dataclass(frozen=True)
class Dot:
    """One run in a chart.

    Attributes:
        moment: Where on the time axis.
        amount: How high; None leaves a gap.
        verdict: Shape and colour of the marker.
        tip: What a pointer over it says.
    """

    moment: datetime
    amount: float | None
    verdict: str
    tip: str


def line_chart(ident: str, title: str, dots: Sequence[Dot], *, label: Callable[[float], str]) -> Markup:
    """Draw a small line chart with a zero line, a few levels and the dates of both ends.

    Args:
        ident: Start of its ids.
        title: What is measured.
        dots: The runs, oldest first; at least one.
        label: Amount -> text for axis and summary.
    """
    amounts = [dot.amount for dot in dots if dot.amount is not None]
    last = "none" if dots[-1].amount is None else label(dots[-1].amount)
    words = f"{len(dots)} runs from {text.moment(dots[0].moment)} to {text.moment(dots[-1].moment)}; last: {last}"
    if amounts:
        words += f"; lowest: {label(min(amounts))}; highest: {label(max(amounts))}"
    drawing = Drawing(ident, WIDTH, HEIGHT, title=title, summary=words + ".", kind="line")
    top = nice_ceiling(max(amounts, default=0.0))
    for level in (0.0, top / 2, top):
        y = _y(level, top)
        drawing.add("line", kind="grid" if level else "zero", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y)
        drawing.add("text", label(level), kind="tick end", x=_LEFT - 8, y=y + 4)
    places = [_x(dot.moment, dots) for dot in dots]
    _dates(drawing, dots)
    for path in _paths([(x, dot.amount) for x, dot in zip(places, dots, strict=True)], top):
        drawing.add("path", kind="series", d=path)
    small = 3.4 if len(dots) <= _CROWD else 2.0
    for position, (x, dot) in enumerate(zip(places, dots, strict=True)):
        size = small if position < len(dots) - 1 else 5.0
        marker(drawing, x, _y(dot.amount or 0.0, top), dot.verdict, tip=dot.tip, size=size)
    return drawing.markup()


def marker(drawing: Drawing, x: float, y: float, verdict: str, *, tip: str | None = None, size: float = 3.4) -> None:
    """Draw the mark of a verdict: a dot, a triangle, a diamond or a cross."""
    r, kind = size, f"mark {_TONES[verdict]}"
    n = number
    if verdict == "passed":
        drawing.add("circle", tip=tip, kind=kind, cx=x, cy=y, r=r)
    elif verdict == "warned":
        drawing.add("path", tip=tip, kind=kind, d=f"M{n(x)} {n(y - r - 1)}L{n(x + r + 1)} {n(y + r)}H{n(x - r - 1)}Z")
    elif verdict == "quarantined":
        r += 1
        drawing.add(
            "path", tip=tip, kind=kind, d=f"M{n(x)} {n(y - r)}L{n(x + r)} {n(y)}L{n(x)} {n(y + r)}L{n(x - r)} {n(y)}Z"
        )
    else:
        cross = f"M{n(x - r)} {n(y - r)}L{n(x + r)} {n(y + r)}M{n(x - r)} {n(y + r)}L{n(x + r)} {n(y - r)}"
        drawing.add("path", tip=tip, kind=f"{kind} cross", d=cross)


def legend_mark(verdict: str) -> Markup:
    """Return the mark of a verdict on its own, for the legend that says its name beside it."""
    drawing = Drawing(
        f"legend-{verdict}", 14, 14, title=verdict, summary=f"Mark of a run that {verdict}.", kind="legend-mark"
    )
    marker(drawing, 7.0, 7.0, verdict)
    return drawing.markup()


def nice_ceiling(highest: float) -> float:
    """Return the next of 1, 2, 2.5, 5 times a power of ten that is not below; 1 for (next to) nothing."""
    if highest < 1e-9 or not math.isfinite(highest):
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(
        (step * power for step in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0) if step * power >= highest), 10 * power
    )


def _x(moment: datetime, dots: Sequence[Dot]) -> float:
    start, end = dots[0].moment, dots[-1].moment
    span = (end - start).total_seconds()
    left, right = _LEFT + 10, WIDTH - _RIGHT - 4
    if not span:
        return right
    return left + (right - left) * (moment - start).total_seconds() / span


def _y(amount: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * amount / top


def _dates(drawing: Drawing, dots: Sequence[Dot]) -> None:
    first, last = text.moment(dots[0].moment), text.moment(dots[-1].moment)
    if first != last:
        drawing.add("text", first, kind="tick", x=_LEFT, y=HEIGHT - 6)
    drawing.add("text", last, kind="tick end", x=WIDTH - _RIGHT, y=HEIGHT - 6)


def _paths(places: Sequence[tuple[float, float | None]], top: float) -> list[str]:
    """Return one path for each unbroken stretch."""
    paths: list[str] = []
    pen = "M"
    for x, amount in places:
        if amount is None:
            pen = "M"
            continue
        point = f"{pen}{number(x)} {number(_y(amount, top))}"
        if pen == "M":
            paths.append(point)
            pen = "L"
        else:
            paths[-1] += point
    return [path for path in paths if "L" in path]
