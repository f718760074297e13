# SPDX-License-Identifier: Apache-2.0
"""SVG as an element tree, so that no text can ever become markup."""

from __future__ import annotations

from xml.etree import ElementTree as ET  # only ever writes here

from markupsafe import Markup

from airflow_dataops.report.text import clean


class Drawing:
    """One chart, with a name and a description for those who cannot see it.

    Args:
        ident: Start of its ids; unique on the page.
        width: Width of the view box.
        height: Height of the view box.
        title: What it is.
        summary: What it shows, in words.
        kind: CSS class.
    """

    def __init__(self, ident: str, width: float, height: float, *, title: str, summary: str, kind: str = "") -> None:
        self.root = ET.Element(
            "svg",
            {
                "viewBox": f"0 0 {number(width)} {number(height)}",
                "role": "img",
                "aria-labelledby": f"{ident}-title {ident}-desc",
                "class": f"chart {kind}".strip(),
            },
        )
        self.add("title", title, id=f"{ident}-title")
        self.add("desc", summary, id=f"{ident}-desc")

    def add(self, tag: str, text: str | None = None, *, tip: str | None = None, **attributes: object) -> ET.Element:
        """Append an element; ``tip`` becomes its title, ``kind`` its class, and ``_`` in a name stands for ``-``."""
        element = ET.SubElement(self.root, tag, {_name(key): _value(item) for key, item in attributes.items()})
        if tip is not None:
            ET.SubElement(element, "title").text = clean(tip)
        if text is not None:
            if tip is not None:
                element[-1].tail = clean(text)
            else:
                element.text = clean(text)
        return element

    def markup(self) -> Markup:
        """Return the drawing, ready for a page."""
        return Markup(ET.tostring(self.root, encoding="unicode"))  # noqa: S704 - serialised from a tree, texts escaped


def number(amount: float) -> str:
    """Return a coordinate with at most two decimals."""
    return f"{amount:.2f}".rstrip("0").rstrip(".")


def _name(key: str) -> str:
    return "class" if key == "kind" else key.replace("_", "-")


def _value(item: object) -> str:
    return number(item) if isinstance(item, float) else clean(item)
