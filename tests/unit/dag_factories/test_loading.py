# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from dag_factories import load_dag, load_dags, loading
from dag_factories.check import context, suites
from dag_factories.findings import PipelineError
from tests.dag_files import dag_bag

pytestmark = pytest.mark.airflow

BROKEN = "dataops_broken_files"
STUB = '"""The airflow dag of {name}.yaml."""\nfrom dag_factories import load_dag\n\ndag = load_dag(__file__)\n'
FOLDER = '"""Every airflow dag of the folder."""\nfrom dag_factories import load_dags\n\nload_dags("pipelines", namespace=globals())\n'


def pipeline(name: str) -> str:
    return (
        f"version: 1\nkind: bronze_to_silver\nname: {name}\nfull: true\n"
        f'source: {{path: "${{lake}}/bronze/{name}"}}\ntarget: {{path: "${{lake}}/silver/{name}"}}\n'
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two pipelines that can be loaded, and their project."""
    (tmp_path / "dataops.yaml").write_text("version: 1\n")
    (tmp_path / "pipelines").mkdir()
    for name in ("orders", "customers"):
        (tmp_path / "pipelines" / f"{name}.yaml").write_text(pipeline(name))
    return tmp_path


@pytest.fixture
def load(folder: Path) -> Callable[[], dict[str, Any]]:
    """Return what a loader file in the folder finds."""
    return lambda: load_dags("pipelines", namespace={"__file__": str(folder / "loader.py")})


@pytest.fixture
def start_of_task(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set what Airflow sets while a worker reads the file of one task."""
    return lambda dag_id: monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)


def import_errors(path: Path) -> tuple[list[str], dict[str, str]]:
    """Return DAG ids and import errors of a file or folder, as Airflow reads it with safe mode on."""
    bag = dag_bag(path)
    return sorted(bag.dags), {Path(file).name: text for file, text in bag.import_errors.items()}


def test_a_stub_loads_the_file_beside_it(folder: Path) -> None:
    assert load_dag(str(folder / "pipelines" / "orders.py")).dag_id == "orders"


def test_a_stub_without_its_file_says_so(folder: Path) -> None:
    with pytest.raises(PipelineError, match=r"FILE_MISSING nothing\.yaml is not beside nothing\.py"):
        load_dag(str(folder / "nothing.py"))


def test_a_bad_file_is_one_error_with_all_findings(folder: Path) -> None:
    (folder / "pipelines" / "orders.yaml").write_text(pipeline("orders") + "ownr: me\nretries: 3\n")
    with pytest.raises(PipelineError) as caught:
        load_dag(str(folder / "pipelines" / "orders.py"))
    text = str(caught.value)
    assert "orders.yaml:7:1: error: UNKNOWN_KEY unknown key 'ownr'" in text
    assert "did you mean 'owner'?" in text
    assert "orders.yaml:8:1: error: UNKNOWN_KEY" in text


def test_each_bad_file_is_its_own_import_error_in_airflow(folder: Path) -> None:
    for name in ("orders", "customers"):
        (folder / "pipelines" / f"{name}.py").write_text(STUB.format(name=name))
    (folder / "pipelines" / "orders.yaml").write_text("version: 1\nkind: nothing\n")
    dags, errors = import_errors(folder / "pipelines")
    assert (dags, list(errors)) == (["customers"], ["orders.py"])
    assert "orders.yaml:2:7: error: UNKNOWN_KIND" in errors["orders.py"]


def test_a_generated_stub_is_found_in_safe_mode(folder: Path) -> None:
    from dag_factories.stubs import find_stubs, write_stubs

    write_stubs(find_stubs([folder / "pipelines"]))
    assert import_errors(folder / "pipelines") == (["customers", "orders"], {})


def test_one_file_loads_a_whole_folder(folder: Path) -> None:
    (folder / "loader.py").write_text(FOLDER)
    assert import_errors(folder / "loader.py") == (["customers", "orders"], {})


def test_every_dag_of_a_folder_belongs_to_the_loader(folder: Path, load: Callable[[], dict[str, Any]]) -> None:
    assert {dag.fileloc for dag in load().values()} == {str(folder / "loader.py")}


def test_dags_are_put_into_the_namespace(folder: Path) -> None:
    namespace = {"__file__": str(folder / "loader.py")}
    found = load_dags("pipelines", namespace=namespace)
    assert {name: namespace[name] for name in found} == found


def test_good_files_load_beside_bad_ones(folder: Path, load: Callable[[], dict[str, Any]]) -> None:
    (folder / "pipelines" / "orders.yaml").write_text("version: [\n")
    (folder / "pipelines" / "more.yaml").write_text(pipeline("other_name"))
    found = load()
    assert sorted(found) == ["customers", BROKEN]


def test_the_broken_files_dag_lists_what_is_wrong(folder: Path, load: Callable[[], dict[str, Any]]) -> None:
    (folder / "pipelines" / "orders.yaml").write_text(pipeline("orders") + "ownr: me\n")
    dag = load()[BROKEN]
    assert "orders.yaml:7:1: error: UNKNOWN_KEY" in dag.doc_md
    assert any("UNKNOWN_KEY" in text for text in dag.get_task("findings").findings)


def test_the_broken_files_dag_fails_when_it_is_run(
    folder: Path, load: Callable[[], dict[str, Any]], run_dag: Callable[..., Any]
) -> None:
    (folder / "loader.py").write_text(FOLDER)
    (folder / "pipelines" / "orders.yaml").write_text("version: 1\n")
    assert run_dag(load()[BROKEN]).state == "failed"


def test_a_loader_of_bad_files_is_no_import_error(folder: Path) -> None:
    (folder / "loader.py").write_text(FOLDER)
    (folder / "pipelines" / "orders.yaml").write_text("version: 1\n")
    assert import_errors(folder / "loader.py") == (["customers", BROKEN], {})


def test_without_bad_files_there_is_no_such_dag(load: Callable[[], dict[str, Any]]) -> None:
    assert BROKEN not in load()


@pytest.mark.parametrize("bad", [0, 2])
def test_bad_files_are_counted(
    folder: Path, load: Callable[[], dict[str, Any]], bad: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dag_factories.realise import broken

    told: list[tuple[str, int]] = []
    monkeypatch.setattr(broken.Stats, "gauge", lambda name, value: told.append((name, value)))
    for number in range(bad):
        (folder / "pipelines" / f"bad{number}.yaml").write_text("version: 1\n")
    load()
    assert told == [("dataops.yaml.broken", bad)]


def test_files_of_one_name_are_both_named_and_neither_wins(folder: Path, load: Callable[[], dict[str, Any]]) -> None:
    (folder / "pipelines" / "more").mkdir()
    (folder / "pipelines" / "more" / "orders.yaml").write_text(pipeline("orders"))
    found = load()
    assert sorted(found) == ["customers", BROKEN]
    assert found[BROKEN].doc_md.count("DUPLICATE_NAME") == 2
    assert "pipelines/more/orders.yaml" in found[BROKEN].doc_md


def test_a_broken_project_file_is_named_once(folder: Path, load: Callable[[], dict[str, Any]]) -> None:
    (folder / "dataops.yaml").write_text("version: 1\ndefault_traget: local\n")
    found = load()
    assert list(found) == [BROKEN]
    assert found[BROKEN].doc_md.count("default_traget") == 1


def test_what_airflow_refuses_breaks_no_other_dag(folder: Path, load: Callable[[], dict[str, Any]]) -> None:
    (folder / "pipelines" / "orders.yaml").write_text(pipeline("orders") + f"tags: [{'x' * 200}]\n")
    found = load()
    assert sorted(found) == ["customers", BROKEN]
    assert "DAG_REFUSED" in found[BROKEN].doc_md


def test_a_task_start_reads_only_its_own_file(
    folder: Path, load: Callable[[], dict[str, Any]], start_of_task: Callable[[str], None]
) -> None:
    os.mkfifo(folder / "pipelines" / "never_read.yaml")  # reading it would never end
    start_of_task("orders")
    assert list(load()) == ["orders"]


def test_a_task_start_of_another_files_dag_loads_nothing(
    load: Callable[[], dict[str, Any]], start_of_task: Callable[[str], None]
) -> None:
    start_of_task("somebody_elses")
    assert load() == {}


def test_a_task_start_of_the_broken_files_finds_them(
    folder: Path, load: Callable[[], dict[str, Any]], start_of_task: Callable[[str], None]
) -> None:
    (folder / "pipelines" / "orders.yaml").write_text("version: 1\n")
    start_of_task(BROKEN)
    assert BROKEN in load()


def test_a_folder_that_is_not_there_is_an_error(folder: Path) -> None:
    with pytest.raises(SpecError, match="FOLDER_MISSING"):
        load_dags("nowhere", namespace={"__file__": str(folder / "loader.py")})


def test_a_target_can_be_chosen(folder: Path) -> None:
    (folder / "dataops.yaml").write_text("version: 1\ntargets: {local: {}, other: {lake: s3://other}}\n")
    dag = load_dag(str(folder / "pipelines" / "orders.py"), target="other")
    assert dag.get_task("refine").lake == "s3://other"


def test_a_target_that_does_not_exist_is_an_error_of_the_loader(folder: Path) -> None:
    with pytest.raises(PipelineError, match="UNKNOWN_TARGET"):
        load_dag(str(folder / "pipelines" / "orders.py"), target="nowhere")


def test_a_plan_is_made_once_and_a_file_is_read_once(
    load: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[str] = []
    opened: list[str] = []
    make, read = context.plan_of, os.open
    monkeypatch.setattr(context, "plan_of", lambda *args: (planned.append(args[0].name), make(*args))[1])
    monkeypatch.setattr(os, "open", lambda path, *args: (opened.append(Path(path).name), read(path, *args))[1])
    assert sorted(load()) == ["customers", "orders"]
    assert sorted(planned) == ["customers", "orders"]
    assert [name for name in sorted(opened) if name.endswith(".yaml")] == [
        "customers.yaml",
        "dataops.yaml",
        "orders.yaml",
    ]


def test_a_dag_of_a_folder_is_the_dag_of_a_stub(folder: Path, load: Callable[[], dict[str, Any]]) -> None:
    alone, among = load_dag(str(folder / "pipelines" / "orders.py")), load()["orders"]
    names = (
        "max_active_tasks",
        "max_active_runs",
        "max_consecutive_failed_dag_runs",
        "catchup",
        "tags",
        "doc_md",
        "start_date",
    )
    assert {name: getattr(alone, name) for name in names} == {name: getattr(among, name) for name in names}
    assert [vars(task).keys() for task in alone.tasks] == [vars(task).keys() for task in among.tasks]


def test_more_files_than_are_checked_at_a_time_all_load(
    folder: Path, load: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_AT_A_TIME", 2)
    for name in ("a", "b", "c"):
        (folder / "pipelines" / f"{name}.yaml").write_text(pipeline(name))
    (folder / "pipelines" / "d.yaml").write_text("kind: nothing\n")
    assert sorted(load()) == ["a", "b", "c", "customers", BROKEN, "orders"]


@pytest.mark.parametrize("running", [True, False])
def test_the_collector_is_as_it_was_after_a_load(load: Callable[[], dict[str, Any]], running: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if running else gc.disable)()
        load()
        assert gc.isenabled() is running
    finally:
        (gc.enable if before else gc.disable)()


def test_the_collector_runs_again_where_a_load_is_ended(
    load: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "_planned", stop)
    with pytest.raises(KeyboardInterrupt):
        load()
    assert gc.isenabled()


def test_what_was_checked_is_let_go_of_before_the_dags_are_made(
    load: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[weakref.ref[Any]] = []
    plan = context.plan_of

    def seen(spec: Any, *others: Any) -> Any:
        checked.append(weakref.ref(spec))
        return plan(spec, *others)

    def alive(ready: Any, *others: Any) -> Any:
        return [ref for ref in checked if ref() is not None]

    monkeypatch.setattr(context, "plan_of", seen)
    monkeypatch.setattr(loading, "_realised", alive)
    assert load() == {"customers": [], "orders": []}


def test_a_suite_that_is_shared_is_read_once_and_a_broken_one_is_told_of_in_each_file(
    folder: Path, load: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = suites.read_suite
    monkeypatch.setattr(suites, "read_suite", lambda *given: reads.append(given[1]) or read(*given))
    for name in ("orders", "customers"):
        gates = "quality: {bronze: {suite: suite.json}}\n"
        (folder / "pipelines" / f"{name}.yaml").write_text(pipeline(name) + gates)
    (folder / "suite.json").write_text('{"expectations": []}')
    assert (BROKEN in load(), len(reads)) == (False, 1)
    (folder / "suite.json").write_text("{}")
    page = load()[BROKEN].doc_md
    assert page.count("SUITE_INVALID") == 2
