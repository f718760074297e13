# SPDX-License-Identifier: Apache-2.0
"""``dataops check-s3`` against good servers and bad ones: each defect that is known of a server is found, and nothing else is blamed."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.check_s3 import security
from airflow_dataops.clients.check_s3.run import check_endpoint
from airflow_dataops.clients.check_s3.scratch import Scratch
from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.core.s3_contract import REQUIREMENTS, Finding, Level, bad, finding
from dag_factories.cli import main
from tests.services.s3_servers import ACCESS, READER, SECRET, S3Server, missing, s3_server

CONDITIONS = {"create", "create_race", "replace", "replace_race"}
# Server -> what is a problem there, and what it merely lacks.
DEFECTS: dict[str, tuple[set[str], set[str]]] = {
    "seaweedfs": (set(), {"list_order", "empty_folders"}),
    "minio": (set(), set()),
    "versitygw": (set(), {"beside", "lifecycle"}),
    "moto": ({"bad_secret", "anonymous"}, {"old_signature"}),
    "rclone": (CONDITIONS | {"pyarrow"}, {"delta", "beside", "multipart_etag", "versioning"}),
    "gofakes3": ({"bad_secret", "anonymous", "pyarrow"}, {"multipart_etag"}),
    "s3s": (
        {"names", "create_race", "replace_race"},
        {"beside", "multipart_list", "lifecycle", "versioning", "missing_bucket", "full_bucket"},
    ),
    "s3mock": ({"bad_secret", "anonymous", "create_race"}, {"old_signature", "checksums"}),
}
# May be found or not: processes do not meet in each race; rclone's listings at times still have what was deleted; s3s-fs leaves the body
# of a write that it refuses on the connection, and answers 400 to the next request there.
BY_CHANCE = {"s3mock": {"replace_race"}, "rclone": {"cleanup"}, "s3s": {"create", "replace"}}
# Those that let several win only when they meet get the full race.
RACES = {"seaweedfs": (4, 20), "minio": (4, 20), "versitygw": (4, 20), "s3s": (4, 20), "s3mock": (4, 20)}


def test_the_cases_are_the_servers() -> None:
    assert {check for problems, lacks in DEFECTS.values() for check in problems | lacks} <= {
        r.check for r in REQUIREMENTS
    }


@pytest.mark.parametrize("name", DEFECTS)
def test_each_known_defect_of_a_server_is_found(name: str, tmp_path: Path) -> None:
    reason = missing(name)
    if reason:
        pytest.skip(reason)
    with s3_server(name, tmp_path) as server:
        bucket = server.bucket()
        client = S3Client.from_env(server.environ())
        racers, objects = RACES.get(name, (2, 3))
        findings = check_endpoint(client, f"s3://{bucket}/lake", racers=racers, race_objects=objects, make_bucket=True)
        found = {one.check: one for one in findings}
        buckets = [item["Name"] for item in server.boto3().list_buckets()["Buckets"]]
    problems, lacks = DEFECTS[name]
    chance = BY_CHANCE.get(name, set())
    told = {check: f"{one.level}: {one.seen}" for check, one in found.items()}
    assert {check for check, one in found.items() if one.level is Level.PROBLEM} - chance == problems, told
    assert {check for check, one in found.items() if one.level is Level.LACKS} == lacks | {"tls"}, told
    assert {check for check, one in found.items() if one.level in (Level.UNKNOWN, Level.SKIPPED)} == set(), told
    assert buckets == [bucket]


def test_a_bucket_that_a_typing_error_makes_and_one_that_goes_with_what_is_in_it_are_found(tmp_path: Path) -> None:
    """SeaweedFS as it comes, without the two options that this project's tests give it."""
    as_it_comes = ("-s3.autoCreateBucket=true", "-s3.allowDeleteBucketNotEmpty=true")
    with s3_server("seaweedfs", tmp_path, options=as_it_comes) as server:
        place = f"s3://{server.bucket()}/lake"
        client = S3Client.from_env(server.environ())
        findings = check_endpoint(client, place, racers=2, race_objects=2, make_bucket=True)
        found = {one.check: one for one in findings}
        left = len(server.boto3().list_buckets()["Buckets"])
    assert {check for check in ("missing_bucket", "full_bucket") if found[check].level is Level.LACKS} == {
        "missing_bucket",
        "full_bucket",
    }
    assert "-s3.autoCreateBucket=false" in (found["missing_bucket"].fix or "")
    assert left == 1


@pytest.mark.parametrize(
    ("minutes", "level"), [(1, Level.WORKS), (-1, Level.WORKS), (8, Level.PROBLEM), (-8, Level.PROBLEM)]
)
def test_a_clock_that_is_wrong_is_found_before_requests_are_refused(minutes: int, level: Level) -> None:
    with saying_its_time(lambda: datetime.now(UTC) + timedelta(minutes=minutes)) as url:
        environ = {"S3_ENDPOINT_URL": url, "S3_ACCESS_KEY_ID": ACCESS, "S3_SECRET_ACCESS_KEY": SECRET}
        told = finding("clock", *security.clock(Scratch(S3Client.from_env(environ), "s3://lake/x")))
    assert told.level is level, told
    assert ("behind" if minutes > 0 else "ahead") in told.seen
    assert ("timedatectl" in (told.fix or "")) is (level is Level.PROBLEM)


def test_a_clock_for_which_requests_are_refused_is_told_as_that() -> None:
    with saying_its_time(lambda: datetime.now(UTC) + timedelta(hours=1), refuses=True) as url:
        environ = {"S3_ENDPOINT_URL": url, "S3_ACCESS_KEY_ID": ACCESS, "S3_SECRET_ACCESS_KEY": SECRET}
        [told] = check_endpoint(S3Client.from_env(environ), "s3://lake/x")
    assert (told.check, told.level) == ("connect", Level.PROBLEM)
    assert "RequestTimeTooSkewed" in told.seen
    assert "timedatectl" in (told.fix or "")


@contextmanager
def saying_its_time(clock: Callable[[], datetime], *, refuses: bool = False) -> Iterator[str]:
    """Run an endpoint that lists nothing, and says what time it has; give its address."""
    refusal = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>"
    text = refusal if refuses else '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(403 if refuses else 200)
            self.send_header("Date", format_datetime(clock(), usegmt=True))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command and return its status and output; no text may have a key."""

    def command(server: S3Server | None, *arguments: str, **environ: str) -> tuple[int, str]:
        given = (server.environ() if server else {}) | environ
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        status = main(["check-s3", *arguments, "--racers", "2", "--objects", "2"])
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        assert READER[1] not in said.out + said.err
        return status, said.out if "--json" in arguments else said.out + said.err

    return command


def test_the_command_tells_each_row_and_ends_well_where_nothing_needed_is_missing(
    run: Any, seaweedfs: S3Server, lake: str
) -> None:
    status, said = run(seaweedfs, lake)
    assert status == 0
    assert "works    a wrong secret is refused: a wrong secret: 403 SignatureDoesNotMatch" in said
    assert "lacks    encrypted, certificate known and valid: plain http\n         without it: " in said
    assert "-> use the https:// address" in said


def test_json_is_the_list_of_findings(run: Any, seaweedfs: S3Server, lake: str) -> None:
    status, said = run(seaweedfs, lake, "--json")
    findings = [Finding.model_validate(one) for one in json.loads(said)]
    assert (status, findings[0].check, findings[-1].check) == (0, "connect", "cleanup")
    # Nothing is kept but what the user has: the bucket is empty again.
    assert S3Client.from_env(seaweedfs.environ()).list_objects(lake) == []


def test_with_v2_it_is_said_what_works_then(run: Any, seaweedfs: S3Server, lake: str) -> None:
    status, said = run(seaweedfs, lake, "--json", AWS_S3_SIGNATURE_VERSION="v2")
    found = {one["check"]: one["level"] for one in json.loads(said)}
    assert status == 0, said
    assert "pyarrow" not in found
    assert found["s3fs"] == "works"


def test_a_connection_says_where_and_who(run: Any, seaweedfs: S3Server, lake: str) -> None:
    connection = {"conn_type": "aws", "login": ACCESS, "password": SECRET, "extra": {"endpoint_url": seaweedfs.url}}
    status, said = run(None, lake, "--connection", "my_lake", AIRFLOW_CONN_MY_LAKE=json.dumps(connection))
    assert (status, "\nunknown" in said) == (0, False), said
    status, said = run(None, lake, "--connection", "other")
    assert (status, "AIRFLOW_CONN_OTHER" in said) == (1, True)


def test_a_key_that_may_only_read_is_told_and_nothing_is_left(run: Any, seaweedfs: S3Server, lake: str) -> None:
    status, said = run(seaweedfs, lake, S3_ACCESS_KEY_ID=READER[0], S3_SECRET_ACCESS_KEY=READER[1])
    assert status == 1
    assert "problem  list, read, write, delete below the prefix: write is denied (403 AccessDenied" in said
    assert "s3:PutObject" in said
    assert "not tried: the key may not write" in said


def test_a_wrong_secret_ends_it_at_once(run: Any, seaweedfs: S3Server, lake: str) -> None:
    status, said = run(seaweedfs, lake, S3_SECRET_ACCESS_KEY="wrong-secret-000")
    assert status == 1
    assert "SignatureDoesNotMatch" in said
    assert "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY" in said


def test_an_address_that_is_none_is_wrong_usage(run: Any, seaweedfs: S3Server) -> None:
    status, said = run(seaweedfs, "data-lake/silver")
    assert (status, "write s3://bucket/folder" in said) == (2, True)


def test_promises_that_are_not_made_are_not_missed(tmp_path: Path) -> None:
    """An endpoint that ignores conditions is no problem for who has been told so."""
    reason = missing("rclone")
    if reason:
        pytest.skip(reason)
    with s3_server("rclone", tmp_path) as server:
        client = S3Client.from_env(server.environ() | {"S3_CONDITIONAL_WRITES": "off"})
        found = {one.check: one for one in check_endpoint(client, f"s3://{server.bucket()}", racers=2, race_objects=2)}
    assert {found[check].level for check in CONDITIONS} == {Level.LACKS}
    assert all(found[check].fix is None for check in CONDITIONS)


def test_a_certificate_and_a_truststore_are_looked_at(tmp_path: Path) -> None:
    with s3_server("seaweedfs", tmp_path, encrypted=True) as server:
        lake = f"s3://{server.bucket()}/lake"
        client = S3Client.from_env(server.environ())
        found = {one.check: one for one in check_endpoint(client, lake, racers=2, race_objects=2)}
        untrusted = {name: value for name, value in server.environ().items() if name != "S3_CA_BUNDLE"}
        stranger = list(check_endpoint(S3Client.from_env(untrusted), lake))
    assert found["tls"].level is Level.WORKS, found["tls"]
    assert (found["truststore"].level, "keytool" in (found["truststore"].fix or "")) == (Level.LACKS, True)
    assert not bad(found.values()), [one for one in found.values() if bad([one])]
    assert (len(stranger), "S3_CA_BUNDLE" in (stranger[0].fix or "")) == (1, True)


@pytest.fixture
def versioned(seaweedfs: S3Server) -> str:
    """A bucket that keeps versions."""
    name = seaweedfs.bucket(f"v{uuid.uuid4().hex[:4]}")
    seaweedfs.boto3().put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def test_of_a_bucket_with_versions_no_version_of_the_test_stays(seaweedfs: S3Server, versioned: str) -> None:
    client = S3Client.from_env(seaweedfs.environ())
    found = {one.check: one.level for one in check_endpoint(client, f"s3://{versioned}/a", racers=2, race_objects=2)}
    assert found["versioning"] is Level.WORKS
    kept = seaweedfs.boto3().list_object_versions(Bucket=versioned)
    assert (kept.get("Versions", []), kept.get("DeleteMarkers", [])) == ([], [])
