# SPDX-License-Identifier: Apache-2.0
"""Builds what the nodes of a cluster need, from a lock and a folder of code, and puts it into the bucket once."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import airflow_dataops
from airflow_dataops.clients.archives import file_digest, files_below, write_tar, write_zip
from airflow_dataops.core.dataproc_dask import package
from airflow_dataops.core.errors import DataOpsError, InputError, MissingDependency, SpecError

Say = Callable[[str], None]

INIT_SCRIPT = Path(airflow_dataops.__file__).parent / "resources" / "dataproc" / "dask_init.sh"
_LONGEST_INSTALL = 1800
_MIB = 2**20


class Store(Protocol):
    """The part of :class:`~airflow_dataops.clients.gcs.Gcs` that is needed."""

    def size(self, uri: str) -> int | None: ...

    def upload(self, uri: str, path: Path | str, *, if_absent: bool = True) -> bool: ...


@dataclass(frozen=True)
class Built:
    """An archive, named by its content.

    Attributes:
        kind: ``env``, ``code`` or ``init``.
        path: The local file.
        digest: Its SHA-256, in hex.
        suffix: End of its name.
    """

    kind: str
    path: Path
    digest: str
    suffix: str


def build_environment(lock: Path, folder: Path, *, python: str, platform: str, work: Path, say: Say) -> Built:
    """Install what a lock pins for another machine, add this package as it is here, and pack both.

    Args:
        lock: Pins with or without hashes.
        folder: Where the tarball goes.
        python: Python of the nodes: ``3.11``.
        platform: ``x86_64`` or ``aarch64``.
        work: Folder for what is installed; it may be deleted afterwards.
        say: Told what is done.

    Raises:
        SpecError: The lock may not go onto a cluster.
        DataOpsError: Something of it cannot be installed (``PACKAGE_INSTALL``).
        MissingDependency: Neither uv nor pip is here.
    """
    pins = package.read_lock(read_text(lock), str(lock))
    site = work / "site"
    shutil.rmtree(site, ignore_errors=True)
    requirements = work / "requirements.txt"
    requirements.write_text(_without_own(lock.read_text(encoding="utf-8"), pins), encoding="utf-8")
    say(f"installing {len(pins)} packages for Python {python} on {platform}")
    _install(requirements, site, python=python, platform=platform)
    if (site / "airflow").exists():
        raise SpecError(f"a package of {lock} brings Airflow along", code="LOCK_HAS_AIRFLOW")
    found: list[tuple[str, Path | bytes]] = [
        (f"{package.SITE}/{'/'.join(parts)}", path) for parts, path in files_below(site) if package.belongs(parts)
    ]
    version = airflow_dataops.__version__
    about = package.manifest(pins, python=python, platform=platform, own_version=version)
    found += [*_own_files(version), (package.MANIFEST, about)]
    path = folder / "environment.tar.gz"
    say(f"packing {len(found):,} files")
    digest = write_tar(path, found)
    say(f"environment {digest[:16]}: {path.stat().st_size / _MIB:.0f} MiB")
    return Built("env", path, digest, ".tar.gz")


def build_code(folder: Path, work: Path, *, say: Say, without: Collection[Path] = ()) -> Built:
    """Pack a folder of modules into an archive that the driver and the workers import from.

    Args:
        folder: The folder.
        work: Where the archive goes.
        say: Told what is done.
        without: Folders below it that stay behind, as a lake.

    Raises:
        InputError: There is no such folder (``FILE_MISSING``), or no Python file in it (``CODE_EMPTY``).
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder", hint="name the folder that the modules lie in", code="FILE_MISSING"
        )
    files = [("/".join(parts), path) for parts, path in files_below(folder, without) if package.is_code(parts)]
    if not any(name.endswith(".py") for name, _ in files):
        raise InputError(
            f"there is no Python file in {folder}", hint="name the folder that the modules lie in", code="CODE_EMPTY"
        )
    path = work / "code.zip"
    digest = write_zip(path, files)
    say(f"code {digest[:16]}: {len(files)} files of {folder}, {path.stat().st_size / 1024:.0f} KiB")
    return Built("code", path, digest, ".zip")


def init_script(folder: Path | None = None) -> Built:
    """Return the initialization action of this version.

    Args:
        folder: Where a copy goes; None for the one of this package.
    """
    path = INIT_SCRIPT if folder is None else Path(shutil.copyfile(INIT_SCRIPT, folder / "init.sh"))
    return Built("init", path, file_digest(INIT_SCRIPT), ".sh")


def publish(built: Built, bucket: str, store: Store, *, say: Say) -> str:
    """Upload an archive unless one of the same content is there, and return its address.

    Raises:
        CloudError: The bucket cannot be written to.
    """
    uri = package.uri(bucket, built.kind, built.digest, built.suffix)
    if store.size(uri) is not None:
        say(f"{uri} is there already")
    elif store.upload(uri, built.path, if_absent=True):
        say(f"{uri} uploaded, {built.path.stat().st_size:,} bytes")
    else:
        say(f"{uri} was uploaded by somebody else in this moment")
    return uri


def read_text(path: Path) -> str:
    """Return the text of a file that the user has named.

    Raises:
        InputError: It cannot be read (``FILE_MISSING``).
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "uv pip compile dask.in -o dask.lock writes one"
        raise InputError(f"{path} cannot be read: {error}", hint=hint, code="FILE_MISSING") from error


def installer(requirements: Path, site: Path, *, python: str, platform: str) -> list[str]:
    """Return the command that installs for another machine: uv's, else pip's.

    Raises:
        MissingDependency: Neither is here.
    """
    common = ["--target", str(site), "--python-version", python, "--no-deps", "--only-binary", ":all:"]
    wanted = ["-r", str(requirements)]
    uv = shutil.which("uv")
    if uv is not None or importlib.util.find_spec("uv") is not None:
        command = [uv] if uv is not None else [sys.executable, "-m", "uv"]
        # The interpreter only has to be one; what is installed is for --python-version.
        target = ["--python", sys.executable, "--python-platform", package.PLATFORMS[platform], "--link-mode", "copy"]
        return [*command, "pip", "install", *common, *target, *wanted]
    if importlib.util.find_spec("pip") is not None:
        tags = [part for tag in _pip_platforms(platform) for part in ("--platform", tag)]
        return [sys.executable, "-m", "pip", "install", "--no-compile", *common, *tags, *wanted]
    raise MissingDependency("building an environment needs uv or pip", hint="pip install uv")


def _install(requirements: Path, site: Path, *, python: str, platform: str) -> None:
    command = installer(requirements, site, python=python, platform=platform)
    try:
        done = subprocess.run(  # noqa: S603 - the installer's path and our own arguments
            command, capture_output=True, text=True, timeout=_LONGEST_INSTALL, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise DataOpsError(f"the installation took more than {_LONGEST_INSTALL} s", code="PACKAGE_INSTALL") from late
    if done.returncode != 0:
        said = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise DataOpsError(
            f"the lock cannot be installed for Python {python} on {platform}:\n{said}",
            hint=f"lock for that machine: uv pip compile --python-version {python} --python-platform {package.PLATFORMS[platform]} …",
            code="PACKAGE_INSTALL",
        )


def _pip_platforms(platform: str) -> list[str]:
    """Return all tags that a node takes: pip, unlike uv, does not think of the older ones."""
    return [f"manylinux_2_{minor}_{platform}" for minor in (28, 27, 26, 24, 17)] + [f"manylinux2014_{platform}"]


def _without_own(text: str, pins: list[package.Pin]) -> str:
    """Leave out this package: the one that builds is what the nodes get, also where it was never published."""
    own = next((pin.line for pin in pins if pin.name == package.OWN), None)
    if own is None:
        return text
    lines = text.splitlines()
    end = own
    while lines[end - 1].rstrip().endswith("\\"):
        end += 1
    return "\n".join(lines[: own - 1] + lines[end:]) + "\n"


def _own_files(version: str) -> list[tuple[str, Path | bytes]]:
    folder = Path(airflow_dataops.__file__).parent
    about = f"Metadata-Version: 2.1\nName: {package.OWN}\nVersion: {version}\n".encode()
    files: list[tuple[str, Path | bytes]] = [
        (f"{package.SITE}/airflow_dataops/{'/'.join(parts)}", path)
        for parts, path in files_below(folder)
        if package.is_code(parts)
    ]
    return [*files, (f"{package.SITE}/airflow_dataops-{version}.dist-info/METADATA", about)]


__all__ = ["Built", "Store", "build_code", "build_environment", "init_script", "installer", "publish", "read_text"]
