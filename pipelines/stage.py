"""A stage is a signature: `command(run)` makes the command line of a stage from its function.

A `Path` argument is a file or folder and becomes an option. Any other argument is the recipe section of that name;
`recipe: str` is the recipe's own name.
"""

import argparse
import inspect
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pipelines.errors import FilmgateError, in_one_sentence
from pipelines.recipe_file import load_sections

FAULT_FILE = "FILMGATE_FAULT_FILE"
PARENT = "FILMGATE_PARENT"


def command(run: Callable[..., None], arguments: Sequence[str] | None = None) -> None:
    """Run a stage from the command line; a FilmgateError is printed as one sentence, and the exit status is 1.

    Args:
        run: the stage.
        arguments: the command line; by default that of the process.
    """
    paths, sections = signature(run)
    parsed = vars(_parser(run, paths).parse_args(arguments))
    _end_with_parent()
    with in_one_sentence(), _left_for_the_flow():
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
        if fault := os.environ.get(FAULT_FILE):
            Path(fault).write_text(str(error), encoding="utf-8")
        raise


def _end_with_parent() -> None:
    """End when the flow that started this stage is gone, so that a killed run leaves nobody writing its outputs."""
    if parent := os.environ.get(PARENT):
        end_with(int(parent))


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
