# SPDX-License-Identifier: Apache-2.0
"""The types of an event's fields: what each may hold, and the one form in which it is kept.

A form is a fixed point: what it gives back is given back unchanged.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from airflow_dataops.core.metadata import limits, uris
from airflow_dataops.core.metadata.canonical import as_double

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?([Zz]|[+-](?:0\d|1[0-4]):[0-5]\d)",
    re.ASCII,
)
_MOMENT_FORM = "a time with its zone, such as 2026-01-31T12:00:00.000Z or 2026-01-31T13:00:00+01:00"
_HEX_DIGITS = {"crc32c": 8, "md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_CHECKSUM = re.compile(r"([a-z0-9]+):([0-9a-f]+)")
_KEY_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/@+=-]*")
_WORD = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(rf"({_WORD})/({_WORD})")
_PARAMETER = re.compile(r"""([A-Za-z0-9!#$&^_.+-]+)=("?)([A-Za-z0-9!#$&^_.+:/-]+)\2""")


_ATTRIBUTE_FORM = f"true, false, a number that a double holds, or a text of 1 to {limits.MESSAGE} characters"


def invalid(valid: str, *, hidden: bool = False) -> PydanticCustomError:
    """Return what a field's check raises; :mod:`.faults` tells ``valid``, and with ``hidden`` not what was received."""
    return PydanticCustomError("invalid", "{valid}", {"valid": valid, "hidden": hidden})


def _text(longest: int, *, lines: bool = False) -> Callable[[str], str]:
    control = _CONTROL_BUT_LINES if lines else _CONTROL

    def form(text: str) -> str:
        made = text if text.isascii() else unicodedata.normalize("NFC", text)
        if len(made) > longest:  # some characters are two or three in this form
            raise invalid(f"a text of at most {longest} characters")
        if control.search(made):
            raise invalid("a text without control characters")
        return made

    return form


def moment(value: Any) -> datetime:
    """Return a time in UTC, cut to milliseconds.

    Args:
        value: RFC 3339 text with a zone, or an aware datetime.

    Raises:
        PydanticCustomError: It is neither, or lies before 1970.
    """
    if isinstance(value, str) and (found := _MOMENT.fullmatch(value.strip())):
        day, hour, minute, second, fraction, zone = found.groups()
        value = f"{day}T{hour}:{minute}:{second}.{(fraction or '')[:3]:0<3}{'+00:00' if zone in 'Zz' else zone}"
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise invalid(_MOMENT_FORM) from None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise invalid(_MOMENT_FORM)
    try:
        found_at = value.astimezone(UTC)
    except OverflowError:
        raise invalid(_MOMENT_FORM) from None
    if found_at < limits.FIRST_MOMENT:
        raise invalid("a time from 1970-01-01T00:00:00Z on")
    return found_at.replace(microsecond=found_at.microsecond // 1000 * 1000)


def moment_text(value: datetime) -> str:
    """Return a time as events are written: ``2026-01-31T12:00:00.000Z``."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def milliseconds(value: datetime) -> int:
    """Return a time as milliseconds since 1970, exactly."""
    past = value - limits.FIRST_MOMENT
    return (past.days * 86_400 + past.seconds) * 1000 + past.microseconds // 1000


def _checksum(text: str) -> str:
    made = text.lower()
    found = _CHECKSUM.fullmatch(made)
    if found is None or len(found[2]) != _HEX_DIGITS.get(found[1]):
        known = ", ".join(f"{name} ({count})" for name, count in _HEX_DIGITS.items())
        raise invalid(f"an algorithm, a colon and its hex digits: {known}")
    return made


def _media_type(text: str) -> str:
    kind, *rest = (part.strip() for part in text.split(";"))
    found = [_PARAMETER.fullmatch(part) for part in rest]
    if not _MEDIA_TYPE.fullmatch(kind.lower()) or any(one is None for one in found):
        raise invalid("a media type, such as image/png or text/plain; charset=utf-8")
    named = {one[1].lower(): one[3].lower() for one in found if one}
    if len(named) < len(found):
        raise invalid("a media type that names each parameter once")
    return "; ".join([kind.lower(), *(f"{name}={named[name]}" for name in sorted(named))])


def _key(text: str) -> str:
    if not _KEY_FORM.fullmatch(text):
        raise invalid("a key of ASCII letters, digits and . _ ~ : / @ + = -, beginning with a letter or digit")
    return text


def _uri(text: str) -> str:
    try:
        return uris.normal(text)
    except uris.BadUri as bad:
        raise invalid(str(bad), hidden=bad.secret) from None


def _plus_zero(value: float) -> float:
    return value + 0.0  # of -0.0 there is no other reading


def attribute(value: Any) -> bool | int | float | str:
    """Return the value of an attribute in its one form: a number is an integer where it is whole, so that 1 and 1.0 are one.

    Raises:
        PydanticCustomError: It is no text, number or boolean, or too long, too large, not finite, not to be encoded.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (text := value.strip()) and len(text) <= limits.MESSAGE and _encodes(text):
        return _ATTRIBUTE_TEXT(text)
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float) and math.isfinite(value):
        whole = value.is_integer() and abs(value) <= limits.LARGEST_INTEGER
        return int(value) if whole else value
    raise invalid(_ATTRIBUTE_FORM)


def _whole(value: int) -> int | float:
    try:
        return value if abs(value) <= limits.LARGEST_INTEGER else as_double(value)
    except ValueError:
        raise invalid(_ATTRIBUTE_FORM) from None


def _encodes(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _of_text(longest: int, *, lines: bool = False) -> Any:
    bounds = StringConstraints(strip_whitespace=True, min_length=1, max_length=longest)
    return Annotated[str, bounds, AfterValidator(_text(longest, lines=lines))]


_ATTRIBUTE_TEXT = _text(limits.MESSAGE, lines=True)
_ATTRIBUTE_SCHEMA = {
    "anyOf": [{"type": "boolean"}, {"type": "number"}, {"type": "string", "minLength": 1, "maxLength": limits.MESSAGE}]
}

Name = _of_text(limits.NAME)
Message = _of_text(limits.MESSAGE, lines=True)
_CHECKSUM_TEXT = r"^[A-Za-z0-9]+:[0-9A-Fa-f]{8,128}$"
Key = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.KEY), AfterValidator(_key),
    Field(json_schema_extra={"pattern": f"^{_KEY_FORM.pattern}$"}),
]  # fmt: skip
Uri = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.URI), AfterValidator(_uri)
]
Checksum = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.NAME), AfterValidator(_checksum),
    Field(json_schema_extra={"pattern": _CHECKSUM_TEXT}),
]  # fmt: skip
MediaType = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=limits.NAME), AfterValidator(_media_type)
]
Moment = Annotated[datetime, BeforeValidator(moment), PlainSerializer(moment_text, return_type=str, when_used="json")]
Finite = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_plus_zero)]
Count = Annotated[int, Field(ge=0, le=limits.LARGEST_INTEGER)]
AttributeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
AttributeValue = Annotated[Any, PlainValidator(attribute), WithJsonSchema(_ATTRIBUTE_SCHEMA)]

__all__ = [
    "AttributeName", "AttributeValue", "Checksum", "Count", "Finite", "Key", "MediaType", "Message", "Moment", "Name", "Uri",
    "attribute", "invalid", "milliseconds", "moment", "moment_text",
]  # fmt: skip
