"""Opening an archive: nothing in it may escape, and nothing lies half unpacked where data are read."""

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from stat import S_ISLNK
from typing import Literal

from pipelines.errors import DataError
from pipelines.stage import replace_folder

LEFTOVERS = (".DS_Store", "._")  # macOS puts them into archives; the second is the beginning of a name
FAULTS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError)


def unpack(archive: Path, kind: Literal["zip", "tar"], target: Path, beside: Path) -> int:
    """Unpack the folder `target.name` of an archive to `target`, which it replaces.

    Args:
        beside: a folder on the same disk to unpack into first; it is emptied before and removed afterwards.
    Returns:
        number of files in the archive that are no part of that folder, or leftovers, and were left out.
    Raises:
        DataError: the archive is damaged, holds no such folder, or holds a path that would leave it.
    """
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        left_out = (_unzip if kind == "zip" else _untar)(archive, target.name, beside)
        if not (beside / target.name).is_dir():
            raise DataError(f"{archive} holds no folder {target.name}. Correct `holds` in data/public.yaml.")
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_folder(beside / target.name, target)
    except FAULTS as error:
        raise DataError(f"{archive} cannot be unpacked ({error}). Remove it, and fetch it again.") from None
    finally:
        shutil.rmtree(beside)
    return left_out


def _unzip(archive: Path, folder: str, beside: Path) -> int:
    with zipfile.ZipFile(archive) as file:
        members = [member for member in file.infolist() if not member.is_dir()]
        for member in members:
            _stays_inside(member, archive)
        wanted = [member for member in members if _wanted(member.filename, folder)]
        file.extractall(beside, wanted)
    return len(members) - len(wanted)


def _stays_inside(member: zipfile.ZipInfo, archive: Path) -> None:
    """A ZIP file has no `data` filter as tar files have, and would rename in silence what leads outside."""
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or S_ISLNK(member.external_attr >> 16):
        raise DataError(f"{archive} holds {member.filename!r}, which leads outside. Do not use this archive.")


def _untar(archive: Path, folder: str, beside: Path) -> int:
    left_out = 0

    def keep(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        nonlocal left_out
        safe = tarfile.data_filter(member, path)
        if _wanted(member.name, folder):
            return safe
        left_out += member.isfile()
        return None

    with tarfile.open(archive) as file:
        try:
            file.extractall(beside, filter=keep)
        except tarfile.FilterError as error:
            raise DataError(
                f"{archive} holds {error.tarinfo.name!r}, which leads outside. Do not use this archive."
            ) from None
    return left_out


def _wanted(name: str, folder: str) -> bool:
    path = PurePosixPath(name)
    return path.parts[:1] == (folder,) and not path.name.startswith(LEFTOVERS)
