# SPDX-License-Identifier: Apache-2.0
"""Send dead letters of metadata events back to the topic that they came from, after a fix.

A dead letter is a record that the worker could not take, with the reason beside it. Once its cause is mended (a newer worker, other
transforms, a rule of the database), it goes back as it was, and the worker takes it as any other. What was gone over is committed for a
group of the replay's own (--group), so that a second call begins where the first one ended and sends nothing twice. Letters that --reason
and --since leave out are gone over, too: give another --group to look at them again, or where the topic was made anew.
--dry-run counts, and sends and commits nothing.

Kafka's address and properties are those of `dataops run-worker`. It needs READ on the dead letters' topic and its group, and WRITE on the
topic that they go to.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dag_factories.cli._metadata import add_kafka

if TYPE_CHECKING:
    from airflow_dataops.jobs.metadata.replay import Choice, Replayed

EXAMPLES = """\
examples:
  dataops replay --bootstrap localhost:9092 --dry-run
  dataops replay --config kafka.properties --reason NEWER_VERSION --since 2026-01-31T12:00:00Z
  dataops replay --config kafka.properties --limit 1 --to gpu-metadata-test

exit status: 0 all that were chosen went back, 1 some could not, or Kafka is away, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_kafka(parser)
    parser.add_argument("--to", metavar="TOPIC", help="where they go (default: where each first came from)")
    parser.add_argument("--group", default="metadata-replay", help="whose offsets are kept (default: metadata-replay)")
    parser.add_argument(
        "--reason", action="append", default=[], metavar="NAME", help="only of this reason, as NOT_JSON; again for more"
    )
    parser.add_argument("--since", metavar="TIME", help="only what failed from then on: 2026-01-31T12:00:00Z")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many; the others are for the next call")
    parser.add_argument("--dry-run", action="store_true", help="count what would go back")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Send them back, and return the exit status."""
    from airflow_dataops.clients.metadata.kafka_log import KafkaLog
    from airflow_dataops.clients.metadata.kafka_producer import letter_producer
    from airflow_dataops.clients.metadata.kafka_settings import find_settings
    from airflow_dataops.core.metadata.dead_letter import DEAD_TOPIC
    from airflow_dataops.jobs.metadata.replay import replay

    choice = _choice(arguments)
    kafka = find_settings(arguments.bootstrap, arguments.config, os.environ)
    log = KafkaLog(kafka, arguments.dead_topic or DEAD_TOPIC, arguments.group)
    publisher = letter_producer(kafka)
    try:
        done = replay(log, publisher, choice, tell=_tell if sys.stderr.isatty() else lambda _: None)
    finally:
        publisher.close()
        log.close()
    _print(done, arguments)
    return int(bool(done.too_large or done.cut))


def _choice(arguments: argparse.Namespace) -> Choice:
    from airflow_dataops.core.errors import SpecError, unknown_name
    from airflow_dataops.core.metadata.faults import Reason
    from airflow_dataops.jobs.metadata.replay import Choice

    known = [reason.value for reason in Reason]
    wrong = next((name for name in arguments.reason if name not in known), None)
    if wrong is not None:
        raise unknown_name("reason", wrong, known, code="USAGE")
    if arguments.limit is not None and arguments.limit < 1:
        raise SpecError(f"--limit {arguments.limit} sends nothing", hint="--limit 100, or --dry-run", code="USAGE")
    try:
        since = datetime.fromisoformat(arguments.since) if arguments.since else datetime.fromtimestamp(0, UTC)
    except ValueError:
        hint = "write 2026-01-31T12:00:00Z"
        raise SpecError(f"--since {arguments.since!r} is no time", hint=hint, code="USAGE") from None
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    reasons = frozenset(Reason(name) for name in arguments.reason)
    topic = arguments.to or arguments.topic
    return Choice(reasons, int(since.timestamp() * 1000), arguments.limit, topic, arguments.dry_run)


def _tell(done: Replayed) -> None:
    print(
        f"\r{done.sent.total():,} sent back, {done.passed.total():,} passed over", end="", file=sys.stderr, flush=True
    )


def _print(done: Replayed, arguments: argparse.Namespace) -> None:
    counts = {
        "sent": dict(sorted(done.sent.items())), "passed": dict(sorted(done.passed.items())), "cut": done.cut, "foreign": done.foreign,
        "too_large": done.too_large, "left": done.left, "lost": done.lost, "dry_run": arguments.dry_run,
    }  # fmt: skip
    if arguments.json:
        print(json.dumps(counts))
        return
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"{done.sent.total():,} dead letters {'would go' if arguments.dry_run else 'went'} back")
    for reason, count in sorted(done.sent.items()):
        print(f"  {count:>9,}  {reason}")
    for count, what in (
        (done.passed.total(), "passed over: of another reason, or older"),
        (
            done.cut,
            "cut: too large to be kept whole; their records are in the archive and, until it expires, in their topic",
        ),
        (done.too_large, "refused by the topic as too large"),
        (done.foreign, "no dead letters of ours"),
        (done.left, "left for the next call"),
        (
            done.lost,
            "offsets expired before they were looked at: raise the topic's retention; their records are in the archive",
        ),
    ):
        if count:
            print(f"{count:,} {what}")
