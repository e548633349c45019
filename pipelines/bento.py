"""Building the bento: the model with its card, the code that serves it, and the packages that this code needs.

BentoML runs in a process of its own, in a store of its own that vanishes with it: the store of whoever runs this is not
touched, nothing is reported to anybody, and the code in the bento must do without the rest of the project.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.card import Card
from pipelines.errors import ReleaseError

ROOT = Path(__file__).resolve().parent.parent
SERVED = (
    "pipelines/card.py",
    "pipelines/decision.py",
    "pipelines/dicom.py",
    "pipelines/greyscale.py",
    "pipelines/images.py",
    "pipelines/inference.py",
    "pipelines/notice.py",
    "pipelines/overlay.py",
    "serving/answers.py",
    "serving/overlay.py",
    "serving/refusals.py",
    "serving/runtime.py",
    "serving/service.py",
    "serving/uploads.py",
)
PLUMBING = (
    "pipelines/__init__.py",
    "pipelines/errors.py",
    "pipelines/recipe.py",
    "pipelines/recipe_checks.py",
    "pipelines/recipe_evaluation.py",
    "pipelines/recipe_models.py",
    "pipelines/recipe_sources.py",
    "pipelines/section.py",
    "serving/__init__.py",
)
# BentoML pins itself.
PACKAGES = ("numpy", "onnxruntime", "pillow", "pydantic", "pydicom", "python-gdcm")
BUILDER = Path(__file__).with_name("bento_builder.py")


def build_bento(model: Path, card: Card, release: Path) -> Path:
    """Build the bento of a model.

    Args:
        model: the folder with `model.onnx` and `card.json`.
        release: the folder to write it into.
    Returns:
        The file, `filmgate-<recipe>-<version>.bento`.
    Raises:
        ReleaseError: a package has no pin, or BentoML cannot build.
    """
    name = f"filmgate-{card.recipe}"
    bento = release / f"{name}-{card.version}.bento"
    with tempfile.TemporaryDirectory(prefix="filmgate-bento-") as folder:
        context = Path(folder, "context")
        _lay_out(context, f"{name}:{card.version}")
        order = {
            "name": name,
            "version": card.version,
            "title": card.title,
            "files": [str(model.resolve() / file) for file in ("model.onnx", "card.json")],
            "packages": pins((ROOT / "requirements.lock").read_text(encoding="utf-8"), PACKAGES),
            "bento": str(bento.resolve()),
        }
        _run_builder(order, context, Path(folder, "home"))
    return bento


def pins(lock: str, packages: Sequence[str]) -> list[str]:
    """The lines of a lock file that pin these packages.

    Raises:
        ReleaseError: one of them has no pin.
    """
    found = {re.split(r"[=; ]", line, maxsplit=1)[0]: line.strip() for line in lock.splitlines() if "==" in line}
    if missing := [package for package in packages if package not in found]:
        raise ReleaseError(f"requirements.lock pins no {', '.join(missing)}. Run `make lock`.")
    return [found[package] for package in packages]


def _lay_out(context: Path, tag: str) -> None:
    for file in (*SERVED, *PLUMBING):
        target = context / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)
    (context / "serving/model.txt").write_text(tag + "\n", encoding="utf-8")


def _run_builder(order: Mapping[str, object], context: Path, home: Path) -> None:
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-P", str(BUILDER), json.dumps(dict(order))],
        cwd=context,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise ReleaseError(f"BentoML could not build the bento ({last}). Nothing was released.")
