# SPDX-License-Identifier: Apache-2.0
"""The page as a browser and a screen reader take it: structure, figures, escaping, bounds."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_dataops.core.refine.history import Point
from airflow_dataops.core.refine.spec import RunResult
from airflow_dataops.report.page import render

VOID = {"meta", "link", "br", "hr", "img", "input"}
MakeRun = Callable[..., RunResult]
EVIL = "<script>alert(1)</script>\"'&{{7*7}}</style></svg>\u202e\x00\ud800"


class Page(HTMLParser):
    """Elements in order, with a check that every one is closed where it must be."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes another element")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(data for tag, data in self.texts if tag != "style").replace("\u00a0", " ")


@pytest.fixture
def page(make_run: MakeRun, history: list[Point]) -> Page:
    return Page(render(make_run(), history))


def test_every_element_is_closed(page: Page) -> None:
    assert page.faults == []


def test_nothing_is_loaded_and_nothing_runs(page: Page) -> None:
    assert not page.all("script")
    for _tag, attributes in page.elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action", "formaction")
        ]
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,"))
    styles = " ".join(data for tag, data in page.texts if tag == "style") + " ".join(
        a.get("style") or "" for _t, a in page.elements
    )
    assert "url(" not in styles
    assert "@import" not in styles


def test_a_policy_forbids_what_is_not_needed(page: Page) -> None:
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in (policy or "")
    assert "script" not in (policy or "")


def test_ids_are_unique_and_references_lead_somewhere(page: Page) -> None:
    ids = Counter(attributes["id"] for _tag, attributes in page.elements if "id" in attributes)
    assert [ident for ident, times in ids.items() if times > 1] == []
    wanted = {a["href"][1:] for a in page.all("a") if a.get("href")}  # type: ignore[index]
    wanted |= {part for _t, a in page.elements for part in (a.get("aria-labelledby") or "").split()}
    assert wanted <= set(ids)


def test_headings_go_one_level_at_a_time_and_there_is_one_title(page: Page) -> None:
    levels = [int(tag[1]) for tag, _a in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_page_says_its_language_and_has_a_skip_link_first(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0] == {"class": "skip", "href": "#main"}


def test_every_table_has_a_caption_and_every_header_a_scope(page: Page) -> None:
    assert len(page.all("caption")) == len(page.all("table")) > 0
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.all("th"))


def test_charts_have_names_and_what_scrolls_can_be_reached_by_key(page: Page) -> None:
    assert page.all("svg")
    assert all(a["role"] == "img" and a["aria-labelledby"] for a in page.all("svg"))
    boxes = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert boxes
    assert all(a["tabindex"] == "0" and a["role"] == "region" and a["aria-label"] for a in boxes)


def test_every_rule_is_there_with_its_exact_figures(page: Page, make_run: MakeRun) -> None:
    for step in make_run().steps:
        for rule in step.get("rules", []):
            assert rule["id"] in page.text
            if rule["row_rule"]:
                assert f"{rule['unexpected']:,} of {rule['evaluated']:,}" in page.text


@pytest.mark.parametrize(
    "figure", ["336,776", "8,255", "458", "328,063", "97.55 %", "99.25 %", "97.20 %", "95.00 % is enough"]
)
def test_the_figures_of_the_run_are_exact(page: Page, figure: str) -> None:
    assert figure in page.text


def test_a_rule_says_what_was_expected_and_not_the_counts_twice(
    make_run: MakeRun, step_documents: dict[str, Any]
) -> None:
    rule = step_documents["gate_bronze"]["rules"][2]
    rule["message"] = "dep_time is not null: 8255 of 336776 rows break it (97.55 % hold)"
    page = Page(render(make_run(step_documents)))
    assert ("span", "dep_time is not null") in page.texts


def test_nulls_are_shown_before_and_after(page: Page) -> None:
    assert "air_time float64 2.80 % 9,430 0.22 % 717" in re.sub(r"\s+", " ", page.text)
    assert "13 columns without nulls" in page.text


def test_examples_show_what_the_result_holds_and_no_more(page: Page) -> None:
    assert "8a1f5e0c77b3d2946f0e1cb5d8a4437e" in page.text
    assert "N18120" not in page.text


def test_the_verdict_is_a_word_not_only_a_colour(page: Page) -> None:
    assert ("h2", "Quarantined") in page.texts
    words = {data for tag, data in page.texts if tag == "span"}
    assert {"failed", "warned", "passed"} <= words


def test_history_has_charts_and_the_same_as_a_table(page: Page, history: list[Point]) -> None:
    assert len([a for a in page.all("svg") if a["class"] == "chart line"]) == 3
    assert page.text.count("quarantined") > len(history) / 2


def test_a_first_run_has_no_history(make_run: MakeRun) -> None:
    assert "first run on record" in Page(render(make_run())).text


def test_a_run_of_which_nothing_is_known_has_a_page(make_run: MakeRun) -> None:
    page = Page(render(make_run({})))
    assert page.faults == []
    for part in ("Failed", "Nothing was published", "left no result", "No rows were read.", "No gate left a result."):
        assert part in page.text


def test_a_failed_step_shows_its_message_and_what_to_do(make_run: MakeRun, step_documents: dict[str, Any]) -> None:
    error = {"code": "SOURCE_MISSING", "message": "nothing matches /lake/bronze", "hint": "check source.path"}
    base = {key: step_documents["refine"][key] for key in ("job", "task", "run")}
    page = Page(render(make_run({"refine": {**base, "status": "failed", "error": error}})))
    assert "SOURCE_MISSING: nothing matches /lake/bronze" in page.text
    assert "To do: check source.path" in page.text


def evil_documents(documents: dict[str, Any], text: str) -> dict[str, Any]:
    gate = documents["gate_bronze"]
    gate["reasons"] = [text]
    gate["quarantine_uri"] = text
    gate["columns"] = [{"name": text, "type": text, "rows": 10, "nulls": 5}]
    gate["seconds"] = {text: 1.0, "total": 1.0}
    gate["versions"] = {text: text}
    rule = gate["rules"][2]
    gate["rules"][2] = {
        **rule,
        "id": text,
        "message": text,
        "columns": [text],
        "observed": text,
        "examples": [{text: text, "b": [text]}],
    }
    documents["refine"]["drift"] = [text]
    documents["refine"]["rows"] = {"read": 328_521, "dropped": {text: 458}, "written": 328_063}
    documents["publish"]["table"] = text
    return documents


def test_markup_in_names_and_values_stays_text(make_run: MakeRun, step_documents: dict[str, Any]) -> None:
    html = render(make_run(evil_documents(step_documents, EVIL), title=EVIL))
    page = Page(html)
    assert page.faults == []
    assert not page.all("script")
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text
    html.encode("utf-8")
    assert not set(html) & {"\x00", "\u202e"}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=60) | st.text("<>&\"'/{}%#`= \x00\ud800", max_size=60))
def test_no_text_breaks_the_markup(text: str, make_run: MakeRun, sample: Callable[[], dict[str, Any]]) -> None:
    html = render(make_run(evil_documents(sample(), "~" + text), title=text))
    page = Page(html)
    html.encode("utf-8")
    plain = Page(render(make_run(evil_documents(sample(), "x"), title="x")))
    assert page.faults == []
    assert Counter(tag for tag, _a in page.elements) == Counter(tag for tag, _a in plain.elements)


def test_a_very_large_run_makes_a_bounded_page(make_run: MakeRun, step_documents: dict[str, Any]) -> None:
    long = "x" * 10_000
    gate, refine = step_documents["gate_bronze"], step_documents["refine"]
    gate["rules"] = [
        {**gate["rules"][2], "id": f"rule-{n} {long}", "examples": [{long + str(c): long for c in range(60)}] * 5}
        for n in range(400)
    ]
    gate["reasons"] = [f"{n} {long}" for n in range(400)]
    gate["columns"] = [{"name": f"c{n}{long}", "type": long, "rows": 9, "nulls": n % 9} for n in range(900)]
    refine["rows"]["dropped"] = {f"cause {n} {long}": 1 for n in range(458)}
    html = render(make_run(step_documents))
    page = Page(html)
    assert page.faults == []
    assert "200 more rules are in" in page.text
    assert "more columns with fewer nulls" in page.text
    assert "161 more rules have examples" in page.text
    assert "389 more in" in page.text
    assert len(html) < 4_000_000
