# SPDX-License-Identifier: Apache-2.0
"""What of object stores goes into a job's process, and what of it is hidden there."""

from __future__ import annotations

import pytest

from airflow_dataops.clients.store_environment import (
    StoreAccess,
    access_by_environment,
    access_by_settings,
    access_of,
    works_in_s3,
)
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.s3 import S3Keys, S3Settings
from airflow_dataops.core.tables import JobSpec

ENVIRON = {
    "S3_ENDPOINT_URL": "http://s3:9000",
    "S3_ACCESS_KEY_ID": "id",
    "S3_SECRET_ACCESS_KEY": "key",
    "AWS_PROFILE": "team",
    "AWS_SESSION_TOKEN": "token",
    "AIRFLOW__CORE__FERNET_KEY": "never",
    "PASSWORD": "never",
}
GOOGLE = {
    "GOOGLE_APPLICATION_CREDENTIALS": "/etc/keys/lake.json",
    "GOOGLE_CLOUD_PROJECT": "p",
    "CLOUDSDK_CONFIG": "/etc/gcloud",
    "STORAGE_EMULATOR_HOST": "http://localhost:4443",
}
NOT_OURS = {"GOOGLE_API_KEY": "never", "GOOGLE_CREDENTIALS": "never", "GOOGLE_CLIENT_SECRET": "never"}


def job_in(lake: str) -> JobSpec:
    run = RunContext(pipeline="p", key="k", interval_start=None, interval_end=None, timezone="UTC")
    return JobSpec(job="refine", task="t", lake=lake, run=run)


def test_only_what_is_of_s3_is_passed_on_and_keys_are_hidden() -> None:
    found = access_by_environment(ENVIRON)
    assert set(found.environment) == {name for name in ENVIRON if name.startswith(("S3_", "AWS_"))}
    assert set(found.secrets) == {"env:S3_ACCESS_KEY_ID", "env:S3_SECRET_ACCESS_KEY", "env:AWS_SESSION_TOKEN"}


def test_a_connections_keys_stand_alone() -> None:
    settings = S3Settings(endpoint_url="https://x", access_key="conn:a.login", secret_key="conn:a.password")
    found = access_by_settings(settings, S3Keys("i", "k"), ENVIRON)
    assert found.environment == {"S3_ENDPOINT_URL": "https://x", "S3_ACCESS_KEY_ID": "i", "S3_SECRET_ACCESS_KEY": "k"}
    assert found.secrets == {"env:S3_ACCESS_KEY_ID": "i", "env:S3_SECRET_ACCESS_KEY": "k"}


def test_without_keys_the_chain_of_aws_is_passed_on() -> None:
    found = access_by_settings(S3Settings(region="eu-west-1"), None, ENVIRON)
    assert found.environment == {"S3_REGION": "eu-west-1", "AWS_PROFILE": "team", "AWS_SESSION_TOKEN": "token"}


@pytest.mark.parametrize(
    ("lake", "wanted"), [("s3://b/l", True), ("s3a://b/l", True), ("/lake/s3", False), ("gs://b", False)]
)
def test_only_jobs_with_an_address_in_s3_get_any(lake: str, wanted: bool) -> None:
    assert works_in_s3(job_in(lake)) is wanted


def test_a_job_in_a_bucket_of_googles_gets_where_credentials_are_and_no_key() -> None:
    assert access_of(job_in("gs://b/lake"), {**ENVIRON, **GOOGLE, **NOT_OURS}) == StoreAccess(GOOGLE, {})


@pytest.mark.parametrize("lake", ["/lake/gs", "s3://b/lake"])
def test_a_job_elsewhere_gets_nothing_of_googles(lake: str) -> None:
    assert not set(access_of(job_in(lake), {**ENVIRON, **GOOGLE}).environment) & set(GOOGLE)


def test_a_connections_settings_go_before_those_of_the_environment() -> None:
    given = StoreAccess({"S3_ENDPOINT_URL": "https://x"}, {"env:S3_ACCESS_KEY_ID": "i"})
    assert access_of(job_in("s3://b/lake"), {**ENVIRON, **GOOGLE}, given) == given
    assert access_of(job_in("/lake"), ENVIRON, given) == StoreAccess({}, {})


class Between(JobSpec):
    """A job with two places."""

    source: str = "s3://b/bronze"


def test_a_job_between_two_stores_gets_what_both_need() -> None:
    found = access_of(Between(**job_in("gs://b/lake").model_dump()), {**ENVIRON, **GOOGLE})
    assert found.environment == access_by_environment(ENVIRON).environment | GOOGLE
    assert found.secrets == access_by_environment(ENVIRON).secrets
