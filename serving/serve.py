"""`python -m serving.serve --recipe demo`: serve the newest release of a recipe.

The bento is unpacked once, into a folder named after its contents, and served by a fresh interpreter that knows nothing
but the bento: the code that was released, not the code that lies here.
"""

import argparse
import hashlib
import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.errors import FilmgateError, ReleaseError
from serving.settings import ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
HOST = "src/serving/host.py"  # in an unpacked bento


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a release; a FilmgateError is printed as one sentence, and the exit status is 1."""
    options = _parser().parse_args(arguments)
    try:
        bento = released_bento(options.release or ROOT / "data" / options.recipe / "release", options.recipe)
        folder = unpacked(bento, options.store / "unpacked")
    except FilmgateError as error:
        sys.exit(f"error: {error}")
    serve(folder, options.host, options.port, options.store, options.store.parent / "predictions" / options.recipe)


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
        ReleaseError: the bento has no server.
    """
    folder = store / f"{bento.stem}-{_sha256(bento)[:8]}"
    if not folder.is_dir():
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store, prefix=".unpacking-") as partial:
            with tarfile.open(bento, "r:xz") as file:
                file.extractall(Path(partial, "bento"), filter="data")
            Path(partial, "bento").rename(folder)
    if not (folder / HOST).is_file():
        raise ReleaseError(f"{bento} was released by an earlier version, without a server of its own. Release it anew.")
    return folder


def serve(folder: Path, host: str, port: int, store: Path, predictions: Path) -> None:
    """Become the server of an unpacked bento: this process is replaced, its id stays.

    Args:
        predictions: folder of the prediction log, where FILMGATE_PREDICTION_LOG names no other.
    """
    dropped = ("PYTHONPATH", "PROMETHEUS_MULTIPROC_DIR")  # there is one process, which needs no files to count in
    environment = {name: value for name, value in os.environ.items() if name not in dropped} | {
        **ENVIRONMENT,
        "BENTOML_HOME": str(store.resolve()),
    }
    environment.setdefault("FILMGATE_PREDICTION_LOG", str(predictions.resolve()))
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-P", str(folder / HOST), str(folder), host, str(port)], environment)


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
    parser = argparse.ArgumentParser(description="Serve the newest release of a recipe over HTTP.")
    parser.add_argument("--recipe", default="demo", help="name of the recipe")
    parser.add_argument("--release", type=Path, help="the release folder; by default data/<recipe>/release")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on")
    parser.add_argument("--store", type=Path, default=ROOT / ".filmgate/bentoml", help="where bentos are unpacked")
    return parser


if __name__ == "__main__":
    main()
