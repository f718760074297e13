# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.metadata.uris import BadUri, normal


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("s3://bucket/a/b.png", "s3://bucket/a/b.png"),
        ("S3A://bucket/a%20b", "s3://bucket/a%20b"),
        ("s3n://bucket/a/../b", "s3://bucket/a/../b"),
        ("s3://Old-Bucket/Key", "s3://Old-Bucket/Key"),
        ("s3://b/what?is#this", "s3://b/what?is#this"),
        ("s3://b/cafe\u0301", "s3://b/cafe\u0301"),
        ("GCS://b/k", "gs://b/k"),
        ("abfss://container@account.dfs.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
        ("file:///data/x.png", "file:///data/x.png"),
        ("hdfs:///data/x.png", "hdfs:///data/x.png"),
        ("HTTPS://Host.Example:443/a", "https://host.example/a"),
        ("http://h:80", "http://h/"),
        ("http://h:8080/%7euser/%c3%a9?q=%2f", "http://h:8080/~user/%C3%A9?q=%2F"),
        ("http://h/é x", "http://h/%C3%A9%20x"),
        ("http://[::1]:80/x", "http://[::1]/x"),
    ],
)
def test_the_one_form_of_a_uri(text: str, form: str) -> None:
    assert normal(text) == form
    assert normal(form) == form


@pytest.mark.parametrize(
    "text",
    ["", "a.png", "/data/a.png", "s3:/b/k", "s3://", "s3://b", "s3://b/", "file:///", "s3:///k", "http:///x", "http://h/x#y", "http://h/%4", "s3://b/a\x00b",
     "http://h h/", "mailto:a@b.c", "http://h/%4%31"],
)  # fmt: skip
def test_what_names_no_object_is_refused(text: str) -> None:
    with pytest.raises(BadUri) as refused:
        normal(text)
    assert not refused.value.secret


@pytest.mark.parametrize(
    "text",
    ["s3://key:secret@b/k", "http://user@h/x", "https://b.s3.amazonaws.com/k?X-Amz-Signature=abc", "https://a.blob.core.windows.net/c/k?sv=1&sig=abc",
     "https://h/x?access_token=1", "https://h/x?a=1&password=2"],
)  # fmt: skip
def test_what_opens_the_object_to_its_reader_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(BadUri) as refused:
        normal(text)
    assert refused.value.secret
    assert text not in str(refused.value)


@given(
    st.sampled_from(
        ["s3://b", "S3A://B", "gs://b", "http://H.x", "HTTPS://h:443", "http://h:0080", "file://", "hdfs://", "x-y://z"]
    ),
    st.lists(
        st.sampled_from(
            [
                "/",
                "a",
                "Z",
                "0",
                ":",
                ".",
                "..",
                "%41",
                "%4a",
                "%c3%A9",
                "%2",
                "%",
                "é",
                "e\u0301",
                " ",
                "?",
                "#",
                "&",
                "=",
                "~",
                "[",
                "+",
            ]
        ),
        max_size=12,
    ),
)
def test_a_form_is_a_fixed_point(head: str, rest: list[str]) -> None:
    try:
        made = normal(f"{head}/k{''.join(rest)}")
    except BadUri:
        return
    assert normal(made) == made
