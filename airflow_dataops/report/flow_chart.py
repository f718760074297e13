# SPDX-License-Identifier: Apache-2.0
"""The way of the rows as bands: widths to scale, everything that leaves is labelled."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from airflow_dataops.core.refine.flow import Exit, RowFlow, Stage
from airflow_dataops.report import text
from airflow_dataops.report.svg import Drawing, number

LEAST = 2.0
_MOST_EXITS = 8
_NODE = 5.0
_NAMES = {
    "quarantined": "put aside",
    "deduplicated": "duplicates removed",
    "unaccounted": "not accounted for",
}
_KINDS = {"quarantined": "warn", "dropped": "neutral", "deduplicated": "neutral", "unaccounted": "bad"}


@dataclass(frozen=True)
class Scale:
    """Rows to units of the drawing.

    Args:
        read: Rows that fill the whole width.
        full: That width.
    """

    read: int
    full: float

    def exact(self, rows: int) -> float:
        """Return the width to scale."""
        return self.full * rows / self.read

    def drawn(self, rows: int) -> float:
        """Return the width to scale, but never so thin that it cannot be seen."""
        return max(self.exact(rows), LEAST) if rows else 0.0


def exit_name(way_out: Exit) -> str:
    """Return what became of the rows, in words."""
    return f"dropped: {way_out.label}" if way_out.way == "dropped" else _NAMES[way_out.way]


def summary(flow: RowFlow, *, published: bool) -> str:
    """Return the whole chart as a sentence for those who hear it."""
    parts = [f"{text.count(flow.read)} rows read"]
    for stage in flow.stages:
        parts += [
            f"{text.count(e.rows)} {text.short(exit_name(e), 120)} by {text.short(stage.task)}" for e in bounded(stage)
        ]
    parts.append(f"{text.count(flow.written)} rows published" if published else "nothing published")
    return "; ".join(parts) + "."


def bounded(stage: Stage) -> list[Exit]:
    """Return the exits of a stage, the smallest drops summed up where there are too many to draw."""
    exits = list(stage.exits)
    if len(exits) <= _MOST_EXITS:
        return exits
    drops = sorted((e for e in exits if e.way == "dropped"), key=lambda e: -e.rows)
    others = [e for e in exits if e.way != "dropped"]
    keep = max(_MOST_EXITS - len(others) - 1, 0)
    rest = Exit("dropped", f"{len(drops) - keep} other causes", sum(e.rows for e in drops[keep:]))
    return [*others, *drops[:keep], rest]


def flow_charts(flow: RowFlow, *, published: bool) -> Markup:
    """Return the chart twice, for wide and for narrow screens; the style sheet shows one of them."""
    return wide(flow, published=published) + tall(flow, published=published)


def wide(flow: RowFlow, *, published: bool) -> Markup:
    """Draw from left to right; what leaves goes down."""
    width, full, top = 1000.0, 168.0, 46.0
    scale = Scale(flow.read, full)
    most = max((len(bounded(stage)) for stage in flow.stages), default=0)
    height = top + full + (26 + 40 * most if most else 8)
    drawing = Drawing(
        "flow",
        width,
        height,
        title="Rows through the run",
        summary=summary(flow, published=published),
        kind="flow wide",
    )
    # What leaves at the last step needs room to its right.
    slots = len(flow.stages) + bool(flow.stages and flow.stages[-1].exits)
    step = min((width - 120 - _NODE) / max(slots, 1), 300.0)
    _node_wide(drawing, 0.0, top, scale.drawn(flow.read), "read", flow.read, step)
    for place, stage in enumerate(flow.stages):
        left, here = place * step + _NODE, (place + 1) * step
        thick = scale.drawn(stage.rows_in)
        drawing.add("rect", kind="band", x=left, y=top, width=here - left, height=thick)
        offset, edge, end = scale.exact(stage.rows_out), here + _NODE, here + _NODE + step * 0.22
        for row, way_out in enumerate(bounded(stage)):
            start, level = top + min(offset, full - LEAST), top + full + 30 + 40 * row
            _ribbon_wide(drawing, edge, start, end, level, scale.drawn(way_out.rows), way_out)
            _exit_label(drawing, end + 10, level, way_out, flow.read, step * 0.78)
            offset += scale.exact(way_out.rows)
        _node_wide(drawing, here, top, max(thick, LEAST), stage.task, stage.rows_out, step, stage)
    return drawing.markup()


def tall(flow: RowFlow, *, published: bool) -> Markup:
    """Draw from top to bottom; what leaves goes to the right."""
    width, full, y = 340.0, 112.0, 4.0
    scale = Scale(flow.read, full)
    height = 44 + sum(58 + 46 * len(bounded(stage)) for stage in flow.stages)
    drawing = Drawing(
        "flow-tall",
        width,
        height,
        title="Rows through the run",
        summary=summary(flow, published=published),
        kind="flow tall",
    )
    _node_tall(drawing, y, full, "read", flow.read)
    for stage in flow.stages:
        thick, exits = scale.drawn(stage.rows_in), bounded(stage)
        drawing.add("rect", kind="band", x=0.0, y=y + _NODE, width=thick, height=58 - _NODE)
        y += 58
        _node_tall(drawing, y, max(thick, LEAST), stage.task, stage.rows_out, stage)
        offset = scale.exact(stage.rows_out)
        if exits:
            drawing.add(
                "rect", kind="band", x=0.0, y=y + _NODE, width=scale.drawn(stage.rows_out), height=46.0 * len(exits)
            )
        for row, way_out in enumerate(exits):
            start, level = min(offset, full - LEAST), y + 48 + 44 * row
            _ribbon_tall(drawing, start, y + _NODE, full + 14, level, scale.drawn(way_out.rows), way_out)
            _exit_label(drawing, full + 22, level, way_out, flow.read, width - full - 26)
            offset += scale.exact(way_out.rows)
        y += 46 * len(exits)
    return drawing.markup()


def _caption(stage: Stage | None, rows: int) -> str:
    return "failed" if stage is not None and not stage.ok else text.count(rows)


def _node_wide(
    drawing: Drawing, x: float, top: float, thick: float, name: str, rows: int, room: float, stage: Stage | None = None
) -> None:
    drawing.add("rect", kind=f"node {_tone(stage)}", x=x, y=top, width=_NODE, height=thick, rx=1.5)
    drawing.add("text", text.short(name, max(int(room / 7.5), 8)), tip=text.short(name, 300), kind="label", x=x, y=16.0)
    drawing.add("text", _caption(stage, rows), kind="figure", x=x, y=36.0)


def _node_tall(drawing: Drawing, y: float, thick: float, name: str, rows: int, stage: Stage | None = None) -> None:
    drawing.add("rect", kind=f"node {_tone(stage)}", x=0.0, y=y, width=thick, height=_NODE, rx=1.5)
    drawing.add("text", text.short(name, 24), tip=text.short(name, 300), kind="label", x=126.0, y=y + 8)
    drawing.add("text", _caption(stage, rows), kind="figure", x=126.0, y=y + 27)


def _tone(stage: Stage | None) -> str:
    return "accent" if stage is None or stage.ok else "bad"


def _ribbon_wide(drawing: Drawing, x: float, y: float, to_x: float, to_y: float, thick: float, way_out: Exit) -> None:
    middle = (x + to_x) / 2
    n = number
    path = (
        f"M{n(x)} {n(y)}C{n(middle)} {n(y)} {n(middle)} {n(to_y)} {n(to_x)} {n(to_y)}V{n(to_y + thick)}"
        f"C{n(middle)} {n(to_y + thick)} {n(middle)} {n(y + thick)} {n(x)} {n(y + thick)}Z"
    )
    drawing.add("path", tip=_tip(way_out), kind=f"exit {_KINDS[way_out.way]}", d=path)
    drawing.add("rect", kind=f"node {_KINDS[way_out.way]}", x=to_x, y=to_y, width=_NODE, height=max(thick, 4.0), rx=1.5)


def _ribbon_tall(drawing: Drawing, x: float, y: float, to_x: float, to_y: float, thick: float, way_out: Exit) -> None:
    n, right = number, x + thick
    path = (
        f"M{n(right)} {n(y)}Q{n(right)} {n(to_y)} {n(to_x)} {n(to_y)}V{n(to_y + thick)}"
        f"Q{n(x)} {n(to_y + thick)} {n(x)} {n(y)}Z"
    )
    drawing.add("path", tip=_tip(way_out), kind=f"exit {_KINDS[way_out.way]}", d=path)
    drawing.add("rect", kind=f"node {_KINDS[way_out.way]}", x=to_x, y=to_y, width=_NODE, height=max(thick, 4.0), rx=1.5)


def _exit_label(drawing: Drawing, x: float, y: float, way_out: Exit, read: int, room: float) -> None:
    name = way_out.label or exit_name(way_out)
    did = " dropped" if way_out.way == "dropped" else ""
    share = text.share(way_out.rows / read)
    drawing.add(
        "text", text.short(name, max(int(room / 6.6), 12)), tip=text.short(name, 300), kind="label", x=x, y=y + 2
    )
    drawing.add("text", f"{text.count(way_out.rows)}{did} · {share}", kind="detail", x=x, y=y + 19)


def _tip(way_out: Exit) -> str:
    return f"{text.count(way_out.rows)} rows {text.short(exit_name(way_out), 300)}"
