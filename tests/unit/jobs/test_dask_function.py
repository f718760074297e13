# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.job_files import JobFiles
from airflow_dataops.core.errors import DataOpsError, SpecError
from airflow_dataops.jobs.dask_function import fetch_code, find_function, unpack

MODULE = """
def delays(client, *, month, carrier=None): return month
async def later(client): return 1
def anything(client, **args): return args
CONSTANT = 1
"""


@pytest.fixture
def code(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "code.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dask_test_jobs/__init__.py", "")
        archive.writestr("dask_test_jobs/delays.py", MODULE)
        archive.writestr("dask_test_jobs/broken.py", "import no_such_package")
        archive.writestr("dask_test_jobs/raises.py", "1 / 0")
    before = list(sys.path)
    yield path
    sys.path[:] = before
    for name in [name for name in sys.modules if name.startswith("dask_test_jobs")]:
        del sys.modules[name]


def found(code: Path, name: str, **args: Any) -> Any:
    fetch_code([str(code)], JobFiles(), code.parent / "fetched")
    return find_function(name, args)


def test_a_function_of_an_archive_is_found_and_can_be_called(code: Path) -> None:
    assert found(code, "dask_test_jobs.delays:delays", month=11)(None, month=11) == 11


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dask_test_jobs.delays:delay", "did you mean 'delays'?"),
        ("dask_test_jobs.delays:zzz", "functions there: anything, delays, later"),
        ("dask_test_jobs.delays:CONSTANT", "is not a function"),
        ("dask_test_jobs.delay:delays", "did you mean 'delays'?"),
        ("dask_test_job.delays:delays", "did you mean 'dask_test_jobs'?"),
        ("nothing_like_it_at_all:f", "there is no module 'nothing_like_it_at_all'"),
    ],
)
def test_what_is_not_there_is_named_with_what_is_near(code: Path, name: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        found(code, name)
    assert caught.value.code == "FUNCTION_MISSING"
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        ("delays", {}, "month"),
        ("delays", {"month": 1, "days": 2}, "unexpected keyword argument 'days'"),
        ("later", {}, "async def"),
        ("delays", {"client": 1, "month": 1}, "multiple values"),
    ],
)
def test_arguments_that_do_not_fit_are_seen_before_a_worker_starts(
    code: Path, name: str, args: dict[str, Any], says: str
) -> None:
    fetch_code([str(code)], JobFiles(), code.parent / "fetched")
    with pytest.raises(SpecError) as caught:
        find_function(f"dask_test_jobs.delays:{name}", args)
    assert caught.value.code == "FUNCTION_SIGNATURE"
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("module", "says"), [("broken", "No module named 'no_such_package'"), ("raises", "ZeroDivisionError")]
)
def test_a_module_that_raises_is_not_called_missing(code: Path, module: str, says: str) -> None:
    with pytest.raises(DataOpsError) as caught:
        found(code, f"dask_test_jobs.{module}:f")
    assert caught.value.code == "FUNCTION_RAISED"
    assert says in str(caught.value)


def archive(path: Path, value: int, module: str = "dask_test_jobs") -> bytes:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{module}/__init__.py", f"VALUE = {value}")
    return path.read_bytes()


def test_two_archives_of_one_name_are_both_there(code: Path, tmp_path: Path) -> None:
    uris = [f"gs://{name}/code.zip" for name in "ab"]
    contents = {uri: archive(tmp_path / uri[5] / "code.zip", 1, f"dask_test_jobs_{uri[5]}") for uri in uris}

    class Bucket(JobFiles):
        def read(self, uri: str) -> bytes:
            return contents[uri]

    paths = fetch_code(uris, Bucket(), tmp_path / "fetched")
    assert [path.read_bytes() for path in paths] == list(contents.values())
    for name in "ab":
        assert importlib.import_module(f"dask_test_jobs_{name}").VALUE == 1


def test_a_worker_that_outlives_its_job_imports_the_code_of_the_next_one(code: Path, tmp_path: Path) -> None:
    for mark, value in (("0" * 16, 1), ("1" * 16, 2), ("0" * 16, 1)):
        unpack(str(tmp_path), f"{mark}-code.zip", archive(tmp_path / "new" / "code.zip", value))
        module = importlib.import_module("dask_test_jobs")
        assert value == module.VALUE


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataOpsError, match=r"missing\.zip is not there") as caught:
        fetch_code([str(tmp_path / "missing.zip")], JobFiles(), tmp_path / "fetched")
    assert caught.value.code == "CODE_UNREADABLE"
