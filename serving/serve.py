"""`python -m serving.serve --recipe demo`: serve what is in production of a recipe, and follow it.

While nothing is in production, that is the newest release of this checkout. The bento is unpacked once, into a folder
named after its contents, and served by a fresh interpreter that knows nothing but the bento: the code that was
released, not the code that lies here.
"""

import argparse
import hashlib
import json
import os
import socket
import sys
import tarfile
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.errors import FilmgateError, ReleaseError
from serving.child import HOST, Child, Target, takes_over
from serving.follow import Follower
from serving.process import ENVIRONMENT, listening
from serving.production import fetch, in_production
from serving.scout import Scout

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a release; a FilmgateError is printed as one sentence, and the exit status is 1."""
    options = _parser().parse_args(arguments)
    try:
        if options.release is None:
            sys.exit(follow(options))
        folder = unpacked(released_bento(options.release, options.recipe), options.store / "unpacked")
    except FilmgateError as error:
        sys.exit(f"error: {error}")
    serve(folder, options.host, options.port, _environment(options))


def follow(options: argparse.Namespace) -> int:
    """Serve what is in production, or the newest release until something is, in a child of this process.

    Returns:
        the exit status.
    Raises:
        ReleaseError: there is nothing to serve.
    """

    def wanted() -> Target | None:
        return in_production(ROOT, options.recipe)

    def folder_of(target: Target, over: threading.Event) -> Path:
        return _ready(target, options.recipe, options.store / "unpacked", over)

    def start(target: Target, folder: Path, line: socket.socket) -> Child:
        return Child(target, folder, line, _environment(options))

    target = wanted() or newest_release(options.recipe)
    folder = folder_of(target, threading.Event())
    with listening(options.host, options.port) as line:
        address = f"http://{options.host}:{line.getsockname()[1]}"
        return Follower(line, address, start, Scout(wanted, folder_of)).run(target, folder)


def newest_release(recipe: str) -> Target:
    """What was released here last.

    Raises:
        ReleaseError: nothing was released, or the bento is missing or was changed.
    """
    bento = released_bento(ROOT / "data" / recipe / "release", recipe)
    return Target(bento.stem, _sha256(bento), bento)


def released_bento(release: Path, recipe: str) -> Path:
    """The bento that a release folder holds, proven to be the released one.

    Raises:
        ReleaseError: nothing was released, or the bento is missing or was changed.
    """
    run = f"Run `python -m flows.retrain --recipe {recipe}` first."
    note = release / "release.json"
    if not note.is_file():
        raise ReleaseError(f"There is no {note}: nothing was released for recipe {recipe!r}. {run}")
    bento, expected = _named_in(note, run)
    if not bento.is_file():
        raise ReleaseError(f"There is no {bento}, which {note.name} names. {run}")
    if (found := _sha256(bento)) != expected:
        raise ReleaseError(f"{bento} has SHA-256 {found[:12]}, {note.name} says {expected[:12]}. {run}")
    return bento


def unpacked(bento: Path, store: Path) -> Path:
    """The folder that a bento was unpacked into; unpacks it where that was not done before.

    Raises:
        ReleaseError: it cannot be unpacked, or has no server.
    """
    folder = store / f"{bento.stem}-{_sha256(bento)[:8]}"
    if not folder.is_dir():
        try:
            _unpack(bento, folder)
        except (OSError, tarfile.TarError) as error:
            raise ReleaseError(
                f"{bento} cannot be unpacked into {store} ({error}). Mend this, and try again."
            ) from None
    if not (folder / HOST).is_file():
        raise ReleaseError(f"{bento} was released by an earlier version, without a server of its own. Release it anew.")
    return folder


def serve(folder: Path, host: str, port: int, environment: dict[str, str]) -> None:
    """Become the server of an unpacked bento: this process is replaced, its id stays."""
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-P", str(folder / HOST), str(folder), host, str(port)], environment)


def _ready(target: Target, recipe: str, store: Path, over: threading.Event) -> Path:
    """The folder of a target, which is fetched, proven and unpacked where that was not done before."""
    if target.fetched and not target.bento.is_file():
        fetch(ROOT, recipe, target.fetched, over)
    if not target.bento.is_file():
        raise ReleaseError(f"There is no {target.bento}, which {target.name} is. Promote that version again.")
    if (found := _sha256(target.bento)) != target.sha256:
        raise ReleaseError(
            f"{target.bento} has SHA-256 {found[:12]}, {target.name} was registered with {target.sha256[:12]}. "
            f"Delete {target.bento.parent}: it is fetched anew."
        )
    folder = unpacked(target.bento, store)
    if not takes_over(folder):
        raise ReleaseError(
            f"{target.bento} was released by an earlier version, whose server cannot take over from another. Release "
            f"it anew, or serve it alone: python -m serving.serve --recipe {recipe} --release {target.bento.parent}."
        )
    return folder


def _unpack(bento: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as partial:
        with tarfile.open(bento, "r:xz") as file:
            file.extractall(Path(partial, "bento"), filter="data")
        try:
            Path(partial, "bento").rename(folder)
        except OSError:
            if not folder.is_dir():  # another server was quicker
                raise


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """That of a server, with its store, and the folder of its prediction log where FILMGATE_PREDICTION_LOG is none."""
    dropped = ("PYTHONPATH", "PROMETHEUS_MULTIPROC_DIR")  # there is one process, which needs no files to count in
    environment = {name: value for name, value in os.environ.items() if name not in dropped} | {
        **ENVIRONMENT,
        "BENTOML_HOME": str(options.store.resolve()),
    }
    predictions = options.store.parent / "predictions" / options.recipe
    environment.setdefault("FILMGATE_PREDICTION_LOG", str(predictions.resolve()))
    return environment


def _named_in(note: Path, run: str) -> tuple[Path, str]:
    try:
        values: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        return note.parent / values["bento"], values["bento_sha256"]
    except (ValueError, TypeError, KeyError) as error:
        raise ReleaseError(f"{note} is not a release's description ({error!r}). {run}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Serve a recipe's release over HTTP.")
    parser.add_argument("--recipe", default="demo", help="name of the recipe")
    parser.add_argument("--release", type=Path, help="a folder: serve this release, and follow nothing")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on")
    parser.add_argument("--store", type=Path, default=ROOT / ".filmgate/bentoml", help="where bentos are unpacked")
    return parser


if __name__ == "__main__":
    main()
