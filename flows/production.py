"""Name the newest release of a recipe the one in production: new images are held against the data behind it, and new
models against the model itself.

python -m flows.production --recipe demo
"""

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from flows.strict_dvc import complete, quiet
from pipelines.card import sha256
from pipelines.errors import ChainError, ReleaseError
from pipelines.monitoring import FILE as REFERENCE
from pipelines.recipe_file import read_yaml
from pipelines.sentences import in_one_sentence
from pipelines.stage import fresh_file, fresh_folder

ROOT = Path(__file__).resolve().parent.parent
PRODUCTION = Path("data/production")


def name_production(root: Path, recipe: str) -> tuple[Path, str]:
    """Keep the newest release of a recipe as the one in production.

    `data/production/<recipe>.json` holds `release`, its version, `images`, how many the model was trained on, and
    `statistics`, their distributions as `pipelines.drift` makes them. `data/production/<recipe>/` holds the model with
    its card, release.json, which images trained and measured it (the champion that later models are compared with), and
    what it is watched by. Each is replaced as a whole or not at all.

    Args:
        root: the project.
        recipe: a name in params.yaml.
    Returns:
        the file, inside the project, and the version.
    Raises:
        ChainError: params.yaml has no such recipe.
        ReleaseError: there is no release, it is damaged, or another model was trained after it.
    """
    recipes = read_yaml(root / "params.yaml")["recipes"]
    if recipe not in recipes:
        raise ChainError(f"params.yaml has no recipe {recipe!r}, only {', '.join(sorted(recipes))}.")
    data = root / "data" / recipe
    note = _read(data / "release" / "release.json", recipe, ("version", "model_sha256"))
    profile = _read(data / "release" / "profile.json", recipe, ("images", "statistics"))
    content = {"release": note["version"], "images": profile["images"], "statistics": profile["statistics"]}
    sources = _sources(data, recipe, note["model_sha256"])
    file = PRODUCTION / f"{recipe}.json"
    with fresh_folder(root / PRODUCTION / recipe) as folder:
        for source in sources:
            shutil.copyfile(source, folder / source.name)
    with fresh_file(root / file) as partial:
        partial.write_text(_as_lines(content), encoding="utf-8")
    return file, content["release"]


def keep_version(root: Path, recipe: str) -> Path:
    """Put the model in production into DVC's cache; git keeps the pointer, whose path inside the project is given back.

    Raises:
        ChainError: DVC cannot.
    """
    folder = PRODUCTION / recipe
    quiet()
    try:
        with Repo(str(root)) as project, complete():
            project.add(str(root / folder))
    except DvcException as error:
        raise ChainError(f"DVC cannot keep {folder} ({error}). Mend this, and name the release again.") from None
    return folder.with_suffix(".dvc")


def _sources(data: Path, recipe: str, digest: str) -> list[Path]:
    """The files to keep, all of the release."""
    release, model = data / "release", data / "model"
    kept = ("release.json", "images.parquet", REFERENCE)
    files = [model / "model.onnx", model / "card.json", *(release / name for name in kept)]
    if missing := [file.name for file in files if not file.is_file()]:
        raise ReleaseError(f"{data} lacks {', '.join(missing)}. {_remedy(recipe)}")
    if (found := sha256(files[0])) != digest:
        raise ReleaseError(
            f"{files[0]} has SHA-256 {found[:12]}, the newest release is of {digest[:12]}: another model was trained "
            f"since. Take the released one back (git checkout and dvc checkout). {_remedy(recipe)}"
        )
    return files


def _read(path: Path, recipe: str, keys: Sequence[str]) -> dict[str, Any]:
    remedy = _remedy(recipe)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReleaseError(f"There is no {path}. {remedy}") from None
    except ValueError as error:
        raise ReleaseError(f"{path} is not JSON ({error}). {remedy}") from None
    if not isinstance(values, dict) or not set(keys) <= values.keys():
        raise ReleaseError(f"{path} does not hold {' and '.join(keys)}. {remedy}")
    return values


def _remedy(recipe: str) -> str:
    return f"Make a release: python -m flows.retrain --recipe {recipe}"


def _as_lines(content: Mapping[str, Any]) -> str:
    """JSON with one line for each statistic, so that git shows which of them changed."""
    statistics = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in content["statistics"].items())
    head = ", ".join(f"{json.dumps(name)}: {json.dumps(content[name])}" for name in ("release", "images"))
    return f'{{{head}, "statistics": {{\n{statistics}\n}}}}\n'


def main(arguments: Sequence[str] | None = None) -> None:
    """Name the newest release from the command line; the exit status is 1 when there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True, help="a name in params.yaml")
    recipe = parser.parse_args(arguments).recipe
    with in_one_sentence():
        file, version = name_production(ROOT, recipe)
        pointer = keep_version(ROOT, recipe)
    print(f"{recipe}: version {version} is the one in production. New images and new models are held against it.")
    kept = f"{file.as_posix()} {pointer.as_posix()} {(PRODUCTION / '.gitignore').as_posix()}"
    print(f'Keep it: git add {kept} && git commit -m "{recipe} {version} in production"')


if __name__ == "__main__":
    main()
