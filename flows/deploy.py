"""Which version of a recipe is in production: promote, roll back, look; and the flow that asks a person first.

python -m flows.deploy promote --recipe demo
python -m flows.deploy promote --recipe demo --version v1.1.0 --comment "new scanner"
python -m flows.deploy rollback --recipe demo
python -m flows.deploy status --recipe demo
python -m flows.deploy history --recipe demo
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from prefect import State, flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed

from flows import registry
from flows.approval import ask
from flows.chronicle import events_text, status_text, version_text
from flows.git import who
from flows.newest import newest
from flows.notify import about_failure, tell
from flows.project import project
from flows.promotion import before, promote, prove, reject, roll_back
from flows.remote import push_versions
from pipelines.errors import FilmgateError
from pipelines.registry import Version, history, production
from pipelines.sentences import disk_faults, in_one_sentence

REJECTED = "Rejected"


@flow(name="deploy", flow_run_name="deploy {recipe}", on_failure=[about_failure], on_crashed=[about_failure])
def deploy(recipe: str = "demo", version: str | None = None, approval: bool = True, hours: float = 72.0) -> State:
    """Bring a version into production, once its bento is proven and a person has approved it.

    Args:
        recipe: A name in params.yaml, such as demo or chest-xray.
        version: The version to bring, such as v1.1.0; if none is named, the newest one.
        approval: Wait for a person who approves or rejects, with a comment.
        hours: How long that person is waited for; silence rejects.
    """
    root = project()
    try:
        chosen = registry.named(root, recipe, version) if version else registry.newest(root, recipe)
        if (now := production(root, recipe)) and now.name == chosen.name:
            return Completed(message=f"{recipe} {chosen.name} is in production already")
        return _brought(root, recipe, chosen, hours if approval else None)
    except FilmgateError as error:
        return Failed(message=str(error))


@disk_faults()
def _brought(root: Path, recipe: str, version: Version, hours: float | None) -> State:
    """Prove a version and name it the one in production, after these hours at most for a person, or at once."""
    _proven(root, recipe, version)
    if hours is not None:
        return _decided(root, recipe, version, hours)
    promote(root, recipe, version, {"By": who(root)[0], "Comment": "without approval"})
    return Completed(message=f"{recipe} {version.name} is in production")


@task(name="prove", task_run_name="prove {recipe}", cache_policy=NO_CACHE)
def _prove(root: Path, recipe: str, version: Version) -> list[str]:
    return prove(root, recipe, version)


def _proven(root: Path, recipe: str, version: Version) -> None:
    """Prove a version as a task of its own, and leave what was found in the Prefect UI."""
    said = _prove(root, recipe, version, return_state=True).result()
    about = f"{version_text(root, recipe, version)}\n\n```\n" + "\n".join(said) + "\n```"
    create_markdown_artifact(about, key=f"{recipe}-candidate", description=f"{recipe} {version.name}")


def _decided(root: Path, recipe: str, version: Version, hours: float) -> State:
    about = version_text(root, recipe, version)
    tell(f"filmgate: {recipe} {version.name} waits for approval", about)
    verdict = ask(about, hours)
    if verdict.approved:
        promote(root, recipe, version, verdict.trailers())
        return Completed(message=f"{recipe} {version.name} is in production, approved by {verdict.by}")
    reject(root, recipe, version, verdict.trailers())
    why = f": {verdict.comment}" if verdict.comment else ""
    return Completed(name=REJECTED, message=f"{recipe} {version.name} was rejected by {verdict.by}{why}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says; a FilmgateError is printed as one sentence, and the exit status is 1."""
    chosen = _parser().parse_args(arguments)
    with in_one_sentence():
        chosen.do(project(), chosen)


def _promote(root: Path, chosen: argparse.Namespace) -> None:
    version = registry.named(root, chosen.recipe, chosen.version) if chosen.version else newest(root, chosen.recipe)
    _say(root, chosen, version)
    promote(root, chosen.recipe, version, _said(root, chosen))
    print(f"{chosen.recipe} {version.name} is in production. Where `make serve` runs, it answers within seconds.")


def _roll_back(root: Path, chosen: argparse.Namespace) -> None:
    version = registry.named(root, chosen.recipe, chosen.version) if chosen.version else before(root, chosen.recipe)
    _say(root, chosen, version)
    roll_back(root, chosen.recipe, version, _said(root, chosen))
    print(f"{chosen.recipe} {version.name} is in production again.")


def _say(root: Path, chosen: argparse.Namespace, version: Version) -> None:
    print(f"{chosen.recipe} {version.name}, model {version.model}: its bento is started beside and asked everything.")
    print("\n".join(prove(root, chosen.recipe, version)), flush=True)


def _said(root: Path, chosen: argparse.Namespace) -> dict[str, str]:
    return {"By": who(root)[0], "Comment": chosen.comment}


def _status(root: Path, chosen: argparse.Namespace) -> None:
    print(status_text(root, chosen.recipe))


def _history(root: Path, chosen: argparse.Namespace) -> None:
    print(events_text(history(root, chosen.recipe), chosen.recipe))


def _fetch(root: Path, chosen: argparse.Namespace) -> None:
    recipe = chosen.recipe
    version = registry.named(root, recipe, chosen.version) if chosen.version else registry.newest(root, recipe)
    print(registry.fetch(root, chosen.recipe, version))


def _push(root: Path, chosen: argparse.Namespace) -> None:
    count = push_versions(root)
    print(f"{count or 'No'} new files were brought to the remote. Their tags go by git push --tags")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, do, about in (
        ("promote", _promote, "prove a version, and name it the one in production"),
        ("rollback", _roll_back, "the same with the version that was in production before"),
        ("status", _status, "what is in production: since when, by whom, on which data, with which figures"),
        ("history", _history, "all that happened to the versions"),
        ("fetch", _fetch, "bring the release of a version from DVC's cache or remote"),
        ("push", _push, "bring what the versions of all recipes name to DVC's remote"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(do=do)
        if name != "push":
            command.add_argument("--recipe", default="demo", help="a name in params.yaml")
        if name in ("promote", "rollback", "fetch"):
            command.add_argument("--version", help="such as v1.1.0, or the beginning of the model's hash")
        if name in ("promote", "rollback"):
            command.add_argument("--comment", default="", help="why; kept with the decision")
    return parser


if __name__ == "__main__":
    main()
