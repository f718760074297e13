# SPDX-License-Identifier: Apache-2.0
"""Loading YAML pipelines against Airflow files that hold the same DAGs, and the start of one task among them.

    python benchmarks/bench_load.py [--count 1000] [--rounds 7] [--smoke]

The floor is one Python file a DAG, as a person would write it with the same operators and arguments, with its bytecode beside it,
executed by the loader that Airflow uses. Printed too: a loop that makes the DAGs with five empty operators.
Each side of each round is a fork of one process that has imported everything and has frozen its objects, as Airflow's DAG processor
does; sides take turns; processor seconds, medians. First the DAGs of both sides are serialised and compared: they must be equal but
for the file that they were read from.
"""

from __future__ import annotations

import argparse
import difflib
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="bench-load-airflow-"))

import pipelines
from airflow.sdk import DAG, BaseOperator

LOADER = '"""Every airflow dag of the folder."""\nfrom dag_factories import load_dags\n\nload_dags("pipelines", namespace=globals())\n'
STUB = '"""The airflow dag of the file beside this one."""\nfrom dag_factories import load_dag\n\ndag = load_dag(__file__)\n'
WANTED = "_AIRFLOW_PARSING_CONTEXT_DAG_ID"


def forked(work: Callable[[], Any]) -> Any:
    """Return what ``work`` returns in a fork of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with os.fdopen(writing, "w") as stream:
                json.dump(work(), stream)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("a side failed; its message is above")
    return json.loads(text)


def timed(work: Callable[[], int], expected: int) -> float:
    """Return the processor seconds of a call; it must have made as many DAGs as expected."""
    started = time.process_time()
    made = work()
    taken = time.process_time() - started
    if made != expected:
        raise SystemExit(f"{made} DAGs were made instead of {expected}")
    return taken


def execute(path: Path) -> dict[str, DAG]:
    """Execute a DAG file as Airflow does, and return its DAGs."""
    loader = SourceFileLoader(f"unusual_prefix_{path.stem}", str(path))
    spec = spec_from_loader(loader.name, loader)
    if spec is None:
        raise SystemExit(f"{path} cannot be loaded")
    module = module_from_spec(spec)
    loader.exec_module(module)
    return {value.dag_id: value for value in vars(module).values() if isinstance(value, DAG)}


def from_python(files: list[Path]) -> dict[str, DAG]:
    """Execute all Python files."""
    found: dict[str, DAG] = {}
    for file in files:
        found |= execute(file)
    return found


def light(count: int) -> int:
    """Make DAGs with five empty operators in a row."""
    made = []
    for number in range(count):
        dag = DAG(dag_id=f"light_{number}", schedule=None)
        before = None
        for step in range(5):
            task = BaseOperator(task_id=f"step_{step}", dag=dag)
            if before is not None:
                task.set_upstream(before)
            before = task
        made.append(dag)
    return len(made)


def serialised(dag: DAG) -> list[str]:
    """Return the lines of the serialised DAG without what says where it was read."""
    from airflow.serialization.serialized_objects import DagSerialization

    document: dict[str, Any] = DagSerialization.to_dict(dag)["dag"]
    for name in ("fileloc", "relative_fileloc", "_processor_dags_folder"):
        document.pop(name, None)
    return json.dumps(document, sort_keys=True, indent=1, default=str).splitlines()


def compare(folder: Path, files: list[Path]) -> int:
    """Stop unless both sides' DAGs are equal; returns how many tasks each has."""
    ours, theirs = execute(folder / "loader.py"), from_python(files)
    if ours.keys() != theirs.keys():
        raise SystemExit(f"the two sides differ in their DAGs: {len(ours)} of YAML, {len(theirs)} of Python")
    for name, dag in ours.items():
        difference = list(
            difflib.unified_diff(serialised(theirs[name]), serialised(dag), "python", "yaml", lineterm="")
        )
        if difference:
            raise SystemExit("the two sides differ:\n" + "\n".join(difference))
    return len(next(iter(ours.values())).tasks)


def whole_load(folder: Path, files: list[Path], rounds: int) -> None:
    """Load all DAGs in both ways, and print the ratio."""
    count = len(files)
    sides: dict[str, Callable[[], int]] = {
        "ours": lambda: len(execute(folder / "loader.py")),
        "python": lambda: len(from_python(files)),
        "light": lambda: light(count),
    }
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            taken[name].append(forked(lambda work=work: timed(work, count)))
    ours, python, empty = (statistics.median(taken[name]) for name in sides)
    print(
        f"load {count} DAGs: ours {ours:.2f} s CPU, plain Python {python:.2f} s: ratio {ours / python:.2f} (reach 1.2)"
    )
    print(f"  a loop with 5 light operators: {empty:.2f} s CPU: ratio {ours / empty:.2f}")


def one_task(folder: Path, files: list[Path], rounds: int) -> None:
    """Read what a worker reads to start one task, once and again in the same process, and print the milliseconds."""
    wanted = files[len(files) // 2].stem
    stub = next((folder / "pipelines").rglob(f"{wanted}.yaml")).with_suffix(".py")
    stub.write_text(STUB, "utf-8")
    for what, file in (("one file with load_dags", folder / "loader.py"), ("a stub with load_dag", stub)):

        def twice(file: Path = file) -> list[float]:
            os.environ[WANTED] = wanted
            return [timed(lambda: len(execute(file)), 1) * 1000 for _ in range(2)]

        first, again = (
            statistics.median(column) for column in zip(*(forked(twice) for _ in range(rounds)), strict=True)
        )
        print(f"start one task among {len(files)} files, {what}: {first:.1f} ms CPU, again {again:.1f} ms (reach 15)")
    stub.unlink()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="DAGs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--smoke", action="store_true", help="one small round")
    arguments = parser.parse_args()
    count, rounds = (20, 1) if arguments.smoke else (arguments.count, arguments.rounds)
    with tempfile.TemporaryDirectory(prefix="bench-load-") as temporary:
        folder = Path(temporary).resolve()
        files = pipelines.write(folder, count)
        (folder / "loader.py").write_text(LOADER, "utf-8")
        print(f"{count} DAGs of {forked(lambda: compare(folder, files))} tasks, equal on both sides")
        import_everything()
        whole_load(folder, files, rounds)
        one_task(folder, files, rounds)


def import_everything() -> None:
    """Import what either side imports, and keep the collector away from it, before anything is measured."""
    with tempfile.TemporaryDirectory(prefix="bench-load-") as temporary:
        folder = Path(temporary).resolve()
        files = pipelines.write(folder, 2)
        (folder / "loader.py").write_text(LOADER, "utf-8")
        for file in [folder / "loader.py", *files]:
            execute(file)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
