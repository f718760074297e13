# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.spark_k8s.properties import properties_file

CHARACTERS = st.characters(codec="utf-8") | st.sampled_from(list(" \t\f\n\r\\=:#!u"))
texts = st.text(CHARACTERS, max_size=20)


def load(text: str) -> dict[str, str]:
    """Read a file as the documentation of ``java.util.Properties.load(Reader)`` says."""
    found: dict[str, str] = {}
    lines = iter(re.split(r"\r\n|\n|\r", text))
    for line in lines:
        whole = line.lstrip(" \t\f")
        if not whole or whole[0] in "#!":
            continue
        while (len(whole) - len(whole.rstrip("\\"))) % 2:
            whole = whole[:-1] + next(lines, "").lstrip(" \t\f")
        end = 0
        while end < len(whole) and whole[end] not in "=: \t\f":
            end += 2 if whole[end] == "\\" else 1
        rest = whole[end:].lstrip(" \t\f")
        rest = rest[1:].lstrip(" \t\f") if rest[:1] in ("=", ":") else rest
        found[unescape(whole[:end])] = unescape(rest)
    return found


def unescape(text: str) -> str:
    one = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
    parts = re.sub(
        r"\\(?:u([0-9a-fA-F]{4})|(.))",
        lambda found: chr(int(found[1], 16)) if found[1] else one.get(found[2], found[2]),
        text,
        flags=re.DOTALL,
    )
    return parts.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@given(st.dictionaries(texts.filter(bool), texts, max_size=5))
def test_what_is_written_is_what_java_reads(conf: dict[str, str]) -> None:
    assert load(properties_file(conf)) == conf


@given(st.dictionaries(texts.filter(bool), texts, max_size=5))
def test_the_file_is_plain_ascii_with_a_property_a_line(conf: dict[str, str]) -> None:
    written = properties_file(conf)
    assert written.isascii()
    assert len(written.splitlines()) == len(conf)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("spark.a", "b", "spark.a=b"),
        ("spark.a", "x=y:z #!", "spark.a=x=y:z #!"),
        ("spark.a b=c:d", "1", "spark.a\\ b\\=c\\:d=1"),
        ("spark.a", " 1\n2\\", "spark.a=\\ 1\\n2\\\\"),
        ("#spark.a", "ä", "\\#spark.a=\\u00e4"),
        ("spark.a", "🎈", "spark.a=\\ud83c\\udf88"),
        ("spark.a", "", "spark.a="),
    ],
)
def test_how_it_is_escaped(key: str, value: str, line: str) -> None:
    assert properties_file({key: value}) == f"{line}\n"


def test_the_order_does_not_depend_on_the_documents() -> None:
    assert properties_file({"b": "1", "a": "2"}) == properties_file({"a": "2", "b": "1"}) == "a=2\nb=1\n"
