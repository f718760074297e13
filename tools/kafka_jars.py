#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetches the jars of the Kafka of the tests with Maven, once, and prints their folder; where they cannot be had it says why (exit code 1).

tools/kafka_jars.py                 into ~/.cache/airflow-dataops/kafka-VERSION
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.services import kafka_server


def main() -> int:
    """Fetch them."""
    reason = kafka_server.missing()
    print(reason or kafka_server.JARS, file=sys.stderr if reason else sys.stdout)
    return int(reason is not None)


if __name__ == "__main__":
    sys.exit(main())
