"""A stage is a signature: `command(run)` makes the command line of a stage from its function.

A `Path` argument is a file or folder and becomes an option. Any other argument is the recipe section of that name;
`recipe: str` is the recipe's own name.
"""

import argparse
import inspect
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pipelines.errors import ChainError, FilmgateError
from pipelines.recipe_file import load_sections
from pipelines.sentences import disk_faults, in_one_sentence

FAULT_FILE = "FILMGATE_FAULT_FILE"
PARENT = "FILMGATE_PARENT"
SECONDS = "FILMGATE_STAGE_SECONDS"
KIND = ".kind"  # of the file beside the fault's that names its class


def command(run: Callable[..., None], arguments: Sequence[str] | None = None) -> None:
    """Run a stage from the command line; a FilmgateError is printed as one sentence, and the exit status is 1.

    Args:
        run: the stage.
        arguments: the command line; by default that of the process.
    """
    paths, sections = signature(run)
    parsed = vars(_parser(run, paths).parse_args(arguments))
    _end_with_parent()
    _end_in_time()
    with in_one_sentence(), _left_for_the_flow(), disk_faults():
        run(**{name: parsed[name] for name in paths}, **load_sections(parsed["recipe"], sections))


def signature(run: Callable[..., None]) -> tuple[list[str], list[str]]:
    """Names of the files and folders, and of the recipe sections, that a stage takes."""
    parameters = inspect.signature(run).parameters.values()
    paths = [parameter.name for parameter in parameters if parameter.annotation is Path]
    return paths, [parameter.name for parameter in parameters if parameter.name not in paths]


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into that takes the place of `folder` when the block ends well, and vanishes when not."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    replace_folder(partial, folder)


def replace_folder(complete: Path, folder: Path) -> None:
    """Move a complete folder to where `folder` is, which it replaces."""
    if folder.exists():
        shutil.rmtree(folder)
    complete.rename(folder)


@contextmanager
def fresh_file(file: Path) -> Iterator[Path]:
    """A file to write that takes the place of `file` when the block ends well, and vanishes when not."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    try:
        yield partial
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


@cache
def end_with(process: int) -> None:
    """End this process as soon as the other one is gone; asking twice is like asking once."""
    threading.Thread(target=_watch, args=(process,), daemon=True).start()


def _parser(run: Callable[..., None], paths: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=inspect.getdoc(run))
    parser.add_argument("--recipe", type=Path, required=True, help="the recipe, a YAML file")
    for name in paths:
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, type=Path, required=True)
    return parser


@contextmanager
def _left_for_the_flow() -> Iterator[None]:
    """Leave a fault where the flow that started this stage looks for it."""
    try:
        yield
    except FilmgateError as error:
        _leave(error)
        raise


def _leave(error: FilmgateError) -> None:
    if fault := os.environ.get(FAULT_FILE):
        Path(fault).write_text(str(error), encoding="utf-8")
        Path(fault).with_suffix(KIND).write_text(type(error).__name__, encoding="utf-8")


def _end_with_parent() -> None:
    """End when the flow that started this stage is gone, so that a killed run leaves nobody writing its outputs."""
    if parent := os.environ.get(PARENT):
        end_with(int(parent))


def _end_in_time() -> None:
    """End when the time that the flow gives a stage is over."""
    if seconds := os.environ.get(SECONDS):
        timer = threading.Timer(float(seconds), _out_of_time, (float(seconds),))
        timer.daemon = True
        timer.start()


def _out_of_time(seconds: float) -> None:
    error = ChainError(
        f"The stage was not done in the {seconds / 3600:.3g} hours that it was given, and was ended. "
        "Give it more (`hours`), or less to do: what it had done by then is taken up by the next run."
    )
    print(f"error: {error}", file=sys.stderr, flush=True)
    _leave(error)
    os._exit(1)


def _watch(process: int) -> None:
    while _alive(process):
        time.sleep(0.3)
    os._exit(1)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
