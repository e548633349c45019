"""Bring a public data set to data/raw, prove that it is what its publisher gives out, and keep its version with DVC.

python -m flows.data --recipe mnist
"""

import argparse
import shutil
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from dvc.exceptions import DvcException

from flows.download import DownloadError, checksum, fetch, megabytes
from flows.public import PublicFile, PublicSet, read_catalogue
from flows.unpack import unpack
from flows.versions import Source, Version
from pipelines.errors import ChainError, DataError
from pipelines.recipe_file import read_yaml
from pipelines.sentences import in_one_sentence

ROOT = Path(__file__).resolve().parent.parent
RAW, DOWNLOADS, CATALOGUE = Path("data/raw"), Path("data/downloads"), Path("data/public.yaml")


def bring(root: Path, recipe: str) -> None:
    """Fetch what is missing of a recipe's data set, prove every file, and keep the whole as a version.

    A file that is there with the right checksum is not fetched again, and a data set that is as its .dvc file says
    stays as it is.

    Raises:
        ChainError: params.yaml has no such recipe, or DVC cannot keep the version.
        DataError: a file cannot be had or kept, or is not the one that the catalogue means.
    """
    with chdir(root):
        try:
            folder = RAW / _data_set(recipe)
            version = Version(folder)
            public = _public(folder, version)
            _keep(version, public, _sources(folder, public, version))
            _say_what_is_missing(folder, public)
        except DvcException as error:
            raise ChainError(f"DVC cannot keep the data set of {recipe}: {' '.join(str(error).split())}") from None
        except OSError as error:
            raise DataError(f"The data set of {recipe} cannot be written: {error}") from None


def _data_set(recipe: str) -> str:
    recipes = read_yaml(Path("params.yaml"))["recipes"]
    if recipe not in recipes:
        raise ChainError(f"params.yaml has no recipe {recipe!r}, only {', '.join(sorted(recipes))}.")
    return str(recipes[recipe])


def _public(folder: Path, version: Version) -> PublicSet:
    if maker := version.maker():
        raise DataError(f"{folder} is not fetched but made by the stage {maker}: python -m flows.retrain makes it.")
    catalogue = read_catalogue(CATALOGUE)
    if folder.name not in catalogue:
        raise DataError(
            f"{CATALOGUE} knows {', '.join(sorted(catalogue))}, but no {folder.name!r}. "
            f"Put your own data into {folder} and keep the version: dvc add {folder}"
        )
    return catalogue[folder.name]


def _keep(version: Version, public: PublicSet, sources: dict[str, Source]) -> None:
    folder = version.folder
    if version.sources == sources and version.unchanged():
        print(f"{folder} is in place, as {version.file} says: nothing to do.")
        return
    about = {"title": public.title, "licence": public.licence, "homepage": public.homepage}
    files, size = version.keep(about, sources)
    print(f"{folder}: {files:,} files, {megabytes(size)}; licence: {public.licence}")
    print(f"Cite: {public.citation}")
    print(f"Keep this version: git add {version.file} && git commit -m 'Data set {folder.name}'")


def _say_what_is_missing(folder: Path, public: PublicSet) -> None:
    for part in public.by_hand:
        if not (folder / part.into).is_dir():
            print(f"There is no {folder / part.into}. {part.what} Then run this again; until then the set is without.")


def _sources(folder: Path, public: PublicSet, version: Version) -> dict[str, Source]:
    """Have every file in its place, and say by what checksums each is known."""
    sources = {file.name: _in_place(folder, file, version) for file in public.files}
    for file in public.files:
        if not sources[file.name]:
            try:
                sources[file.name] = _bring(folder, file, version.sources.get(file.name))
            except DownloadError as error:
                absent = [file for file in public.files if not sources[file.name]]
                raise DataError(f"{file.name} could not be fetched ({error}): {_how(folder, absent)}.") from None
    return {name: source for name, source in sources.items() if source}


def _in_place(folder: Path, file: PublicFile, version: Version) -> Source | None:
    """The checksums of a file that is there, or from which what is there was unpacked.

    Raises:
        DataError: something else is there.
    """
    place, noted = folder / file.place, version.sources.get(file.name)
    if file.unpack == "none":
        return _proven(place, file, noted) if place.exists() else None
    if noted is None or not place.exists():
        _refuse_strangers(folder, file, noted)
        return None
    if changed := version.changed_files(place):
        raise DataError(
            f"{len(changed):,} of the files in {place} are not as {version.file} says, e.g. {changed[0]}. "
            f"Keep the change: dvc add {folder}, or take it back: dvc checkout {version.file}"
        )
    return noted if file.checksum is None or file.checksum in _checksums(noted) else None


def _refuse_strangers(folder: Path, file: PublicFile, noted: Source | None) -> None:
    """Let no archive be unpacked among or over what somebody put there, save where its archive is at hand as well."""
    home, given = folder / file.into, DOWNLOADS / folder.name / file.name
    there = {path.name for path in home.iterdir()} if home.is_dir() else set()
    strangers = there - {file.holds} if file.into != "." else set()
    if file.holds in there and not noted and not given.is_file():
        strangers.add(str(file.holds))
    if strangers:
        raise DataError(
            f"{home} already holds {min(strangers)!r}, and nothing proves that it comes from {file.name}. "
            f"Keep it as data of your own: dvc add {folder}, or move it away and run this again."
        )


def _bring(folder: Path, file: PublicFile, noted: Source | None) -> Source:
    """Fetch a file, unless it was put among the downloads, and put it or what it holds into its place."""
    given, place = DOWNLOADS / folder.name / file.name, folder / file.place
    if not given.is_file():
        print(f"{file.name} comes from {fetch(file, given)}", flush=True)
    source = _proven(given, file, noted)
    if file.unpack == "none":
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(given, place)
        return source
    print(f"unpacking {given} ({megabytes(given.stat().st_size)})", flush=True)
    if left_out := unpack(given, file.unpack, place, folder.with_name(f"{folder.name}.partial")):
        print(f"left out {left_out:,} of its files, which are no part of {file.holds}")
    print(f"{given} is no longer needed.")
    return source


def _proven(path: Path, file: PublicFile, noted: Source | None) -> Source:
    """The checksums of a file, if they are right; what no publisher says must be as it was the last time.

    Raises:
        DataError: it is another file.
    """
    expected = file.checksum or (_checksums(noted)[0] if noted else None)
    kinds = {(expected or "sha256").partition(":")[0], "sha256"}
    found = dict(checksum(path, kind).split(":") for kind in sorted(kinds, reverse=True))
    if expected and expected not in _checksums(found):
        raise DataError(
            f"{path} has {checksum(path, expected.partition(':')[0])} where {expected} is expected. "
            f"Put the file from {file.urls[0]} in its place, or remove it, and run this again."
        )
    if not expected:
        print(f"{file.name}: its publisher gives no checksum; this file has sha256:{found['sha256']}")
    return found


def _checksums(source: Source) -> list[str]:
    return [f"{kind}:{value}" for kind, value in source.items()]


def _how(folder: Path, absent: Sequence[PublicFile]) -> str:
    """Where to put files by hand, and where they come from."""
    errands: dict[tuple[Path, str], list[str]] = {}
    for file in absent:
        where = folder / file.into if file.unpack == "none" else DOWNLOADS / folder.name
        origin = " or ".join(url.removesuffix(file.name) for url in file.urls)
        errands.setdefault((where, origin), []).append(file.name)
    ways = [f"put {', '.join(names)} from {origin} into {where}" for (where, origin), names in errands.items()]
    return "; ".join(ways) + " and run this again"


def main(arguments: Sequence[str] | None = None) -> None:
    """Bring a data set from the command line; the exit status is 1 when it cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True, help="a name in params.yaml")
    recipe = parser.parse_args(arguments).recipe
    with in_one_sentence():
        bring(ROOT, recipe)


if __name__ == "__main__":
    main()
