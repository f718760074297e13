# SPDX-License-Identifier: Apache-2.0
"""Amounts of processor and memory, as Kubernetes and Spark each write them.

Kubernetes: a decimal number and a suffix (``m``, none, ``k`` to ``E``, ``Ki`` to ``Ei``, or an exponent), as in
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/. Spark: whole numbers and binary units in letters of any
case, ``512m`` or ``4gb``. The two contradict one another at ``k`` and ``m``: :func:`memory_bytes` says who is heard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

MIB = 1024**2
LARGEST = 2**63 - 1

_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)(?P<number>\d+\.?\d*|\.\d+)(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?\d+))?",
    re.ASCII,
)
_SUFFIXES: dict[str | None, Fraction] = {
    None: Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(1000),
    **{letter: Fraction(1000**power) for power, letter in enumerate("MGTPE", start=2)},
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", start=1)},
}
_SPARK = re.compile(r"(?P<number>\d+)(?P<unit>[bkmgtp]|[kmgtp]b)", re.IGNORECASE | re.ASCII)
_SPARK_UNITS: dict[str, int] = {"b": 1, **{letter: 1024**power for power, letter in enumerate("kmgtp", start=1)}}
_LONGEST = 40  # nobody writes more digits, and a crafted exponent must not fill the memory
_CPU_VALID = "500m, 0.5, 1 or 2"
_MEMORY_VALID = "1g, 512m, 1Gi or 512Mi"


def quantity(text: str) -> Fraction:
    """Return the value of a Kubernetes quantity, exactly.

    Args:
        text: ``500m``, ``0.5``, ``1.5Gi``, ``1e3``, ``12E2``, ``.5``, ``5.``, ``+1``.

    Raises:
        ValueError: It is none, or its magnitude is over 2^63-1.
    """
    found = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or abs(int(found["exponent"] or 0)) > _LONGEST:
        raise ValueError(f"{text[:_LONGEST]!r} is no Kubernetes quantity")
    value = Fraction(f"{found['sign']}{_digits(found['number'])}") * _SUFFIXES[found["suffix"]]
    if found["exponent"]:
        value *= Fraction(10) ** int(found["exponent"])
    if abs(value) > LARGEST:
        raise ValueError(f"{text!r} is over 2^63-1, the largest Kubernetes quantity")
    return value


def memory_bytes(text: str) -> int:
    """Return an amount of memory in bytes, rounded up.

    A whole number with a small letter or with ``B`` is Spark's, in powers of 1024 (``512m``, ``1g``, ``4GB``): what Kubernetes would call
    half a byte cannot be meant. Everything else is Kubernetes's: ``512Mi``, ``1.5Gi``, ``1e9``, ``1G`` (10^9), and a bare number is bytes.

    Raises:
        ValueError: It is neither, or less than a byte.
    """
    spark = _SPARK.fullmatch(text)
    if spark is not None and len(text) <= _LONGEST and (spark["unit"].islower() or len(spark["unit"]) == 2):
        value = Fraction(int(spark["number"]) * _SPARK_UNITS[spark["unit"][0].lower()])
    else:
        value = quantity(text)
    if value < 1:
        raise ValueError(f"{text!r} is less than one byte")
    if value > LARGEST:
        raise ValueError(f"{text!r} is over 2^63-1 bytes")
    return _up(value)


def spark_memory_mib(text: str) -> int:
    """Return an amount as Spark reads it in a property whose unit is MiB: ``1g`` -> 1024, ``1500k`` -> 1, ``512`` -> 512.

    Raises:
        ValueError: Spark would refuse it.
    """
    plain = text.strip().lower()
    if plain.isdecimal() and plain.isascii() and len(plain) <= _LONGEST:
        return int(plain)
    found = _SPARK.fullmatch(plain) if len(plain) <= _LONGEST else None
    if found is None:
        raise ValueError(f"{text[:_LONGEST]!r} is no size that Spark reads; write 512m or 1g, a whole number")
    return int(found["number"]) * _SPARK_UNITS[found["unit"][0]] // MIB


@dataclass(frozen=True, order=True)
class Cpu:
    """An amount of processor time.

    Attributes:
        millis: Thousandths of a core, Kubernetes's finest step.
    """

    millis: int

    @classmethod
    def read(cls, value: str | float) -> Cpu:
        """Read a Kubernetes quantity or a number; what is finer than a thousandth is rounded up, as Kubernetes does.

        Raises:
            ValueError: It is none, or not more than 0.
        """
        exact = quantity(_number(value).strip())
        if exact <= 0:
            raise ValueError(f"{value!r} is not more than 0")
        return cls(_up(exact * 1000))

    @property
    def slots(self) -> int:
        """Tasks that Spark runs at once on so much: whole cores, at least one."""
        return max(1, self.millis // 1000)

    def __str__(self) -> str:
        """Return it as Kubernetes writes it: ``500m``, ``2``."""
        return f"{self.millis}m" if self.millis % 1000 else str(self.millis // 1000)


@dataclass(frozen=True, order=True)
class Memory:
    """An amount of memory.

    Attributes:
        mib: In MiB, which both Spark and Kubernetes can write.
    """

    mib: int

    @classmethod
    def read(cls, value: str | float) -> Memory:
        """Read either form (:func:`memory_bytes`), rounded up to a whole MiB.

        Raises:
            ValueError: It is neither.
        """
        return cls(_up(Fraction(memory_bytes(_number(value).strip()), MIB)))

    @property
    def spark(self) -> str:
        """As Spark writes it: ``1433m``."""
        return f"{self.mib}m"

    def __str__(self) -> str:
        """Return it as Kubernetes writes it: ``1433Mi``."""
        return f"{self.mib}Mi"


def _number(value: str | float) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no amount")  # noqa: TRY004 - pydantic turns it into its own error
    return value if isinstance(value, str) else repr(value)


def _digits(number: str) -> str:
    whole, _, part = number.partition(".")
    return f"{whole or '0'}.{part or '0'}"


def _up(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


def _read_cpu(value: Any) -> Any:
    return value if isinstance(value, Cpu) else _read(Cpu, value, "bad_cpu", _CPU_VALID)


def _read_memory(value: Any) -> Any:
    return value if isinstance(value, Memory) else _read(Memory, value, "bad_memory", _MEMORY_VALID)


def _read(kind: type[Cpu | Memory], value: Any, code: str, valid: str) -> Cpu | Memory:
    try:
        return kind.read(value)
    except ValueError as error:
        raise PydanticCustomError(code, "{why}; write {valid}", {"why": str(error), "valid": valid}) from error


_SCHEMA = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})
CpuAmount = Annotated[Cpu, BeforeValidator(_read_cpu), PlainSerializer(str), _SCHEMA]
"""A field that reads every form of processor amount, and is written as Kubernetes writes it."""
MemoryAmount = Annotated[Memory, BeforeValidator(_read_memory), PlainSerializer(str), _SCHEMA]
"""The same for memory."""
