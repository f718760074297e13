# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.services.metadata_api.server import check_exposure
from airflow_dataops.services.metadata_api.tls import Tls, common_name, tls_of

FILES = Tls(Path("c"), Path("k"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_this_machine_nobody_is_asked(host: str) -> None:
    check_exposure(host, tokens=False, tls=None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", ""])
def test_beyond_it_somebody_has_to_be(host: str) -> None:
    for tls in (None, FILES):  # a server's certificate asks nobody who comes
        with pytest.raises(SpecError, match="anybody"):
            check_exposure(host, tokens=False, tls=tls)
    check_exposure(host, tokens=True, tls=None)
    check_exposure(host, tokens=False, tls=Tls(Path("c"), Path("k"), Path("ca")))


def test_the_files_of_tls_go_together(tmp_path: Path) -> None:
    cert, key = tmp_path / "c", tmp_path / "k"
    cert.touch()
    key.touch()
    assert tls_of(None, None, None) is None
    assert tls_of(cert, key, None) == Tls(cert, key)
    for wrong in ((cert, None, None), (None, key, None), (None, None, cert), (cert, tmp_path / "gone", None)):
        with pytest.raises(SpecError) as refused:
            tls_of(*wrong)
        assert refused.value.code == "TLS"


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        (None, None), ({}, None), ({"subject": ()}, ""),
        ({"subject": ((("organizationName", "o"),), (("commonName", "a"),))}, "a"),
        ({"subject": ((("commonName", "a"),), (("commonName", "b"),))}, ""),
        ({"issuer": ((("commonName", "a"),),)}, ""),
    ],
)  # fmt: skip
def test_the_name_in_a_certificate(certificate: dict[str, object] | None, name: str | None) -> None:
    assert common_name(certificate) == name
