# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.s3 import S3Keys, S3Settings
from airflow_dataops.core.s3_sources import as_environment

URL = "https://s3.example.com:9000"
KEYED = {"access_key": "env:A", "secret_key": "env:B"}
KEYS = S3Keys("AKIDEXAMPLE", "hunter2-hunter2", "token-token")
ENVIRON = {
    "S3_ENDPOINT_URL": "http://minio:9000",
    "S3_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "S3_SECRET_ACCESS_KEY": "hunter2-hunter2",
    "AWS_S3_SIGNATURE_VERSION": "s3v4",
}


def test_an_environment_gives_an_endpoint_and_references_to_its_keys() -> None:
    found = S3Settings.from_env(ENVIRON)
    assert (found.endpoint_url, found.access_key, found.secret_key) == (
        "http://minio:9000",
        "env:S3_ACCESS_KEY_ID",
        "env:S3_SECRET_ACCESS_KEY",
    )
    assert (found.addressed_by_path, found.signing_region, found.tls) == (True, "us-east-1", False)
    assert found.keys(lambda name: ENVIRON[name.removeprefix("env:")]) == S3Keys("AKIDEXAMPLE", "hunter2-hunter2")


def test_an_empty_environment_is_aws_with_the_chain_of_its_libraries() -> None:
    found = S3Settings.from_env({})
    assert found == S3Settings()
    assert (found.keys(lambda name: None), found.signing_region, found.addressed_by_path) == (None, None, False)
    assert "aws_access_key_id" not in found.for_boto3()
    assert "endpoint_override" not in found.for_pyarrow()


def test_names_of_aws_serve_where_ours_are_missing() -> None:
    environ = {"AWS_ENDPOINT_URL": URL, "AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": "/ca.pem"}
    found = S3Settings.from_env(environ)
    assert (found.endpoint_url, found.region, found.ca_bundle) == (URL, "eu-west-1", "/ca.pem")
    assert S3Settings.from_env(environ | {"S3_ENDPOINT_URL": "http://own"}).endpoint_url == "http://own"


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({"S3_ACCESS_KEY_ID": "a"}, "S3_KEYS_INCOMPLETE"),
        ({"S3_SECRET_ACCESS_KEY": "a"}, "S3_KEYS_INCOMPLETE"),
        ({"S3_SESSION_TOKEN": "a"}, "S3_KEYS_INCOMPLETE"),
        ({"AWS_S3_SIGNATURE_VERSION": "v3"}, "S3_SETTINGS"),
        ({"S3_PATH_STYLE": "maybe"}, "S3_SETTINGS"),
        ({"S3_CONDITIONAL_WRITES": "2"}, "S3_SETTINGS"),
        ({"S3_ENDPOINT_URL": "s3.example.com"}, "S3_SETTINGS"),
        ({"S3_ENDPOINT_URL": "https://s3.example.com/bucket"}, "S3_SETTINGS"),
        ({"S3_ENDPOINT_URL": "ftp://s3.example.com"}, "S3_SETTINGS"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_type(environ: dict[str, str], code: str) -> None:
    with pytest.raises(SpecError) as caught:
        S3Settings.from_env(environ)
    assert caught.value.code == code
    assert caught.value.hint


def test_an_address_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(SpecError) as caught:
        S3Settings(endpoint_url="https://me:hunter2@s3.example.com")
    assert "hunter2" not in str(caught.value)


def test_a_connection_gives_references_to_its_fields() -> None:
    extra = {
        "endpoint_url": URL,
        "region_name": "home",
        "aws_session_token": "t",
        "verify": "/ca.pem",
        "config_kwargs": {"signature_version": "s3", "s3": {"addressing_style": "virtual"}},
    }
    found = S3Settings.from_connection("lake", {"login": "AKIDEXAMPLE", "password": "hunter2", "extra": extra})
    assert found == S3Settings(
        endpoint_url=URL,
        region="home",
        ca_bundle="/ca.pem",
        signature="v2",
        path_style=False,
        access_key="conn:lake.login",
        secret_key="conn:lake.password",
        session_token="conn:lake.extra.aws_session_token",
    )


def test_a_connection_without_keys_leaves_them_to_the_chain() -> None:
    assert S3Settings.from_connection("aws_default", {}) == S3Settings()
    service = {"extra": {"service_config": {"s3": {"endpoint_url": URL}}, "verify": True}}
    assert S3Settings.from_connection("x", service) == S3Settings(endpoint_url=URL)
    assert S3Settings.from_connection("x", {"host": URL}) == S3Settings(endpoint_url=URL)
    in_extra = {"extra": {"aws_access_key_id": "a", "aws_secret_access_key": "b"}}
    assert S3Settings.from_connection("x", in_extra).secret_key == "conn:x.extra.aws_secret_access_key"


@pytest.mark.parametrize(
    "extra",
    [
        {"verify": False},
        {"verify": "false"},
        {"role_arn": "arn:aws:iam::1:role/x"},
        {"config_kwargs": {"proxies": {}}},
        {"config_kwargs": {"s3": {"use_accelerate_endpoint": True}}},
        {"signature_version": "v5"},
        {"path_style": "perhaps"},
    ],
)
def test_what_a_connection_says_is_followed_or_refused_never_ignored(extra: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as caught:
        S3Settings.from_connection("lake", {"extra": extra})
    assert caught.value.code == "S3_SETTINGS"


def test_signature_v2_is_for_boto3_s3fs_and_spark_3_5() -> None:
    old = S3Settings(endpoint_url=URL, signature="v2", **KEYED)
    assert old.for_boto3()["config"]["signature_version"] == "s3"
    assert old.for_fsspec()["config_kwargs"]["signature_version"] == "s3"
    assert old.for_s3a("3.5.7").conf["spark.hadoop.fs.s3a.signing-algorithm"] == "S3SignerType"
    for form in (old.for_pyarrow, old.for_delta, lambda: old.for_s3a("4.0.1")):
        with pytest.raises(SpecError, match=r"boto3, s3fs and Spark 3\.5") as caught:
            form()
        assert caught.value.code == "S3_SIGNATURE"


@pytest.mark.parametrize(
    ("version", "keyed", "provider"),
    [
        ("3.5.7", True, "com.amazonaws.auth.EnvironmentVariableCredentialsProvider"),
        ("3.5", False, "com.amazonaws.auth.DefaultAWSCredentialsProviderChain"),
        ("4.0.1", True, "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"),
        ("4.1", False, "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"),
    ],
)
def test_spark_takes_keys_from_the_environment_only(version: str, keyed: bool, provider: str) -> None:
    form = S3Settings(endpoint_url=URL, **(KEYED if keyed else {})).for_s3a(version)
    assert form.conf == {
        "spark.hadoop.fs.s3a.aws.credentials.provider": provider,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "true",
        "spark.hadoop.fs.s3a.endpoint": URL,
        "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
    }
    assert form.env == ({"AWS_ACCESS_KEY_ID": "env:A", "AWS_SECRET_ACCESS_KEY": "env:B"} if keyed else {})


@pytest.mark.parametrize("version", ["3.4.1", "3.50", "5.0", "", "4", "four"])
def test_another_spark_is_refused(version: str) -> None:
    with pytest.raises(SpecError, match=r"3\.5 and 4\.x"):
        S3Settings().for_s3a(version)


def test_java_needs_a_truststore_where_others_read_pem() -> None:
    with pytest.raises(SpecError, match="PEM") as caught:
        S3Settings(endpoint_url=URL, ca_bundle="/ca.pem").for_s3a("3.5.7")
    assert "keytool" in (caught.value.hint or "")
    trusted = S3Settings(endpoint_url=URL, ca_bundle="/ca.pem", truststore="/s3.p12")
    assert trusted.for_s3a("4.0").conf["spark.executor.extraJavaOptions"] == "-Djavax.net.ssl.trustStore=/s3.p12"
    assert trusted.for_boto3()["verify"] == trusted.for_fsspec()["client_kwargs"]["verify"] == "/ca.pem"
    assert trusted.for_pyarrow()["tls_ca_file_path"] == trusted.process_environment()["SSL_CERT_FILE"] == "/ca.pem"


def test_each_library_gets_the_keys_under_its_own_names() -> None:
    settings = S3Settings(endpoint_url="http://minio:9000", **KEYED)
    assert settings.for_boto3(KEYS)["aws_session_token"] == "token-token"
    assert settings.for_fsspec(KEYS)["secret"] == "hunter2-hunter2"
    assert settings.for_pyarrow(KEYS) | {"endpoint_override": "minio:9000", "scheme": "http"} == settings.for_pyarrow(
        KEYS
    )
    assert settings.for_delta(KEYS)["AWS_ALLOW_HTTP"] == "true"
    assert settings.for_delta()["aws_conditional_put"] == "etag"
    unsafe = S3Settings(conditional_writes=False).for_delta()
    assert (unsafe["AWS_S3_ALLOW_UNSAFE_RENAME"], "aws_conditional_put" in unsafe) == ("true", False)


def test_a_bucket_in_the_host_s_name_is_named_to_delta_rs_which_puts_none_there() -> None:
    by_host = S3Settings(endpoint_url=URL, path_style=False)
    assert by_host.for_delta(bucket="lake")["AWS_ENDPOINT_URL"] == "https://lake.s3.example.com:9000"
    assert S3Settings(endpoint_url=URL).for_delta(bucket="lake")["AWS_ENDPOINT_URL"] == URL
    with pytest.raises(SpecError, match="bucket") as caught:
        by_host.for_delta()
    assert "for_delta(keys, bucket=" in (caught.value.hint or "")
    assert "AWS_ENDPOINT_URL" not in S3Settings(path_style=False).for_delta()


@given(st.text(min_size=8), st.text(min_size=8))
def test_no_text_of_keys_shows_them(access: str, secret: str) -> None:
    keys = S3Keys(access, secret)
    assert {repr(keys), str(keys), f"{keys}", f"{[keys]}"} == {"S3Keys(***)", "[S3Keys(***)]"}
    assert secret not in keys.hide(f"before {secret} after").removeprefix("before").removesuffix("after")


def test_keys_are_equal_by_value_and_can_go_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(KEYS)) == KEYS
    assert hash(KEYS) == hash(S3Keys("AKIDEXAMPLE", "hunter2-hunter2", "token-token"))


@pytest.mark.parametrize("field", ["access_key", "secret_key", "session_token"])
def test_a_key_in_place_of_a_reference_is_refused_and_not_repeated(field: str) -> None:
    with pytest.raises(SpecError) as caught:
        S3Settings(**(KEYED | {field: "hunter2-hunter2"}))
    assert "hunter2" not in str(caught.value)


def test_wrong_types_are_told_without_their_value() -> None:
    with pytest.raises(ValueError, match="access_key") as caught:
        S3Settings(access_key={"value": "hunter2-hunter2"})  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


def test_documents_of_settings_hold_references_and_come_back() -> None:
    settings = S3Settings.from_env(ENVIRON)
    text = settings.model_dump_json()
    assert "hunter2" not in text + repr(settings) + json.dumps(settings.for_s3a("3.5.7"))
    assert S3Settings.model_validate_json(text) == settings


def test_a_reference_that_leads_nowhere_is_told_by_its_name() -> None:
    with pytest.raises(SpecError, match="env:A is not set"):
        S3Settings(**KEYED).keys(lambda name: None)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"endpoint_url": "http://s3:9000", "region": "eu", "path_style": False, "signature": "v2"},
        {"ca_bundle": "/ca.pem", "truststore": "/ca.p12", "conditional_writes": False, "path_style": True},
    ],
)
def test_settings_reach_a_container_by_its_environment_without_their_keys(fields: dict[str, Any]) -> None:
    keys = {"access_key": "conn:lake.login", "secret_key": "conn:lake.password"}
    settings = S3Settings(**fields, **keys)
    environ = as_environment(settings.model_dump(exclude_unset=True))
    assert S3Settings.from_env(environ) == S3Settings(**fields)
    assert not any("KEY" in name or "conn:" in value for name, value in environ.items())
