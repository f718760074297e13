# SPDX-License-Identifier: Apache-2.0
"""Try what pipelines need of an S3 endpoint: the test to run before anybody puts a lake there.

Permissions, signatures, wrong keys, clocks and certificates, listings, ranges, uploads in parts, conditional writes raced by several
processes, copies, and the libraries that are installed. Each line says what the endpoint does and, where it does not do as S3 does, what a
pipeline does then and how to mend it. It writes below URI/.dataops-check-… only, and deletes that at the end.

Where the endpoint is and who asks comes from the environment (or --connection): S3_ENDPOINT_URL, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY,
S3_SESSION_TOKEN, S3_REGION, S3_PATH_STYLE, S3_CA_BUNDLE, S3_TRUSTSTORE, S3_CONDITIONAL_WRITES, AWS_S3_SIGNATURE_VERSION; without keys,
those that AWS's own tools find.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_dataops.clients.s3 import S3Client
    from airflow_dataops.core.s3_contract import Finding

EXAMPLES = """\
examples:
  S3_ENDPOINT_URL=https://s3.example.com dataops check-s3 s3://data-lake/silver
  AWS_S3_SIGNATURE_VERSION=v2 dataops check-s3 s3://data-lake
  dataops check-s3 s3://data-lake --connection lake        AIRFLOW_CONN_LAKE holds the connection, of type aws
  dataops check-s3 s3://data-lake --make-bucket            in a test system: makes and deletes buckets of its own, too
  dataops check-s3 s3://data-lake --json | jq -r '.[] | select(.level == "problem") | .fix'

levels: works; lacks (the pipeline has another way); problem; unknown (it could not be found out); skipped (not installed)
exit status: 0 all that is needed is there, 1 a problem, or something that could not be found out, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("uri", metavar="URI", help="where the lake is or will be: s3://bucket/prefix")
    parser.add_argument("--connection", metavar="ID", help="take the endpoint and the keys from AIRFLOW_CONN_<ID>")
    parser.add_argument("--racers", type=_several, default=4, metavar="N", help="processes that race (default: 4)")
    parser.add_argument(
        "--objects", type=_several, default=20, metavar="N", help="objects that they race for (default: 20)"
    )
    parser.add_argument(
        "--make-bucket",
        action="store_true",
        help="also try versions, deletion and typing errors, with buckets of its own",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as a list of JSON")


def run(arguments: argparse.Namespace) -> int:
    """Try, print, and return the exit status."""
    from airflow_dataops.clients.check_s3.run import check_endpoint
    from airflow_dataops.core.s3_contract import bad

    found = check_endpoint(
        _client(arguments.connection),
        arguments.uri,
        racers=arguments.racers,
        race_objects=arguments.objects,
        make_bucket=arguments.make_bucket,
    )
    if arguments.json:
        findings = list(found)
        print(json.dumps([finding.model_dump(mode="json") for finding in findings], indent=2, ensure_ascii=False))
    else:
        findings = list(_printed(found))
        print(_summary(findings), file=sys.stderr)
    return int(bad(findings))


def _client(connection: str | None) -> S3Client:
    from airflow_dataops.clients.s3 import S3Client

    if connection is None:
        return S3Client.from_env()
    from airflow_dataops.core.s3 import S3Settings
    from airflow_dataops.core.secrets import missing
    from airflow_dataops.jobs.secrets import connection_fields, lookup

    name = f"AIRFLOW_CONN_{connection.upper()}"
    text = os.environ.get(name)
    if not text:
        raise missing(f"conn:{connection}", f"{name}, as JSON or a URI")
    settings = S3Settings.from_connection(connection, connection_fields(text))
    return S3Client(settings, settings.keys(lookup))


def _printed(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Print each finding when it is there: a race takes its time."""
    for finding in findings:
        print(f"{finding.level.value:8} {finding.title}: {finding.seen}")
        if finding.without:
            print(f"         without it: {finding.without}")
        if finding.fix:
            print(f"         -> {finding.fix}")
        sys.stdout.flush()
        yield finding


def _summary(findings: list[Finding]) -> str:
    levels = [finding.level.value for finding in findings]
    return ", ".join(f"{levels.count(level)} {level}" for level in dict.fromkeys(("works", *levels)))


def _several(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if not 2 <= number <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 2 to 64; write 4")
    return number
