# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.kafka_health.bastion import Bastion, read_bastion

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"


def read(host: str | None = "b", *, password: str | None = None, **extra: Any) -> Bastion:
    return read_bastion("the connection ops", host, None, "me", password, extra)


def test_what_a_connection_of_airflow_says() -> None:
    extra = {"private_key": KEY, "private_key_passphrase": "open-sesame", "host_key": "ssh-ed25519 AAAA me@b"}
    found = read_bastion("it", "bastion.corp", 2222, "me", "secret", extra)
    assert found == Bastion(
        "bastion.corp", 2222, "me", "secret", KEY, passphrase="open-sesame", host_key="ssh-ed25519 AAAA"
    )
    assert str(found) == "me@bastion.corp:2222"
    assert found.secrets == ["secret", KEY, "open-sesame"]
    assert not any(secret in repr(found) for secret in found.secrets)


def test_a_server_has_to_be_known_unless_the_connection_says_otherwise() -> None:
    assert read().check_host_key
    assert read(no_host_key_check="false").check_host_key
    assert not read(no_host_key_check="true").check_host_key
    assert not read(no_host_key_check=True).check_host_key


def test_a_key_of_one_word_is_of_rsa_as_for_airflow_and_line_ends_may_be_escaped() -> None:
    assert read(host_key="AAAAB3").host_key == "ssh-rsa AAAAB3"
    assert read(private_key=KEY.replace("\n", "\\n")).private_key == KEY


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"host": None}, "has no host"),
        ({"host_proxy_cmd": "ssh -W %h:%p hop"}, "two bastions"),
        ({"private_key": KEY, "key_file": "/k"}, "private_key and key_file"),
        ({"private_key": 7}, "private_key of the connection ops is no text"),
        ({"no_host_key_check": "perhaps"}, "neither true nor false"),
        ({"look_for_keys": "perhaps"}, "neither true nor false"),
        ({"host_key": "bastion AAAA"}, "no public key"),
    ],
)
def test_what_cannot_be_meant_is_told(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said) as raised:
        read(**fields)
    assert raised.value.code == "KAFKA_BASTION"
    assert KEY not in str(raised.value)


@given(
    st.builds(
        Bastion, st.text(min_size=1), st.integers(1, 65535), *[st.text()] * 5, st.booleans(), st.text(), st.booleans()
    )
)
def test_a_process_gets_all_of_it(bastion: Bastion) -> None:
    assert Bastion(**json.loads(json.dumps(bastion.document()))) == bastion
