# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from airflow_dataops.core.spark_k8s.quantities import (
    LARGEST,
    MIB,
    Cpu,
    CpuAmount,
    Memory,
    MemoryAmount,
    memory_bytes,
    quantity,
    spark_memory_mib,
)

SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)}
NO_QUANTITY = [
    "",
    " ",
    "m",
    ".",
    "-",
    "1 Gi",
    "1gi",
    "1KI",
    "1K",
    "1ee3",
    "1e",
    "1e3Mi",
    "0x10",
    "1_000",
    "١",
    "1,5",
    "inf",
    "nan",
    "½",
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", Fraction(1, 2)),
        ("0.5", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("+1", 1),
        ("-1", -1),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12E-2", Fraction(12, 100)),
        ("1E", 10**18),
        ("1.5Gi", 3 * 2**29),
        ("100u", Fraction(1, 10**4)),
        ("7n", Fraction(7, 10**9)),
    ],
)
def test_each_form_of_a_quantity(text: str, value: Fraction) -> None:
    assert quantity(text) == value


@given(st.integers(0, 10**6), st.sampled_from(sorted({**SUFFIXES, **BINARY}.items())))
def test_a_suffix_multiplies(number: int, suffix: tuple[str, int]) -> None:
    name, factor = suffix
    if number * factor <= LARGEST:
        assert quantity(f"{number}{name}") == number * factor


NUMBERS = st.from_regex(r"[+-]?([0-9]{1,6}(\.[0-9]{0,6})?|\.[0-9]{1,6})", fullmatch=True)
SCALES = [
    *({**SUFFIXES, **BINARY}.items()),
    *((name, Fraction(1, 1000**power)) for power, name in enumerate("mun", start=1)),
    *(
        (f"{letter}{power:{sign}}", Fraction(10) ** power)
        for letter in "eE"
        for sign in ("", "+")
        for power in range(-12, 13)
    ),
]


@given(NUMBERS, st.sampled_from(SCALES))
def test_every_form_has_the_value_that_it_says(number: str, scale: tuple[str, Fraction | int]) -> None:
    """A sign, digits on either side of a point or on both, and a suffix or an exponent."""
    name, factor = scale
    whole, _, part = number.lstrip("+-").partition(".")
    value = (int(whole or 0) + Fraction(int(part or 0), 10 ** len(part))) * factor
    value = -value if number.startswith("-") else value
    if abs(value) <= LARGEST:
        assert quantity(f"{number}{name}") == value


@pytest.mark.parametrize("text", [*NO_QUANTITY, "9" * 41, "1e99", "8Ei", "1e999999999999", "\n1"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        quantity(text)


@given(st.text())
def test_any_text_is_a_number_or_refused(text: str) -> None:
    for read in (quantity, memory_bytes, spark_memory_mib):
        try:
            assert read(text) >= 0 or text.strip().startswith("-")
        except ValueError:
            continue


@given(st.integers(1, 10**9))
def test_a_processor_amount_comes_back(millis: int) -> None:
    assert Cpu.read(str(Cpu(millis))) == Cpu(millis)


@pytest.mark.parametrize(
    ("value", "millis", "slots"),
    [
        ("500m", 500, 1),
        ("0.5", 500, 1),
        (0.5, 500, 1),
        (1, 1000, 1),
        ("1.5", 1500, 1),
        ("2", 2000, 2),
        ("2e0", 2000, 2),
        ("0.1m", 1, 1),
        ("100u", 1, 1),
        (" 1 ", 1000, 1),
        ("1k", 10**6, 1000),
    ],
)
def test_processor_amounts_are_rounded_up_to_a_thousandth_and_run_whole_tasks(
    value: Any, millis: int, slots: int
) -> None:
    assert (Cpu.read(value).millis, Cpu.read(value).slots) == (millis, slots)


@pytest.mark.parametrize(
    "value", [0, "0", "-1", -0.5, True, None, [], "two", float("nan"), float("inf"), "500M i", *NO_QUANTITY]
)
def test_what_is_no_processor_amount_is_told_how_to_write_it(value: Any) -> None:
    with pytest.raises(ValidationError, match="write 500m"):
        TypeAdapter(CpuAmount).validate_python(value)


@pytest.mark.parametrize(
    ("value", "mib"),
    [
        ("1g", 1024),
        ("512m", 512),
        ("512M", 489),
        ("512MB", 512),
        ("4GB", 4096),
        ("4gb", 4096),
        ("512Mi", 512),
        ("1.5Gi", 1536),
        ("1Ti", 1024**2),
        ("1e9", 954),
        ("1G", 954),
        ("524288k", 512),
        (1073741824, 1024),
        ("1073741825", 1025),
        ("1b", 1),
        (" 1g ", 1024),
    ],
)
def test_memory_in_the_forms_of_spark_and_kubernetes(value: Any, mib: int) -> None:
    assert Memory.read(value).mib == mib


@pytest.mark.parametrize(
    "value", [0, "0", "0g", "-1Gi", "1.5g", "0.5m", "512 Mi", "9Ei", "9999999999p", True, None, {}, "big", "1Kb"]
)
def test_what_is_no_memory_is_told_how_to_write_it(value: Any) -> None:
    if value == "1Kb":  # Spark's own: small and capital letters are one to it
        assert Memory.read(value) == Memory(1)
        return
    with pytest.raises(ValidationError, match="write 1g"):
        TypeAdapter(MemoryAmount).validate_python(value)


@given(st.integers(1, 2**40))
def test_memory_comes_back_from_either_form(mib: int) -> None:
    assert Memory.read(Memory(mib).spark) == Memory(mib) == Memory.read(str(Memory(mib)))
    assert spark_memory_mib(Memory(mib).spark) == mib
    assert quantity(str(Memory(mib))) == mib * MIB


@given(st.integers(1, LARGEST))
def test_memory_is_never_less_than_asked_for_and_less_than_a_mib_more(size: int) -> None:
    assert 0 <= Memory.read(str(size)).mib * MIB - size < MIB


@pytest.mark.parametrize(("text", "mib"), [("1g", 1024), ("512", 512), ("1500k", 1), ("2GB", 2048), ("1T", 1024**2)])
def test_a_property_is_read_as_spark_reads_it(text: str, mib: int) -> None:
    assert spark_memory_mib(text) == mib


@pytest.mark.parametrize("text", ["", "1.5g", "512Mi", "g", "-1g", "1e3", "٣", "1 g"])
def test_a_property_that_spark_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no size that Spark reads"):
        spark_memory_mib(text)


def test_amounts_are_written_as_kubernetes_writes_them() -> None:
    both = TypeAdapter(tuple[CpuAmount, MemoryAmount])
    assert both.dump_python((Cpu(1500), Memory(512)), mode="json") == ["1500m", "512Mi"]
    assert both.validate_json(both.dump_json((Cpu(2000), Memory(1)))) == (Cpu(2000), Memory(1))
