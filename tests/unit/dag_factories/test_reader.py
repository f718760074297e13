# SPDX-License-Identifier: Apache-2.0
"""Text to data: what YAML 1.2 says, limits that hold, and no way to crash or to hang."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dag_factories.project import ReadLimits
from dag_factories.reader import parse, read

LIMITS = ReadLimits(file_bytes=4096, nodes=500, depth=12)


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2013-01-01", "2013-01-01"),
        ("010", "010"),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("~", None),
        ("true", True),
        ("'!x'", "!x"),
        ("a != b", "a != b"),
    ],
)
def test_a_value_is_what_yaml_1_2_says(text: str, value: object) -> None:
    document = parse(f"key: {text}\n".encode(), "f")
    assert document.findings == ()
    assert document.data == {"key": value}


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    document = parse(b"\xef\xbb\xbfkey: 1\n", "f")
    assert document.data == {"key": 1}
    assert document.find(("key",)) == (1, 6)


def test_aliases_within_the_limits_are_written_out() -> None:
    document = parse(b"a: &x [1, 2]\nb: *x\n", "f")
    assert document.data == {"a": [1, 2], "b": [1, 2]}
    assert document.findings == ()


@pytest.mark.parametrize("text", [bomb(5), bomb(30), "a: &a [*a]", "a: &a {b: &b [*a, *b]}"])
def test_aliases_that_grow_are_refused_at_once(text: str) -> None:
    before = time.process_time()
    document = parse(text.encode(), "f")
    assert document.data == {}
    assert {finding.code for finding in document.findings} <= {"LIMIT_NODES", "LIMIT_DEPTH"}
    assert document.findings
    assert time.process_time() - before < 5


def test_a_chain_of_aliases_counts_as_depth() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60)]
    assert {f.code for f in parse("\n".join(lines).encode(), "f").findings} == {"LIMIT_DEPTH"}


@pytest.mark.parametrize("text", ["[" * 5000, "- " * 2000 + "x", "{a: " * 3000, "a: " + "[" * 100 + "]" * 100])
def test_depth_is_refused(text: str) -> None:
    assert {f.code for f in parse(text.encode(), "f").findings} <= {"LIMIT_DEPTH", "YAML_SYNTAX"}


def test_many_values_are_refused() -> None:
    text = "a: [" + ", ".join("1" for _ in range(600)) + "]"
    assert [f.code for f in parse(text.encode(), "f", LIMITS).findings] == ["LIMIT_NODES"]


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with path.open("wb") as stream:
        stream.truncate(10**9)
    document = read(path, "x.yaml")
    assert [f.code for f in document.findings] == ["FILE_TOO_LARGE"]


def test_a_missing_file_and_a_folder_are_findings(tmp_path: Path) -> None:
    assert [f.code for f in read(tmp_path / "no.yaml", "no.yaml").findings] == ["FILE_MISSING"]
    assert [f.code for f in read(tmp_path, "folder").findings] == ["FILE_UNREADABLE"]


def test_every_fault_of_the_structure_is_told() -> None:
    text = "a: 1\na: 2\nb: !x y\nc: {d: 1, d: 2}\n"
    codes = [f.code for f in parse(text.encode(), "f").findings]
    assert sorted(codes) == ["DUPLICATE_KEY", "DUPLICATE_KEY", "UNKNOWN_TAG"]


def test_the_first_of_a_repeated_key_is_read_on_with() -> None:
    assert parse(b"a: 1\na: 2\nb: 2024-01-01\n", "f").data == {"a": 1, "b": "2024-01-01"}


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=200)
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    document = parse(content, "f", LIMITS)
    lines = document.text.count("\n") + 2
    assert document.data or document.findings or content.strip() == b"" or document.text.strip()
    assert all(
        1 <= finding.line <= max(lines, content.count(b"\n") + content.count(b"\r") + 2)
        for finding in document.findings
    )


_PIECES = st.sampled_from(
    [
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "!t ",
        "'",
        '"',
        "# c",
        "|\n  ",
        "? ",
        ": ",
        "---\n",
        "<<: ",
        "\t",
        "é",
        "%",
    ]
)


@given(st.lists(_PIECES, max_size=40).map("".join))
@settings(deadline=None, max_examples=400)
def test_no_text_crashes_the_reader_and_data_stays_within_the_limits(text: str) -> None:
    document = parse(text.encode(), "f", LIMITS)
    assert depth_of(document.data) <= LIMITS.depth + 1
    if not document.findings:
        assert document.data
    for finding in document.findings:
        assert finding.line >= 1
        assert finding.column >= 1


def depth_of(value: object) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + max((depth_of(child) for child in children), default=0)
