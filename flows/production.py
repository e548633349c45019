"""Name the newest release of a recipe the one in production, so that new images are held against the data behind it.

python -m flows.production --recipe demo
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.errors import ChainError, ReleaseError, in_one_sentence
from pipelines.recipe_file import read_yaml
from pipelines.stage import fresh_file

ROOT = Path(__file__).resolve().parent.parent
PRODUCTION = Path("data/production")


def name_production(root: Path, recipe: str) -> tuple[Path, str]:
    """Write the profile of the newest release's training images to `data/production/<recipe>.json`.

    The file holds `release`, its version, `images`, how many the model was trained on, and `statistics`, their
    distributions as `pipelines.drift` makes them. It is replaced as a whole or not at all.

    Args:
        root: the project.
        recipe: a name in params.yaml.
    Returns:
        the file, inside the project, and the version.
    Raises:
        ChainError: params.yaml has no such recipe.
        ReleaseError: there is no release, or it is damaged.
    """
    recipes = read_yaml(root / "params.yaml")["recipes"]
    if recipe not in recipes:
        raise ChainError(f"params.yaml has no recipe {recipe!r}, only {', '.join(sorted(recipes))}.")
    release = root / "data" / recipe / "release"
    note = _read(release / "release.json", recipe, ("version",))
    profile = _read(release / "profile.json", recipe, ("images", "statistics"))
    content = {"release": note["version"], "images": profile["images"], "statistics": profile["statistics"]}
    file = PRODUCTION / f"{recipe}.json"
    with fresh_file(root / file) as partial:
        partial.write_text(_as_lines(content), encoding="utf-8")
    return file, content["release"]


def _read(path: Path, recipe: str, keys: Sequence[str]) -> dict[str, Any]:
    remedy = f"Make a release: python -m flows.retrain --recipe {recipe}"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReleaseError(f"There is no {path}. {remedy}") from None
    except ValueError as error:
        raise ReleaseError(f"{path} is not JSON ({error}). {remedy}") from None
    if not isinstance(values, dict) or not set(keys) <= values.keys():
        raise ReleaseError(f"{path} does not hold {' and '.join(keys)}. {remedy}")
    return values


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
    print(f"{recipe}: version {version} is the one in production. New images are held against its training images.")
    print(f'Keep it: git add {file.as_posix()} && git commit -m "{recipe} {version} in production"')


if __name__ == "__main__":
    main()
