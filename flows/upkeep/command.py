"""Show what may go, or remove it.

python -m flows.upkeep
python -m flows.upkeep --yes

Old workspaces, searches that were cut short, half-written files, copies of releases long out of production, and those
objects of DVC's cache that nobody names. What a tag, a branch, an experiment or the working copy names stays in the
cache, and so does every version of the data sets that `dvc add` and `dvc import-url` keep. A run that goes on is not
disturbed.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from flows.held import held_by_us
from flows.project import project
from flows.strict_dvc import quiet
from flows.upkeep.bentos import old_bentos
from flows.upkeep.leftovers import leftovers
from flows.upkeep.objects import Cache, the_cache
from flows.upkeep.rubbish import Rubbish, freed, remove
from flows.upkeep.workspaces import old_searches, old_workspaces
from pipelines.errors import BusyError, FilmgateError
from pipelines.sentences import in_one_sentence

AT_ONCE = 1000  # files that are removed while DVC's lock is held


def main(arguments: Sequence[str] | None = None, root: Path | None = None, now: float | None = None) -> None:
    """Do it from the command line; the exit status is 1 when something could not be looked at or removed.

    Args:
        root: the project, by default the one that the command lies in or is told of.
        now: seconds since 1970; by default what the clock says.
    """
    root = project() if root is None else root
    chosen = _parser().parse_args(arguments)
    quiet()
    moment = time.time() if now is None else now
    cache = Cache(root, tuple(Path(other).resolve() for other in chosen.project))
    with in_one_sentence():
        found = [
            *old_workspaces(root, chosen.days, moment),
            *old_searches(root, chosen.days, moment),
            *old_bentos(root, chosen.promotions, moment),
            *leftovers(root, moment),
        ]
        whole = _clear(found, cache, moment) if chosen.yes else _show(found, cache, moment)
    sys.exit(0 if whole else 1)


def _show(found: Sequence[Rubbish], cache: Cache, now: float) -> bool:
    """Say what would go; tells whether all could be looked at."""
    whole, things = True, list(found)
    try:
        cache.check()
        if objects := cache.unnamed(_folders(found), now):
            things.append(objects)
    except FilmgateError as error:
        print(f"kept      DVC's cache: {error}")
        whole = False
    for thing in things:
        print(f"would go  {thing.name}, {_size(freed(thing.paths))}: {thing.why}")
    total = freed(path for thing in things for path in thing.paths)
    print(f"{_size(total)} would come free: python -m flows.upkeep --yes" if things else "Nothing to remove.")
    return whole


def _clear(found: Sequence[Rubbish], cache: Cache, now: float) -> bool:
    """Remove what was found, then what nobody names any more; tells whether all of it went."""
    total, whole, count = 0, True, len(found)
    for thing in found:
        bytes_freed, problem = _remove(thing)
        total, whole = total + bytes_freed, whole and not problem
    try:
        cache.check()
        while objects := _next(cache, now):
            bytes_freed, problem = objects
            total, whole, count = total + bytes_freed, whole and not problem, count + 1
            if problem:
                break
    except BusyError as error:
        print(f"kept      DVC's cache: {error}")
    except FilmgateError as error:
        print(f"kept      DVC's cache: {error}")
        whole = False
    print(f"{_size(total)} came free." if count else "Nothing to remove.")
    return whole


def _remove(thing: Rubbish) -> tuple[int, str | None]:
    """Remove one thing, unless somebody took its lock; the bytes that came free, and what stood in the way."""
    with ExitStack() as stack:
        if thing.lock and not stack.enter_context(held_by_us(thing.lock)):
            print(f"kept      {thing.name}: a run has just taken it")
            return 0, None
        size = freed(thing.paths)
        try:
            for path in thing.paths:
                remove(path)
            if thing.lock:
                thing.lock.unlink(missing_ok=True)
        except OSError as error:
            print(f"kept      {thing.name}: it cannot be removed ({error}). Give this user the right to.")
            return 0, str(error)
    print(f"removed   {thing.name}, {_size(size)}: {thing.why}")
    return size, None


def _next(cache: Cache, now: float) -> tuple[int, str | None] | None:
    """Remove some of what nobody names, so few that no run waits long for DVC's lock; None where nothing is left."""
    cache.unnamed([], now)  # reads most of git before the lock is held
    with cache.locked():
        objects = cache.unnamed([], now)
        return _remove(the_cache(objects.paths[:AT_ONCE])) if objects else None


def _folders(found: Iterable[Rubbish]) -> list[Path]:
    return [path for thing in found for path in thing.paths]


def _size(count: int) -> str:
    """Bytes as people read them."""
    for unit, large in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= large:
            return f"{count / large:.1f} {unit}"
    return f"{count / 2**10:.0f} KiB"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.upkeep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--yes", action="store_true", help="remove it; without this, it is only shown")
    parser.add_argument("--days", type=_count, default=14, help="workspaces unused for so long may go (14)")
    parser.add_argument("--promotions", type=_count, default=3, help="so many of them back, releases stay unpacked (3)")
    parser.add_argument("--project", action="append", default=[], metavar="DIR", help="another project with this cache")
    return parser


def _count(written: str) -> int:
    if not written.isdigit():
        raise argparse.ArgumentTypeError(f"{written!r} is no number from 0")
    return int(written)
