"""What a killed run left half written: files and folders that end in `.partial`, and bentos half unpacked.

Who writes one is done with it within hours. Downloads, which go on where they ended, are left alone.
"""

from collections.abc import Iterator
from pathlib import Path

from flows.upkeep.rubbish import Rubbish, older

PLACES = (("", 0), ("data", 2), (".filmgate", 4))  # folders, and how deep below them runs write
NAMES = ("*.partial", ".unpacking-*")
APART = {"downloads", "runs", "unpacked"}  # what goes on later, what has a lock of its own, what is whole
SETTLED = 1.0  # days


def leftovers(root: Path, now: float) -> Iterator[Rubbish]:
    """Half-written files and folders that nobody wrote to for a day."""
    folders = {folder for place, depth in PLACES for folder in _below(root / place, depth)}
    folders.add(root / ".filmgate/bentoml/unpacked")
    for folder in sorted(folders):
        for path in sorted(path for name in NAMES for path in folder.glob(name)):
            if older(path, SETTLED, now):
                yield Rubbish(path.relative_to(root).as_posix(), (path,), "half written, by a run that was killed")


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """A folder and those in it, down to a depth, without those that are half written themselves."""
    if folder.is_dir() and not folder.is_symlink() and not any(folder.match(name) for name in NAMES):
        yield folder
        if depth:
            for child in folder.iterdir():
                if child.name not in APART:
                    yield from _below(child, depth - 1)
