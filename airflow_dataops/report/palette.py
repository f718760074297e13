# SPDX-License-Identifier: Apache-2.0
"""The page's colours, as data: the style sheet is made from it, and a test computes its contrast."""

from __future__ import annotations

LIGHT: dict[str, str] = {
    "bg": "#f6f6f4",
    "surface": "#ffffff",
    "ink": "#191b20",
    "soft": "#585e69",
    "line": "#e3e4e7",
    "track": "#ecedf0",
    "accent": "#2a52be",
    "accent-soft": "#e9eefb",
    "neutral": "#7d838f",
    "good": "#18744a",
    "good-soft": "#e5f3eb",
    "warn": "#8a5300",
    "warn-soft": "#fbf0db",
    "bad": "#b3261e",
    "bad-soft": "#fbe8e6",
}
DARK: dict[str, str] = {
    "bg": "#0f1115",
    "surface": "#171a20",
    "ink": "#e7e9ed",
    "soft": "#a2a9b5",
    "line": "#2b2f38",
    "track": "#272b34",
    "accent": "#8caeff",
    "accent-soft": "#1a2340",
    "neutral": "#8b919d",
    "good": "#62cf99",
    "good-soft": "#14271d",
    "warn": "#e5b251",
    "warn-soft": "#2b2312",
    "bad": "#ff9289",
    "bad-soft": "#331b1a",
}

# Text on a ground: at least 4.5 (WCAG 2.2 AA). Shapes that carry meaning, on what is behind them: at least 3.
TEXT_ON: tuple[tuple[str, str], ...] = (
    *((ink, ground) for ink in ("ink", "soft", "accent") for ground in ("bg", "surface")),
    *((tone, ground) for tone in ("good", "warn", "bad") for ground in ("surface", f"{tone}-soft")),
    *(("ink", ground) for ground in ("good-soft", "warn-soft", "bad-soft", "accent-soft")),
    *(("soft", ground) for ground in ("good-soft", "warn-soft", "bad-soft")),
)
SHAPE_ON: tuple[tuple[str, str], ...] = (
    *((shape, "track") for shape in ("accent", "good", "warn", "bad")),
    *((shape, "surface") for shape in ("accent", "neutral", "good", "warn", "bad")),
)


def css() -> str:
    """Return the custom properties of both schemes; paper is always light."""
    light = _properties(LIGHT)
    return f":root{{color-scheme:light dark;{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{_properties(DARK)}}}}}"


def _properties(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
