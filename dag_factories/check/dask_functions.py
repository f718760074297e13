# SPDX-License-Identifier: Apache-2.0
"""The functions of a ``composer_dask`` pipeline: found by looking for files and reading them as text, never by importing."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from airflow_dataops.core.errors import did_you_mean
from dag_factories import dask
from dag_factories.check.context import Context
from dag_factories.reader import read_bytes
from dag_factories.specs.base import Path as Place
from dag_factories.specs.base import Problem
from dag_factories.specs.composer_dask import ComposerDaskSpec, Job

_LARGEST = 2**20
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def check(context: Context) -> Iterator[Problem]:
    """Yield modules that are nowhere, and functions that are not in them or take other arguments."""
    spec = context.spec
    if not isinstance(spec, ComposerDaskSpec):
        return
    folders = dask.code_folders(context.project, context.project.relative(context.path))
    roots = [Path(os.path.normpath(context.project.root / folder)) for folder in folders]
    for index, job in enumerate(spec.jobs):
        module, colon, name = job.function.partition(":")
        if colon and all(part.isidentifier() for part in (*module.split("."), name)):  # else it is told already
            yield from _one(job, ("jobs", index), roots, context.project.root)


def _one(job: Job, place: Place, roots: list[Path], home: Path) -> Iterator[Problem]:
    module, _, name = job.function.partition(":")
    file = _find(module, roots)
    if file is None:
        if (
            PathFinder.find_spec(module.partition(".")[0]) is None
        ):  # of a package only the top is asked for: that imports nothing
            yield _module_missing(module, place, roots, home)
        return
    try:
        tree = ast.parse(read_bytes(file, _LARGEST), str(file))
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        where = f"{file.name}:{error.lineno}" if isinstance(error, SyntaxError) else file.name
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        yield _warning((*place, "function"), "MODULE_BROKEN", f"{where}: {said}", "mend the module")
        return
    found = _defined(tree)
    if name not in found:
        if "*" not in found:
            functions = [key for key, node in found.items() if node is not None and not key.startswith("_")]
            message = f"there is no {name!r} in {file.relative_to(home) if file.is_relative_to(home) else file}"
            hint = did_you_mean(name, functions) or f"functions there: {', '.join(functions[:10]) or 'none'}"
            yield _warning((*place, "function"), "FUNCTION_MISSING", message, hint, len(module) + 1)
        return
    node = found[name]
    if node is not None and not node.decorator_list:  # what a decorator makes of it is known only when it is run
        yield from _signature(job, node, place)


def _find(module: str, roots: list[Path]) -> Path | None:
    below = Path(*module.split("."))
    candidates = [path for root in roots for path in (root / f"{below}.py", root / below / "__init__.py")]
    return next((path for path in candidates if path.is_file()), None)


def _module_missing(module: str, place: Place, roots: list[Path], home: Path) -> Problem:
    looked = ", ".join(f"{root.relative_to(home)}/" if root.is_relative_to(home) else str(root) for root in roots)
    message = f"there is no module {module!r} in {looked}"
    hint = _nearest(module.split("."), roots) or "name its folder in code: of dataops.yaml"
    return _warning((*place, "function"), "MODULE_MISSING", message, hint)


def _nearest(parts: list[str], roots: list[Path]) -> str | None:
    """Return what stands where the first part is that is nowhere."""
    for number, part in enumerate(parts):
        folders = [root.joinpath(*parts[:number]) for root in roots]
        near = {path.stem for folder in folders for path in folder.glob("*.py") if path.stem != "__init__"}
        near |= {path.name for folder in folders for path in folder.glob("*/") if path.name.isidentifier()}
        if part not in near:
            return did_you_mean(part, sorted(near))
    return None


def _defined(tree: ast.Module) -> dict[str, _Function | None]:
    """Return what a module defines at its top, functions with their nodes; ``*`` where it takes over what another one has."""
    found: dict[str, _Function | None] = {}
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, _Function):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found[node.name] = None
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0]: None for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {one.id: None for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
        elif isinstance(node, ast.If | ast.Try):
            waiting += [*node.body, *node.orelse, *(one for h in getattr(node, "handlers", []) for one in h.body)]
    return found


def _signature(job: Job, node: _Function, place: Place) -> Iterator[Problem]:
    name, arguments = node.name, node.args
    if isinstance(node, ast.AsyncFunctionDef):
        message = f"{name} is `async def`; a job's function is called, not awaited"
        yield _warning((*place, "function"), "FUNCTION_ARGUMENTS", message, f"write def {name}(client, …)")
        return
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if not positional and arguments.vararg is None:
        message = f"{name} takes no client: it is called as {name}(client, **args)"
        yield _warning((*place, "function"), "FUNCTION_ARGUMENTS", message, f"write def {name}(client, …)")
        return
    named = [argument.arg for argument in arguments.args]
    takes = [one for one in named if one != positional[0]] if positional else named
    takes += [argument.arg for argument in arguments.kwonlyargs]
    for given in job.args:
        if given not in takes and arguments.kwarg is None:
            message = f"{name} takes no argument {given!r}; it takes: {', '.join(takes) or 'none but the client'}"
            yield _warning(
                (*place, "args", given), "FUNCTION_ARGUMENTS", message, did_you_mean(given, takes), on_key=True
            )
    for needed in _required(arguments):
        if needed not in job.args:
            message = f"{name} needs an argument {needed!r}"
            yield _warning((*place, "args"), "FUNCTION_ARGUMENTS", message, f"add {needed}: … to args", on_key=True)


def _required(arguments: ast.arguments) -> list[str]:
    """Return the arguments without a default, the client left out."""
    plain = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    needed = plain[1 : len(plain) - len(arguments.defaults)]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return needed + [argument.arg for argument, default in pairs if default is None]


def _warning(
    place: Place, code: str, message: str, hint: str | None, offset: int | None = None, *, on_key: bool = False
) -> Problem:
    return Problem(place, code, message, hint, severity="warning", offset=offset, on_key=on_key)
