# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.spark_k8s.secrets import holds_secret, is_secret_flag, is_secret_name


@pytest.mark.parametrize(
    "name",
    [
        "spark.hadoop.fs.s3a.secret.key",
        "spark.hadoop.fs.s3a.access.key",
        "spark.ssl.keyPassword",
        "spark.kubernetes.authenticate.driver.oauthToken",
        "fs.azure.account.key.acc.dfs.core.windows.net",
        "PGPASSWORD",
        "DB_PASSWORD",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "apiKey",
        "my-api-key",
        "client_secret",
        "db.pwd",
        "spark.sql.catalog.rest.credential",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "spark.hadoop.fs.s3a.aws.credentials.provider",
        "spark.kubernetes.authenticate.driver.oauthTokenFile",
        "spark.hadoop.hadoop.security.credential.provider.path",
        "spark.hadoop.hadoop.security.credential.clear-text-fallback",
        "SECRET_NAME",
        "PASSWORD_FILE",
        "AWS_REGION",
        "spark.sql.shuffle.partitions",
        "MAX_TOKENS",
        "tokenizer",
        "monkey.access",
        "",
        "_",
    ],
)
def test_names_that_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "jdbc:postgresql://db/x?user=me&password=hunter2",
        "-Djavax.net.ssl.trustStorePassword=changeit",
        "https://me:pw@host/x",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2ln",
        "fs.s3a.secret.key=abc",
    ],
)
def test_texts_that_show_a_secret(text: str) -> None:
    assert holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s3a://bucket/key",
        "https://host:9000/a@b",
        "(?i)secret|password|token",
        "password is not null",
        "a=b",
        "key=value",
        "12:30@5",
    ],
)
def test_texts_that_show_none(text: str) -> None:
    assert not holds_secret(text)


@pytest.mark.parametrize(
    ("text", "following", "told"),
    [
        ("--password=x", None, True),
        ("--password", "x", True),
        ("-token", "x", True),
        ("--password", None, False),
        ("--password", "--day", False),
        ("--password=", None, False),
        ("--password-file", "/x", False),
        ("--secret-name=s3", None, False),
        ("--max-tokens", "5", False),
        ("password", "x", False),
        ("-", "x", False),
    ],
)
def test_arguments_that_pass_a_secret_on(text: str, following: str | None, told: bool) -> None:
    assert is_secret_flag(text, following) is told


@given(st.text(), st.text())
def test_any_text_is_judged(one: str, other: str) -> None:
    assert is_secret_name(one) in (True, False)
    assert holds_secret(f"https://u:{'p' * 5}@{other}")
    assert is_secret_flag(one, other) in (True, False)
