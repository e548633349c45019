"""What git's tags say of versions and stages; the tags are made by GTO itself, in real repositories."""

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from pipelines.errors import ReleaseError
from pipelines.registry import history, production, versions

WHO = {"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org"}
ROOT = Path(__file__).resolve().parents[2]


def git(folder, *words, **environment):
    done = subprocess.run(
        ["git", "-C", str(folder), *words], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder, text):
    (folder / "release.txt").write_text(text)
    git(folder, "add", "release.txt")
    git(folder, "commit", "--quiet", "--message", text)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with one commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.org")
    commit(folder, "first")
    return folder


def message(digit, **more):
    trailers = {
        "Model": digit * 12,
        "Model-SHA256": digit * 64,
        "Bento": f"filmgate-demo-{digit * 12}.bento",
        "Bento-SHA256": digit * 64,
        **more,
    }
    return "A release\n\n" + "\n".join(f"{key}: {value}" for key, value in trailers.items())


@pytest.fixture
def tags(checkout):
    """Registers and assigns as GTO does: `tags.register("v1.0.0", "a")`, `tags.assign("production", "v1.0.0")`."""
    from gto import api

    class Tags:
        @staticmethod
        def register(version, digit, recipe="demo", text=None):
            api.register(str(checkout), recipe, "HEAD", version=version, message=text or message(digit))

        @staticmethod
        def assign(stage, version, recipe="demo", text=None, **trailers):
            said = {"Version": version, "By": "Ada", **trailers}
            text = text or f"{stage}\n\n" + "\n".join(f"{key}: {value}" for key, value in said.items())
            api.assign(str(checkout), recipe, stage, version=version, message=text, force=True)

    return Tags()


def test_nothing_is_in_production_where_nothing_was_registered(checkout):
    assert production(checkout, "demo") is None
    assert versions(checkout, "demo") == []
    assert history(checkout, "demo") == []


def test_a_version_that_was_only_registered_is_not_in_production(checkout, tags):
    tags.register("v1.0.0", "a")
    assert production(checkout, "demo") is None
    (version,) = versions(checkout, "demo")
    assert (version.name, version.by) == ("v1.0.0", "Ada")
    assert version.commit == git(checkout, "rev-parse", "HEAD")
    assert (version.model, version.model_sha256) == ("a" * 12, "a" * 64)
    assert (version.bento, version.bento_sha256) == ("filmgate-demo-aaaaaaaaaaaa.bento", "a" * 64)
    with pytest.raises(FrozenInstanceError):
        version.name = "v2.0.0"


def test_production_follows_promotions_and_goes_back(checkout, tags):
    seen = []
    tags.register("v1.0.0", "a")
    first = git(checkout, "rev-parse", "HEAD")
    tags.assign("production", "v1.0.0")
    seen.append(production(checkout, "demo").name)
    commit(checkout, "second")
    tags.register("v2.0.0", "b")
    seen.append(production(checkout, "demo").name)
    tags.assign("production", "v2.0.0")
    seen.append(production(checkout, "demo").name)
    tags.assign("production", "v1.0.0")
    back = production(checkout, "demo")
    assert [*seen, back.name] == ["v1.0.0", "v1.0.0", "v2.0.0", "v1.0.0"]
    assert (back.commit, back.bento) == (first, "filmgate-demo-aaaaaaaaaaaa.bento")


def test_the_tenth_decision_is_newer_than_the_ninth(checkout, tags):
    tags.register("v1.0.0", "a")
    commit(checkout, "second")
    tags.register("v2.0.0", "b")
    for _ in range(9):
        tags.assign("production", "v1.0.0")
    tags.assign("production", "v2.0.0")
    assert git(checkout, "tag", "--list", "demo#production#10")
    assert production(checkout, "demo").name == "v2.0.0"


def test_a_clock_that_went_back_changes_nothing(checkout, tags, monkeypatch):
    tags.register("v1.0.0", "a")
    tags.assign("production", "v1.0.0")
    commit(checkout, "second")
    tags.register("v2.0.0", "b")
    said = "-m", "production\n\nVersion: v2.0.0"
    git(checkout, "tag", "--annotate", "demo#production#2", *said, **WHO, GIT_COMMITTER_DATE="2001-01-01T00:00:00Z")
    assert production(checkout, "demo").name == "v2.0.0"


def test_without_a_trailer_the_version_of_the_commit_is_meant(checkout, tags):
    tags.register("v1.0.0", "a")
    tags.assign("production", "v1.0.0", text="GTO's own words")
    assert production(checkout, "demo").name == "v1.0.0"


def test_of_two_versions_on_one_commit_the_trailer_says_which(checkout, tags):
    tags.register("v1.0.0", "a")
    git(checkout, "tag", "--annotate", "demo@v1.0.1", "-m", message("b"), **WHO)
    git(checkout, "tag", "--annotate", "demo#production#1", "-m", "production\n\nVersion: v1.0.0", **WHO)
    assert production(checkout, "demo").model == "a" * 12
    git(checkout, "tag", "--annotate", "demo#production#2", "-m", "without a word", **WHO)
    assert production(checkout, "demo").model == "b" * 12


def test_a_recipe_does_not_see_the_tags_of_another_whose_name_begins_alike(checkout, tags):
    tags.register("v1.0.0", "a", recipe="mnist-torch")
    tags.assign("production", "v1.0.0", recipe="mnist-torch")
    assert production(checkout, "mnist") is None
    assert history(checkout, "mnist") == []
    assert production(checkout, "mnist-torch").name == "v1.0.0"
    assert history(checkout, "torch") == []


def test_a_recipe_whose_name_is_a_pattern_or_an_option_sees_nothing(checkout, tags):
    tags.register("v1.0.0", "a")
    tags.assign("production", "v1.0.0")
    for name in ("*", "dem?", "[d]emo", "--exec=sh", "../demo", "demo/../demo"):
        assert history(checkout, name) == []
        assert production(checkout, name) is None


def test_versions_come_with_the_highest_first(checkout, tags):
    for name, digit in (("v1.9.0", "a"), ("v1.10.0", "b"), ("v1.2.0", "c")):
        commit(checkout, name)
        tags.register(name, digit)
    assert [version.name for version in versions(checkout, "demo")] == ["v1.10.0", "v1.9.0", "v1.2.0"]


def test_history_tells_what_happened_when_and_by_whom(checkout, tags):
    tags.register("v1.0.0", "a")
    tags.assign("production", "v1.0.0", Comment="passed all gates")
    commit(checkout, "second")
    tags.register("v2.0.0", "b")
    tags.assign("rejected", "v2.0.0", Comment="the heatmaps look wrong: ask the clinic")
    events = history(checkout, "demo")
    assert {(event.kind, event.version, event.number) for event in events} == {
        ("registered", "v1.0.0", 0),
        ("production", "v1.0.0", 1),
        ("registered", "v2.0.0", 0),
        ("rejected", "v2.0.0", 2),
    }
    assert all(event.by == "Ada" and event.time.tzinfo is not None for event in events)
    rejected = next(event for event in events if event.kind == "rejected")
    assert rejected.trailers["Comment"] == "the heatmaps look wrong: ask the clinic"
    assert (rejected.tag, rejected.trailers["By"]) == ("demo#rejected#2", "Ada")
    assert production(checkout, "demo").name == "v1.0.0"


def test_history_begins_with_the_newest(checkout):
    for day, name in enumerate(("demo@v1.0.0", "demo#production#1", "demo@v1.1.0", "demo#production#2"), start=1):
        said = "registered" if "@" in name else f"production\n\nVersion: v1.{day // 4}.0"
        git(checkout, "tag", "--annotate", name, "-m", said, **WHO, GIT_COMMITTER_DATE=f"2025-03-0{day}T12:00:00+0100")
    events = history(checkout, "demo")
    assert [(event.time.day, event.version) for event in events] == [
        (4, "v1.1.0"),
        (3, "v1.1.0"),
        (2, "v1.0.0"),
        (1, "v1.0.0"),
    ]
    assert events[0].time.isoformat() == "2025-03-04T12:00:00+01:00"


def test_a_stage_that_gto_took_back_leaves_nothing_in_production(checkout, tags):
    from gto import api

    tags.register("v1.0.0", "a")
    tags.assign("production", "v1.0.0")
    api.unassign(str(checkout), "demo", stage="production", version="v1.0.0")
    assert production(checkout, "demo") is None
    assert {event.kind for event in history(checkout, "demo")} == {"registered", "production", "production!"}
    tags.assign("production", "v1.0.0")
    assert production(checkout, "demo").name == "v1.0.0"


def test_a_version_that_gto_deregistered_is_none(checkout, tags):
    from gto import api

    tags.register("v1.0.0", "a")
    api.deregister(str(checkout), "demo", version="v1.0.0")
    assert versions(checkout, "demo") == []


def test_tags_without_a_tagger_and_tags_of_other_kinds_are_not_read(checkout, tags):
    tags.register("v1.0.0", "a")
    git(checkout, "tag", "demo#production#1")
    for name in ("demo@latest", "demo@v1", "demo#production", "demo#production#x", "demo", "v1.0.0"):
        git(checkout, "tag", "--annotate", name, "-m", "something else", **WHO)
    assert [event.tag for event in history(checkout, "demo")] == ["demo@v1.0.0"]


def test_packed_tags_are_read_too(checkout, tags):
    tags.register("v1.0.0", "a")
    tags.assign("production", "v1.0.0")
    git(checkout, "pack-refs", "--all")
    assert production(checkout, "demo").name == "v1.0.0"


def test_a_stage_on_a_commit_without_a_version_is_an_error(checkout):
    git(checkout, "tag", "--annotate", "demo#production#1", "-m", "who knows", **WHO)
    with pytest.raises(ReleaseError, match=r"demo#production#1 names .* not a registered version of 'demo'"):
        production(checkout, "demo")


@pytest.mark.parametrize(
    "trailer",
    [{"Bento": "../../etc/passwd.bento"}, {"Model": "../../../tmp"}, {"Bento-SHA256": ""}, {"Model-SHA256": "abc"}],
)
def test_a_version_that_does_not_name_a_release_is_not_in_production(checkout, tags, trailer):
    tags.register("v1.0.0", "a", text=message("a", **trailer))
    tags.assign("production", "v1.0.0")
    with pytest.raises(ReleaseError, match=rf"demo@v1.0.0 does not say {next(iter(trailer))} of a release"):
        production(checkout, "demo")


def test_a_folder_that_is_no_checkout_is_named(tmp_path):
    with pytest.raises(ReleaseError, match=r"git cannot read the tags of .*not a git repository"):
        production(tmp_path, "demo")


def test_reading_the_tags_imports_nothing_but_the_errors():
    text = "import sys, pipelines.registry; print([name for name in sys.modules if name in {'gto', 'dvc', 'pygit2'}])"
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
