# SPDX-License-Identifier: Apache-2.0
"""Who is let in: signatures, wrong and missing keys, old requests, certificates, permissions and clocks."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from airflow_dataops.clients.check_s3.scratch import Scratch, Seen
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.s3 import S3Keys

_CLOCK_LIMIT = 300.0
_SOON = 30  # days that a certificate should last


def permissions(place: Scratch) -> Seen:
    """Do each thing once that jobs do."""
    steps: dict[str, Callable[[], Any]] = {
        "list": lambda: place.s3.list_objects_v2(Bucket=place.bucket, Prefix=place.prefix, MaxKeys=1),
        "write": lambda: place.put("may"),
        "read": lambda: place.get("may"),
        "write in parts": lambda: place.begin_upload("may-parts"),
        "delete": lambda: place.s3.delete_object(Bucket=place.bucket, Key=place.key("may")),
    }
    denied = {}
    for name, step in steps.items():
        if name == "read" and "write" in denied:
            continue  # nothing of ours is there to be read
        try:
            step()
        except place.s3.exceptions.ClientError as error:
            denied[name] = place.told(error)
    place.may_write = "write" not in denied
    if denied:
        return False, "; ".join(f"{name} is denied ({told})" for name, told in denied.items())
    return True, f"all below {place.above or 'the bucket'}; {_whole_bucket(place)}"


def clock(place: Scratch) -> Seen:
    """Compare this machine's clock with the endpoint's."""
    found = place.client.check_connectivity(f"s3://{place.bucket}/{place.prefix}")
    if found.clock_skew is None:
        return True, "the endpoint tells no time, and takes our signatures"
    ahead = "ahead" if found.clock_skew > 0 else "behind"
    return abs(found.clock_skew) <= _CLOCK_LIMIT, f"{abs(found.clock_skew):.0f} s {ahead}"


def tls(place: Scratch) -> Seen:
    """Look at the line, and how long the certificate lasts."""
    url = place.settings.endpoint_url
    if url is None:
        return True, "AWS, https"
    if not place.settings.tls:
        return False, "plain http"
    host, _, port = _address(place, url).removeprefix("https://").partition("/")[0].partition(":")
    context = ssl.create_default_context(cafile=place.settings.ca_bundle)
    with (
        socket.create_connection((host, int(port or 443)), 10) as line,
        context.wrap_socket(line, server_hostname=host) as safe,
    ):
        ends = ssl.cert_time_to_seconds(str((safe.getpeercert() or {}).get("notAfter")))
        version = safe.version()
    days = (ends - time.time()) / 86400
    bundle = f", by {place.settings.ca_bundle}" if place.settings.ca_bundle else ""
    return days > _SOON - 5, f"{version}{bundle}; the certificate ends in {days:.0f} days"


def truststore(place: Scratch) -> Seen:
    """Ask whether Spark's settings can be made of the bundle."""
    try:
        place.settings.for_s3a("3.5.7")
    except DataOpsError as error:
        return False, error.message
    return True, f"settings name {place.settings.truststore}; whether the image has it, its first job tells"


def signature(place: Scratch) -> Seen:
    """Ask with each version."""
    taken = {
        version: _let_in(place, place.other(update={"signature": version}), f"signed-{version}")
        for version in ("v4", "v2")
    }
    told = ", ".join(f"{version} {'taken' if ok else 'refused'} ({seen})" for version, (ok, seen) in taken.items())
    return bool(taken["v4"][0]), told


def bad_secret(place: Scratch) -> Seen:
    """Ask with another secret, and with a key that nobody has, by each version of the signature."""
    keys = _keys(place)
    turned = keys.secret_key[:-1] + ("A" if keys.secret_key[-1:] != "A" else "B")
    wrong = {
        "a wrong secret": S3Keys(keys.access_key, turned, keys.session_token),
        "an unknown key": S3Keys("DATAOPSCHECKNOBODY00", turned),
    }
    seen = []
    for what, given in wrong.items():
        for version in ("v4", "v2"):
            ok, told = _let_in(place, place.other(keys=given, update={"signature": version}), "intruder")
            if ok:
                return False, f"{what} is let in ({version})"
            seen += [f"{what}: {told}"] if version == "v4" else []
    return True, "; ".join(seen)


def anonymous(place: Scratch) -> Seen:
    """Ask without any key."""
    client = place.other(signature_version=import_module("botocore").UNSIGNED)
    ok, told = _let_in(place, client, "nobody")
    return not ok, "let in" if ok else told


def old_signature(place: Scratch) -> Seen:
    """Send a request that was signed 20 minutes ago."""
    answer = _list_signed_at(place, datetime.now(UTC) - timedelta(minutes=20))
    code = re.search(r"<Code>(\w+)</Code>", answer.text)
    told = f"{answer.status_code} {code[1] if code else ''}".strip()
    return answer.status_code in (400, 401, 403), told


def _let_in(place: Scratch, client: Any, name: str) -> Seen:
    """Try to list and to write."""
    seen = ""
    asks: tuple[Callable[[], Any], ...] = (
        lambda: client.list_objects_v2(Bucket=place.bucket, Prefix=place.prefix, MaxKeys=1),
        lambda: client.put_object(Bucket=place.bucket, Key=place.key(name), Body=b"x"),
    )
    for ask in asks:
        try:
            ask()
        except client.exceptions.ClientError as error:
            answer = place.answer(error)
            if answer.status >= 500:
                raise
            seen = f"{answer.status} {answer.code}"
            continue
        return True, "200"
    return False, seen


def _keys(place: Scratch) -> S3Keys:
    """Return the keys at work, also where AWS's libraries found them."""
    if place.keys:
        return place.keys
    found = import_module("boto3.session").Session().get_credentials().get_frozen_credentials()
    return S3Keys(found.access_key, found.secret_key, found.token)


def _whole_bucket(place: Scratch) -> str:
    try:
        place.s3.list_objects_v2(Bucket=place.bucket, MaxKeys=1)
    except place.s3.exceptions.ClientError:
        return "the rest of the bucket is closed to this key"
    return "the key lists the whole bucket"


def _address(place: Scratch, url: str) -> str:
    """Return the bucket's address at an endpoint: in the path, or in the host's name, where nobody may be at the endpoint's own."""
    scheme, _, host = url.rstrip("/").partition("://")
    return (
        f"{scheme}://{host}/{place.bucket}"
        if place.settings.addressed_by_path
        else f"{scheme}://{place.bucket}.{host}/"
    )


def _list_signed_at(place: Scratch, moment: datetime) -> Any:
    """Send a listing that was signed at another time, as a recorded request would be."""
    auth, requests = import_module("botocore.auth"), import_module("botocore.awsrequest")
    keys, meta = _keys(place), place.s3.meta
    wanted = {"list-type": "2", "max-keys": "1", "prefix": place.prefix}
    request = requests.AWSRequest("GET", _address(place, meta.endpoint_url), params=wanted)
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    frozen = import_module("botocore.credentials").Credentials(keys.access_key, keys.secret_key, keys.session_token)
    signer = auth.S3SigV4Auth(frozen, "s3", meta.region_name or "us-east-1")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    line = import_module("botocore.httpsession").URLLib3Session(verify=place.settings.ca_bundle or True)
    return line.send(request.prepare())
