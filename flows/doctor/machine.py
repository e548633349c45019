"""The machine: Python, packages, disk, folders that can be written to, the clock."""

import os
import platform
import re
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from flows.doctor.finding import DoubtError, TroubleError

LEAST_FREE = 10 * 2**30  # bytes on a volume; a run with real films writes some GB
LEAST_TO_GO_ON = 2**30  # below this, a run is likely to end in the middle
LEAST_FILES = 10_000  # that may still be made on a volume
LARGEST_LEAD = 60.0  # seconds that two clocks may lie apart
REPLACED = {"tensorflow-cpu": "tensorflow", "onnxruntime": "onnxruntime-gpu"}  # by builds for GPUs
INSTALL = "Install what is pinned: rm -f .venv/.ready && make check."


def python(root: Path) -> str:
    """Whether the interpreter is one that pyproject.toml asks for."""
    wanted = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    found = platform.python_version()
    if found not in SpecifierSet(wanted):
        raise TroubleError(
            f"Python {found} runs", wanted, "Make .venv anew: rm -r .venv && make check PYTHON=python3.12."
        )
    return f"{found}, {os.path.relpath(sys.executable, root)}"


def packages(root: Path) -> str:
    """Whether the packages are those of requirements.lock; a build for GPUs may stand in for the usual one."""
    here: dict[str, str] = {canonicalize_name(one.name): one.version for one in distributions() if one.name}
    pins = dict(_pins(root / "requirements.lock"))
    found = {name: here.get(name) or here.get(REPLACED.get(name, "")) for name in pins}
    if missing := [f"{name} {pins[name]}" for name, version in found.items() if version is None]:
        raise TroubleError(f"{_some(missing)} missing", f"all {len(pins)} packages of requirements.lock", INSTALL)
    if other := [f"{name} {version} for {pins[name]}" for name, version in found.items() if version != pins[name]]:
        raise DoubtError(
            f"{_some(other)} not as pinned", "the versions of requirements.lock, which the tests ran with", INSTALL
        )
    return f"all {len(pins)} as requirements.lock pins them"


def disk(folders: Iterable[Path]) -> str:
    """Whether the volumes of these folders have room."""
    rooms = {folder.stat().st_dev: (folder, shutil.disk_usage(folder)) for folder in map(_existing, folders)}
    for folder, usage in rooms.values():
        remedy = "Make room: make upkeep shows what may go, or move DVC's cache (dvc cache dir)."
        if (error := _room(usage.free)) is not None:
            raise error(f"{gib(usage.free)} are free where {folder} lies", f"{gib(LEAST_FREE)} at least", remedy)
        if 0 < _files_left(folder) < LEAST_FILES:
            found = f"{_files_left(folder)} more files can be made where {folder} lies"
            raise TroubleError(found, f"{LEAST_FILES} at least", "Free inodes, or use another volume.")
    return ", ".join(f"{gib(usage.free)} of {gib(usage.total)} free at {folder}" for folder, usage in rooms.values())


def writable(root: Path) -> str:
    """Whether runs can write where they must."""
    for folder in (root / ".filmgate", root / "data", root / ".dvc"):
        try:
            folder.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
                file.write(b"x" * 4096)
                file.flush()
        except OSError as error:
            do = f"Give this user the right to write there: chown -R {os.getuid()} {folder}."
            raise TroubleError(
                f"{folder} cannot be written to ({error.strerror})", "a folder of this user's", do
            ) from None
    return ".filmgate, data, .dvc"


def clock(root: Path) -> str:
    """Whether a file that is written now bears the time of this process, and none of DVC's is of the future."""
    with tempfile.NamedTemporaryFile(dir=_existing(root / ".filmgate"), prefix=".doctor-") as file:
        lead = Path(file.name).stat().st_mtime - time.time()
    if abs(lead) > LARGEST_LEAD:
        do = "Set both clocks by NTP: DVC takes a file for unchanged by its time."
        raise TroubleError(f"A file written now is {lead:+.0f} s from this machine's clock", "the same time", do)
    known = [path for path in (root / "dvc.lock", root / "dvc.yaml", root / ".dvc" / "tmp") if path.exists()]
    if late := [path.name for path in known if path.stat().st_mtime > time.time() + LARGEST_LEAD]:
        raise DoubtError(
            f"{_some(late)} of the future", "times that have passed", "See that the clock was not set back."
        )
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


def gib(size: int) -> str:
    """Bytes in GiB, as people read them."""
    return f"{size / 2**30:.1f} GiB"


def _room(free: int) -> type[TroubleError] | None:
    if free < LEAST_TO_GO_ON:
        return TroubleError
    return DoubtError if free < LEAST_FREE else None


def _files_left(folder: Path) -> int:
    return os.statvfs(folder).f_favail  # 0: the file system does not count them


def _existing(path: Path) -> Path:
    """A path, or its nearest parent that exists."""
    return next(one for one in (path, *path.absolute().parents) if one.exists())


def _pins(lock: Path) -> Iterator[tuple[str, str]]:
    """Names and versions of a lock file that hold on this machine."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if written := re.sub(r"(^|\s)#.*", "", line).strip():
            pin = Requirement(written)
            if pin.marker is None or pin.marker.evaluate():
                yield canonicalize_name(pin.name), next(iter(pin.specifier)).version


def _some(names: list[str]) -> str:
    """Names, the first three of them, and the verb that goes with them."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{rest} {'is' if len(names) == 1 else 'are'}"
