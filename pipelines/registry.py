"""The registry: which versions of a recipe there are, and which of them is in production, as git's tags say it.

The tags are GTO's. `demo@v1.0.0` is a version, on the commit that holds its data and its release; the newest of
`demo#production#1`, `demo#production#2` and so on, by number, is on the commit of the version in production. All of
them are annotated: their trailers tell what was registered or decided, and the tagger who did it. Reading them takes
git alone.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from pipelines.errors import ReleaseError

PRODUCTION = "production"  # the stage
REGISTERED = "registered"
MODEL, MODEL_SHA256, BENTO, BENTO_SHA256, VERSION = "Model", "Model-SHA256", "Bento", "Bento-SHA256", "Version"
CODE = "Code-SHA256"
NEEDED = {  # of a version's trailers: they become names of files
    MODEL: r"[0-9a-f]{12}",
    MODEL_SHA256: r"[0-9a-f]{64}",
    BENTO: r"[\w.+-]+\.bento",
    BENTO_SHA256: r"[0-9a-f]{64}",
}
FIELDS = ("refname:strip=2", "*objectname", "taggerdate:iso-strict", "taggername", "contents:trailers:only,unfold")
REST = re.compile(r"@(?P<version>v\d+\.\d+\.\d+)(?P<gone>!?)|#(?P<stage>[\w-]+)(?P<left>!?)#(?P<number>\d+)")


@dataclass(frozen=True)
class Version:
    """A registered release.

    Args:
        name: such as `v1.0.0`.
        commit: that holds it.
        model: the first 12 digits of the model's SHA-256, which are the version that answers name.
        model_sha256: all 64 of them.
        bento: name of the bento's file.
        bento_sha256: its SHA-256.
        time: of the registration.
        by: the name of who registered it.
        trailers: all that its tag says.
    """

    name: str
    commit: str
    model: str
    model_sha256: str
    bento: str
    bento_sha256: str
    time: datetime
    by: str
    trailers: Mapping[str, str]

    @property
    def folder(self) -> str:
        """Name of the folder for its release: the model, and what tells its bento from others with the same model."""
        return f"{self.model}-{self.bento_sha256[:8]}"


@dataclass(frozen=True)
class Event:
    """Something that happened to a version.

    Args:
        tag: that says so.
        kind: `registered`, or the stage that the version was given: `production`, `rejected`. With an exclamation
            mark, as in GTO's tags, it was taken back.
        version: such as `v1.0.0`; None where no version is registered on the commit.
        number: which event of a stage it was, counting from 1; 0 for a registration.
        time: when, in the time zone of who did it.
        by: the name of who did it.
        trailers: what the tag says beside it, such as `By` and `Comment`.
    """

    tag: str
    kind: str
    version: str | None
    commit: str
    number: int
    time: datetime
    by: str
    trailers: Mapping[str, str]


def production(root: Path, recipe: str) -> Version | None:
    """The version of a recipe that is in production; None where none is, or was taken out again.

    Raises:
        ReleaseError: git cannot read the tags of `root`, or the tags do not say which release is in production.
    """
    events = history(root, recipe)
    decisions = [event for event in events if event.kind.rstrip("!") == PRODUCTION]
    newest = max(decisions, key=lambda event: event.number, default=None)
    if newest is None or newest.kind.endswith("!"):
        return None
    version = next((version for version in _versions(events) if version.name == newest.version), None)
    if version is None:
        raise ReleaseError(
            f"Tag {newest.tag} names {newest.version or newest.commit[:12]}, which is not a registered version of "
            f"{recipe!r}. Run `git fetch --tags`, or promote a version: python -m flows.deploy promote."
        )
    if unfit := [key for key, form in NEEDED.items() if not re.fullmatch(form, version.trailers.get(key, ""))]:
        raise ReleaseError(
            f"Tag {recipe}@{version.name} does not say {' and '.join(unfit)} of a release. Register it anew: "
            f"python -m flows.deploy promote --recipe {recipe}."
        )
    return version


def versions(root: Path, recipe: str) -> list[Version]:
    """All registered versions of a recipe, the highest first.

    Raises:
        ReleaseError: git cannot read the tags of `root`.
    """
    return _versions(history(root, recipe))


def history(root: Path, recipe: str) -> list[Event]:
    """All that happened to the versions of a recipe, the newest first.

    Args:
        root: a git checkout.
        recipe: its name.
    Raises:
        ReleaseError: git cannot read the tags of `root`.
    """
    events = [event for record in _tags(root, recipe) if (event := _event(record, recipe)) is not None]
    on_commit = {version.commit: version.name for version in reversed(_versions(events))}  # the highest, of several
    named = [replace(event, version=_named(event) or on_commit.get(event.commit)) for event in events]
    return sorted(named, key=lambda event: (event.time, event.number, _order(event.version)), reverse=True)


def _versions(events: Sequence[Event]) -> list[Version]:
    gone = {event.version for event in events if event.kind == f"{REGISTERED}!"}
    kept = [event for event in events if event.kind == REGISTERED and event.version not in gone]
    return [_version(event) for event in sorted(kept, key=lambda event: _order(event.version), reverse=True)]


def _version(event: Event) -> Version:
    model, model_sha256, bento, bento_sha256 = (event.trailers.get(key, "") for key in NEEDED)
    return Version(
        name=str(event.version),
        commit=event.commit,
        model=model,
        model_sha256=model_sha256,
        bento=bento,
        bento_sha256=bento_sha256,
        time=event.time,
        by=event.by,
        trailers=event.trailers,
    )


def _named(event: Event) -> str | None:
    """The version that a tag names itself."""
    return event.version or event.trailers.get(VERSION)


def _order(version: str | None) -> tuple[int, ...]:
    """Of `v1.10.0` after `v1.9.0`."""
    return tuple(map(int, re.findall(r"\d+", version or "")))


def _event(record: Sequence[str], recipe: str) -> Event | None:
    """What a tag says; None where it is not one of these, or not annotated and so has neither time nor tagger."""
    tag, commit, time, by, trailers = record
    found = REST.fullmatch(tag.removeprefix(recipe))
    if found is None or not commit:
        return None
    kind = (found["stage"] or REGISTERED) + (found["gone"] or found["left"] or "")
    number = int(found["number"] or 0)
    return Event(tag, kind, found["version"], commit, number, datetime.fromisoformat(time), by, _read(trailers))


def _read(trailers: str) -> Mapping[str, str]:
    """Git's trailers, of which git has made one line each."""
    pairs = (line.partition(":") for line in trailers.splitlines())
    return MappingProxyType({key.strip(): value.strip() for key, found, value in pairs if found})


def _tags(root: Path, recipe: str) -> Iterator[Sequence[str]]:
    """FIELDS of each tag that begins with the recipe's name and goes on as one of a version or a stage does."""
    line = "".join(f"%({field})%00" for field in FIELDS)  # no field can hold a zero byte
    command = ["git", "-C", str(root), "for-each-ref", f"--format={line}"]
    places = [f"refs/tags/{recipe}{mark}*" for mark in "@#"]
    try:
        done = subprocess.run([*command, *places], capture_output=True, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise ReleaseError("There is no git, which knows what is in production. Install it.") from None
    if done.returncode:
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise ReleaseError(f"git cannot read the tags of {root} ({said}). Run filmgate in its git checkout.")
    fields = done.stdout.split("\0")
    for first in range(0, len(fields) - 1, len(FIELDS)):
        yield [field.strip() for field in fields[first : first + len(FIELDS)]]
