# SPDX-License-Identifier: Apache-2.0
"""Say how a Kafka consumer group does: how far behind, in records and in time, whether it stands still, went back or loses data.

Nothing joins the group and nothing is committed; DESCRIBE on the group and on its topics is enough. One look sees what is the case
now. What stands still or grows is seen by several: --samples 3, or --watch.

Where the brokers are and who asks comes from, each before the one after it: --bootstrap; --config FILE (JSON, or name=value lines, as
Kafka's own tools take them with librdkafka's names) or --conn ID (AIRFLOW_CONN_<ID>, of type kafka); and the environment, where
KAFKA_SASL_PASSWORD is sasl.password: KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL, KAFKA_SSL_CA_LOCATION, …
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.clients.kafka_health.watch import Watched
    from airflow_dataops.core.kafka_health.check import HealthCheck

EXAMPLES = """\
examples:
  dataops kafka-health edge-worker --bootstrap broker-1:9092
  dataops kafka-health edge-worker --conn kafka_prod --topic gpu-metadata --lag-critical 10000 --delay-warning 5m
  dataops kafka-health edge-worker --config client.properties --samples 3 --interval 10s      does it stand still?
  dataops kafka-health edge-worker --config client.json --watch --interval 5s                 until Ctrl-C
  dataops kafka-health edge-worker --json | jq -r '.findings[] | "\\(.code) \\(.message)"'

colours: where the output is a terminal; never with NO_COLOR set
exit status: 0 ok, 4 a warning, 5 not known (no broker, no right, no time), 1 critical, or the command failed, 2 wrong usage
"""

STATUS = {"ok": 0, "critical": 1, "warning": 4, "unknown": 5}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("group", metavar="GROUP", help="the consumer group")
    where = parser.add_argument_group("where and who")
    where.add_argument("--bootstrap", metavar="HOST:PORT[,…]", help="brokers to ask first")
    source = where.add_mutually_exclusive_group()
    source.add_argument("--config", metavar="FILE", help="settings of the client: JSON, or lines name=value")
    source.add_argument("--conn", metavar="ID", help="take them from AIRFLOW_CONN_<ID>, of type kafka")
    where.add_argument("--ssh-conn", metavar="ID", help="brokers behind a bastion: AIRFLOW_CONN_<ID>, of type ssh")
    what = parser.add_argument_group("what")
    what.add_argument("--topic", action="append", metavar="NAME", help="only this topic, or pattern; may be repeated")
    what.add_argument("--exclude", action="append", metavar="NAME", help="leave this one out; may be repeated")
    what.add_argument("--policy", help="strict (default), or burrow: the rules of LinkedIn's Burrow alone")
    what.add_argument("--allowed-lag", metavar="N", help="most records that may wait in a partition (default: 0)")
    for name, unit in (("lag", "N"), ("total-lag", "N"), ("delay", "TIME")):
        for level in ("warning", "critical"):
            said = {"lag": "records in a partition", "total-lag": "records in all", "delay": "age of a waiting record"}
            what.add_argument(f"--{name}-{level}", metavar=unit, help=f"{level} above that: {said[name]}")
    looks = parser.add_argument_group("looks")
    looks.add_argument("--samples", type=int, metavar="N", help="look so often, and judge what was seen (default: 1)")
    looks.add_argument("--interval", metavar="TIME", help="time between two looks (default: 10s)")
    looks.add_argument("--timeout", metavar="TIME", help="longest time of a look (default: 30s)")
    looks.add_argument("--watch", action="store_true", help="look again and again, until Ctrl-C")
    shown = parser.add_argument_group("output")
    shown.add_argument("--worst", metavar="N", help="so many partitions and findings (default: 10)")
    shown.add_argument("--json", action="store_true", help="print a JSON document; with --watch one a line")


def run(arguments: argparse.Namespace) -> int:
    """Look, print, and return the exit status.

    Raises:
        SpecError: An option cannot be meant (``USAGE``), or the connection (``KAFKA_CONNECTION``).
    """
    from airflow_dataops.clients.drive import run_blocking

    return run_blocking(_looked(arguments, _check(arguments)))


async def _looked(arguments: argparse.Namespace, check: HealthCheck) -> int:
    """Look once, or until somebody interrupts."""
    import asyncio

    from airflow_dataops.clients.kafka_health.watch import Watch
    from airflow_dataops.core.kafka_health.course import course_of
    from dag_factories.cli._kafka_access import access_of

    async def access() -> Any:
        return await asyncio.to_thread(access_of, arguments)

    watch = Watch(check, access)
    watched = await watch.follow(course_of(check))
    _print(arguments, check, watched)
    while arguments.watch:
        await watch.sleep(check.interval.total_seconds())
        watched = await watch.follow(course_of(check), watched.window, most=1)
        _print(arguments, check, watched)
    return STATUS[watched.verdict.severity.value]


def _check(arguments: argparse.Namespace) -> HealthCheck:
    from airflow_dataops.core.errors import SpecError
    from airflow_dataops.core.kafka_health.check import parse

    limits = {
        name: {
            level: value
            for level in ("warning", "critical")
            if (value := getattr(arguments, f"{name}_{level}")) is not None
        }
        for name in ("lag", "total_lag", "delay")
    }
    given: dict[str, Any] = {
        **{name: value for name, value in limits.items() if value},
        "group": arguments.group,
        "topics": arguments.topic,
        "exclude_topics": arguments.exclude,
        "policy": arguments.policy,
        "allowed_lag": arguments.allowed_lag,
        "looks": arguments.samples,
        "interval": arguments.interval or "10s",
        "min_distance": "1s",
        "timeout": arguments.timeout,
        "worst": arguments.worst,
        "window": max(10, arguments.samples or 0),
    }
    try:
        return parse({name: value for name, value in given.items() if value is not None})
    except SpecError as error:
        raise SpecError(error.message, hint=error.hint, code="USAGE") from None


def _print(arguments: argparse.Namespace, check: HealthCheck, watched: Watched) -> None:
    from airflow_dataops.core.kafka_health.report import document_of
    from dag_factories.cli._kafka_table import coloured, table_of

    if arguments.json:
        told = document_of(watched.verdict, check.worst)
        print(json.dumps(told, ensure_ascii=False, indent=None if arguments.watch else 2), flush=True)
        return
    is_terminal = sys.stdout.isatty()
    if arguments.watch and is_terminal:
        sys.stdout.write("\x1b[H\x1b[2J")
    print(table_of(watched.verdict, check.worst, colours=coloured(is_terminal)), flush=True)
    if arguments.watch and not is_terminal:
        print(flush=True)
