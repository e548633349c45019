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
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from pipelines.card import Card
from pipelines.errors import ReleaseError

ROOT = Path(__file__).resolve().parent.parent
SERVED = (
    "pipelines/card.py",
    "pipelines/decision.py",
    "pipelines/dicom.py",
    "pipelines/greyscale.py",
    "pipelines/guard.py",
    "pipelines/images.py",
    "pipelines/inference.py",
    "pipelines/notice.py",
    "pipelines/overlay.py",
    "pipelines/statistics.py",
    "serving/admission.py",
    "serving/answers.py",
    "serving/batching.py",
    "serving/body.py",
    "serving/engine.py",
    "serving/host.py",
    "serving/metrics.py",
    "serving/openapi.py",
    "serving/overlay.py",
    "serving/prediction_log.py",
    "serving/process.py",
    "serving/reference.py",
    "serving/refusals.py",
    "serving/runtime.py",
    "serving/service.py",
    "serving/settings.py",
    "serving/uploads.py",
)
PLUMBING = (
    "pipelines/__init__.py",
    "pipelines/errors.py",
    "pipelines/recipe.py",
    "pipelines/recipe_checks.py",
    "pipelines/recipe_evaluation.py",
    "pipelines/recipe_models.py",
    "pipelines/recipe_monitor.py",
    "pipelines/recipe_sources.py",
    "pipelines/section.py",
    "serving/__init__.py",
)
PACKAGES = (  # what its code imports, and what makes the server quicker
    *("bentoml", "numpy", "onnxruntime", "pillow", "prometheus-client", "pydantic", "pydicom", "python-gdcm"),
    *("python-multipart", "starlette", "uvicorn", "httptools", "uvloop"),
)
FILMS = 4  # reference films of a bento, and no fewer than one of each label
BUILDER = ROOT / "serving/bento_builder.py"


def build_bento(
    model: Path, card: Card, films: Sequence[Mapping[str, str]], about: Mapping[str, Any], release: Path
) -> Path:
    """Build the bento of a model.

    Args:
        model: the folder with `model.onnx` and `card.json`.
        films: `path`, `name` and `label` of those that may travel with it as reference.
        about: what the service tells of the release.
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
        _lay_out(context)
        order = {
            "name": name,
            "version": card.version,
            "title": card.title,
            "files": [str(model.resolve() / file) for file in ("model.onnx", "card.json")],
            "about": dict(about),
            "films": [dict(film) for film in films],
            "each": max(FILMS // len(card.labels.names), 1),
            "packages": locked((ROOT / "requirements.lock").read_text(encoding="utf-8"), PACKAGES),
            "bento": str(bento.resolve()),
        }
        _run_builder(order, context, Path(folder, "home"))
    return bento


def locked(lock: str, packages: Sequence[str]) -> list[str]:
    """The lines of a lock file that pin these packages and all that they need in turn, as it is installed here.

    Raises:
        ReleaseError: one of them has no pin.
    """
    pins = {canonicalize_name(re.split(r"[=; ]", line)[0]): line.strip() for line in lock.splitlines() if "==" in line}
    needed, todo = set[NormalizedName](), [*map(canonicalize_name, packages)]
    while todo:
        if (package := todo.pop()) not in needed:
            needed.add(package)
            todo += _requirements(package)
    if missing := sorted(needed - set(pins)):
        raise ReleaseError(f"requirements.lock pins no {', '.join(missing)}. Run `make lock`.")
    return [pins[package] for package in sorted(needed)]


def _requirements(package: str) -> list[NormalizedName]:
    """What an installed package needs, without its extras."""
    try:
        asked = [Requirement(line) for line in requires(package) or ()]
    except PackageNotFoundError:
        return []
    return [
        canonicalize_name(need.name) for need in asked if need.marker is None or need.marker.evaluate({"extra": ""})
    ]


def _lay_out(context: Path) -> None:
    for file in (*SERVED, *PLUMBING):
        target = context / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)


def _run_builder(order: Mapping[str, object], context: Path, home: Path) -> None:
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-P", str(BUILDER)],
        input=json.dumps(dict(order)),
        cwd=context,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise ReleaseError(f"BentoML could not build the bento ({last}). Nothing was released.")
