# SPDX-License-Identifier: Apache-2.0
"""The forms of names and addresses that Kubernetes and Spark take."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airflow_dataops.core.checked import Fault

_LABEL_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DNS_LABEL = re.compile(_DNS_LABEL)
SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_DNS_LABEL}(\.{_DNS_LABEL})*")
LABEL_KEY = re.compile(rf"((?=[^/]{{1,253}}/){_DNS_LABEL}(\.{_DNS_LABEL})*/)?{_LABEL_NAME}")
LABEL_VALUE = re.compile(rf"({_LABEL_NAME})?")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
CLASS = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
VERSION = re.compile(r"(3\.5|4\.[0-9]{1,2})(\.[0-9]{1,3}(-[a-z0-9]+)?)?")
PROPERTY = re.compile(r"spark\.[!-~]+")
URI = re.compile(r"[a-z][a-z0-9+.-]*:/[^\s,]+")
URL = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")
SPARK_MASTER = re.compile(r"spark://[^\s/@,]+:[0-9]{1,5}(,[^\s/@,]+:[0-9]{1,5})*|local(\[([0-9]+|\*)(,[0-9]+)?\])?")

DNS_LABEL_VALID = "1 to 63 of a-z, 0-9 and -, a letter or digit at both ends"
SUBDOMAIN_VALID = "1 to 253 of a-z, 0-9, - and ., a letter or digit at both ends of each part"
LABEL_KEY_VALID = "[prefix/]name, the name 1 to 63 of letters, digits, -, _ and ., the prefix a DNS name"
LABEL_VALUE_VALID = "at most 63 of letters, digits, -, _ and ., a letter or digit at both ends"
VARIABLE_VALID = "letters, digits and _, no digit first"


def form(path: str, code: str, value: str | None, pattern: re.Pattern[str], valid: str) -> Iterator[Fault]:
    """Give the fault of a value that is there and has another form."""
    if value is not None and pattern.fullmatch(value) is None:
        yield Fault(path, code, f"{shown(value)}: {valid}")


def shown(value: str) -> str:
    """Return a value for a message: quoted, and cut where it is long."""
    return repr(value if len(value) <= 100 else value[:99] + "…")
