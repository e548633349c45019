"""The release that is in production, as this checkout has it."""

import subprocess
import sys
import threading
from pathlib import Path

from pipelines.errors import ReleaseError
from pipelines.registry import production
from serving.child import Target

RELEASES = Path(".filmgate/registry")  # <recipe>/<model>-<bento>: releases taken from DVC's cache


def in_production(root: Path, recipe: str) -> Target | None:
    """What git's tags say is in production; None where nothing is, or this is no git checkout.

    Raises:
        ReleaseError: the tags cannot be read, or name no release.
    """
    if not (root / ".git").exists() or (version := production(root, recipe)) is None:
        return None
    bento = root / RELEASES / recipe / version.folder / version.bento
    return Target(f"{recipe} {version.name}", version.bento_sha256, bento, fetched=version.name)


def fetch(root: Path, recipe: str, version: str, over: threading.Event) -> None:
    """Have the deploy command bring a version's release into its folder.

    Args:
        over: ends it.
    Raises:
        ReleaseError: it could not.
    """
    command = [sys.executable, "-m", "flows.deploy", "fetch", "--recipe", recipe, "--version", version]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        said = _until_it_ends(process, over)
    if process.returncode:
        last = (said.strip() or "it said nothing").splitlines()[-1].removeprefix("error: ")
        raise ReleaseError(f"The release of {recipe} {version} could not be fetched ({last}).")


def _until_it_ends(process: "subprocess.Popen[str]", over: threading.Event) -> str:
    while True:
        try:
            return process.communicate(timeout=0.2)[1]
        except subprocess.TimeoutExpired:
            if over.is_set():
                process.terminate()
