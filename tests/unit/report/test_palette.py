# SPDX-License-Identifier: Apache-2.0
"""Contrast of every pair of colours that is used, in both schemes; and that no other colour is used."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from airflow_dataops.report import palette


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), palette.TEXT_ON)
def test_text_is_readable(scheme: dict[str, str], ink: str, ground: str) -> None:
    assert contrast(scheme[ink], scheme[ground]) >= 4.5


@pytest.mark.parametrize("scheme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), palette.SHAPE_ON)
def test_shapes_can_be_told_from_their_ground(scheme: dict[str, str], shape: str, ground: str) -> None:
    assert contrast(scheme[shape], scheme[ground]) >= 3


def test_contrast_of_black_and_white_is_21() -> None:
    assert round(contrast("#000000", "#ffffff"), 6) == 21


def test_the_style_sheet_uses_no_colour_of_its_own() -> None:
    css = resources.files("airflow_dataops.report").joinpath("templates/page.css").read_text()
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", css)
    used = set(re.findall(r"var\(--([a-z-]+)\)", css)) - {"tone", "part", "need"}
    assert used <= set(palette.LIGHT)
    assert set(palette.LIGHT) == set(palette.DARK)


def test_paper_is_light() -> None:
    assert "@media screen and (prefers-color-scheme:dark)" in palette.css()
