# SPDX-License-Identifier: Apache-2.0
"""The user's code: put where Python finds it, here and on every worker, and called."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import string
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from airflow_dataops.clients.job_files import JobFiles
from airflow_dataops.core.dataproc_dask.result import Code
from airflow_dataops.core.errors import DataOpsError, SpecError, did_you_mean

Function = Callable[..., Any]

_MISSING = "put the module into the code archive: `dataops package --code FOLDER`, and name it in code_uris"

_MARK = 16  # hex digits of the content's hash before an archive's name


def fetch_code(uris: list[str], files: JobFiles, folder: Path) -> list[Path]:
    """Make the archives importable in this process.

    Raises:
        DataOpsError: One cannot be read (``CODE_UNREADABLE``).
    """
    paths = []
    for number, uri in enumerate(uris):
        place = folder / str(number)  # two archives may have one name
        place.mkdir(parents=True, exist_ok=True)
        try:
            paths.append(files.fetch(uri, place))
        except DataOpsError as error:
            raise DataOpsError(f"code: {error.message}", hint=error.hint, code=Code.CODE_UNREADABLE) from error
        _importable(str(paths[-1]))
    return paths


def send_code(client: Any, paths: list[Path]) -> None:
    """Make the archives importable on the scheduler and on all workers, those that come later too.

    Workers outlive a job where jobs share a cluster: what an earlier archive of the same name brought is forgotten there.
    """
    from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin

    class OnWorker(WorkerPlugin):
        def __init__(self, name: str, content: bytes) -> None:
            self.name, self.content = name, content

        def setup(self, worker: Any) -> None:
            unpack(worker.local_directory, self.name, self.content)

    class OnScheduler(SchedulerPlugin):
        def __init__(self, name: str, content: bytes) -> None:
            self.name, self.content = name, content

        async def start(self, _scheduler: Any) -> None:
            import tempfile

            unpack(tempfile.mkdtemp(prefix="dataops-code-"), self.name, self.content)

    for path in paths:
        content = path.read_bytes()
        name = f"{hashlib.sha256(content).hexdigest()[:_MARK]}-{path.name}"
        client.register_plugin(OnScheduler(name, content), name=f"dataops-scheduler-{name}")
        client.register_plugin(OnWorker(name, content), name=f"dataops-worker-{name}")


def find_function(name: str, args: Mapping[str, Any], *, missing: str = _MISSING) -> Function:
    """Return the function that ``module:function`` names, if it can be called with a client and these arguments.

    Args:
        name: The function.
        args: Its arguments.
        missing: What to do where there is no such module, nor one of a like name.

    Raises:
        SpecError: There is no such function (``FUNCTION_MISSING``), or it takes other arguments (``FUNCTION_SIGNATURE``).
        DataOpsError: Its module raised while it was imported (``FUNCTION_RAISED``).
    """
    module_name, _, attribute = name.partition(":")
    module = _module(module_name, missing)
    function = getattr(module, attribute, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        said = "is not a function" if hasattr(module, attribute) else "does not exist"
        hint = did_you_mean(attribute, known) or f"functions there: {', '.join(sorted(known)[:20]) or 'none'}"
        raise SpecError(f"{name!r}: {attribute!r} {said} in {_place(module)}", hint=hint, code=Code.FUNCTION_MISSING)
    _check_signature(name, function, args)
    return function  # type: ignore[no-any-return]


def _module(name: str, missing: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise _raised(name, error) from error
        parent, _, _ = error.name.rpartition(".")
        near = did_you_mean(error.name.rpartition(".")[2], _modules_in(parent))
        raise SpecError(
            f"there is no module {error.name!r}", hint=near or missing, code=Code.FUNCTION_MISSING
        ) from None
    except Exception as error:
        raise _raised(name, error) from error


def _raised(name: str, error: Exception) -> DataOpsError:
    return DataOpsError(
        f"module {name!r} raised while it was imported: {type(error).__name__}: {error}",
        hint="the traceback is in the driver's log; a missing package belongs into the lock of the environment",
        code=Code.FUNCTION_RAISED,
    )


def _modules_in(parent: str) -> list[str]:
    paths = None
    if parent:
        try:
            paths = list(importlib.import_module(parent).__path__)
        except (ImportError, AttributeError):
            return []
    return [found.name for found in iter_modules(paths)]


def _check_signature(name: str, function: Function, args: Mapping[str, Any]) -> None:
    if inspect.iscoroutinefunction(function):
        hint = "write `def`; work that waits belongs into Dask tasks"
        raise SpecError(f"{name!r} is `async def`", hint=hint, code=Code.FUNCTION_SIGNATURE)
    try:
        signature = inspect.signature(function)
        signature.bind(None, **args)
    except TypeError as error:
        given = ", ".join(["client", *(f"{key}=…" for key in args)])
        message = f"{name!r} cannot be called with ({given}): {error}"
        hint = f"write `def {name.partition(':')[2]}(client, …)` with the names that the job's args have"
        raise SpecError(message, hint=hint, code=Code.FUNCTION_SIGNATURE) from None
    except ValueError:
        return  # a function in C says nothing about its arguments


def _place(module: Any) -> str:
    return str(getattr(module, "__file__", None) or module.__name__)


def _importable(path: str) -> None:
    if path not in sys.path:
        sys.path.insert(0, path)
        importlib.invalidate_caches()


def unpack(folder: str, name: str, content: bytes) -> None:
    """Make an archive importable in this process, instead of an earlier one of the same name.

    Args:
        folder: Where it goes.
        name: ``<hash>-<name>``; a file of this name there has this content.
        content: The archive.
    """
    path = os.path.join(folder, name)
    _forget([old for old in sys.path if old != path and _same_name(old, name)])
    if not os.path.exists(path):
        with open(f"{path}.part", "wb") as file:
            file.write(content)
        os.replace(f"{path}.part", path)
    _importable(path)


def _same_name(path: str, name: str) -> bool:
    mark, _, own = os.path.basename(path).partition("-")
    return len(mark) == _MARK and own == name[_MARK + 1 :] and set(mark) <= set(string.hexdigits)


def _forget(paths: list[str]) -> None:
    for old in paths:
        sys.path.remove(old)
        for module in [key for key, loaded in sys.modules.items() if _lies_in(loaded, old)]:
            del sys.modules[module]


def _lies_in(module: Any, path: str) -> bool:
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(isinstance(place, str) and place.startswith(f"{path}{os.sep}") for place in places)


__all__ = ["fetch_code", "find_function", "send_code", "unpack"]
