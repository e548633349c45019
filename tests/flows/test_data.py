import hashlib
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows import data
from flows.data import bring
from flows.versions import Version
from pipelines.errors import ChainError, DataError
from pipelines.recipe_file import read_yaml, write_yaml

ROOT = Path(__file__).resolve().parents[2]
LETTERS = {"a.gz": b"a" * 5000, "b.gz": b"b" * 3000}


def archive(*films):
    """A ZIP file with these films in a folder, as a Mac would make it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for name in films:
            out.writestr(f"films/train/{name}", name.encode())
        out.writestr("__MACOSX/films/train/._x", b"macOS")
    return file.getvalue()


def entry(files, by_hand=()):
    about = {"title": "A set", "licence": "CC BY 4.0", "citation": "Nobody", "homepage": "https://example.org"}
    return {**about, "files": files, "by_hand": list(by_hand)}


class Project:
    """A git and DVC project with a catalogue whose only publisher is a server of this machine."""

    def __init__(self, root, publisher):
        self.root, self.publisher, self.raw = root, publisher, root / "data" / "raw"

    def git(self, *arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout

    def file(self, name, content, **changes):
        """A file of the publisher, and its entry in the catalogue."""
        self.publisher.files[name] = content
        known = {"checksum": f"sha256:{hashlib.sha256(content).hexdigest()}", "bytes": len(content)}
        place = {"unpack": "none", "into": ".", "holds": None}
        return {"name": name, "urls": [self.publisher.address(name)], **known, **place, **changes}

    def write(self, sets):
        write_yaml({"recipes": {name: name for name in sets}}, self.root / "params.yaml")
        write_yaml(sets, self.root / "data" / "public.yaml")

    def version(self, name):
        return read_yaml(self.raw / f"{name}.dvc")


@pytest.fixture
def project(tmp_path, publisher):
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    project = Project(root, publisher)
    project.git("init", "-q")
    Repo.init(str(root)).close()
    shutil.copy(ROOT / ".gitignore", root)
    project.git("add", "-A")
    project.git("commit", "-qm", "a project")
    return project


@pytest.fixture
def letters(project):
    """A data set of two plain files."""
    project.write({"letters": entry([project.file(name, content) for name, content in LETTERS.items()])})
    return project


@pytest.fixture
def films(project):
    """A data set of one archive, and a folder that people bring."""
    content = archive("a.png", "b.png")
    file = project.file("films.zip", content, unpack="zip", into="home", holds="films")
    project.write({"films": entry([file], [{"into": "away", "what": "Put films of another hospital there."}])})
    return project


def asked(project):
    return [path for path, *_ in project.publisher.asked]


def test_files_are_fetched_proven_and_kept_as_a_version(letters, capsys):
    bring(letters.root, "letters")
    folder = letters.raw / "letters"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == LETTERS
    version = letters.version("letters")
    assert version["outs"][0]["nfiles"] == 2
    assert version["meta"]["licence"] == "CC BY 4.0"
    assert version["meta"]["files"]["a.gz"] == {"sha256": hashlib.sha256(LETTERS["a.gz"]).hexdigest()}
    assert "git add data/raw/letters.dvc" in capsys.readouterr().out


def test_the_version_is_what_git_sees_and_dvc_finds(letters):
    bring(letters.root, "letters")
    assert letters.git("status", "--porcelain", "-uall", "data").split() == [
        *("??", "data/public.yaml"),
        *("??", "data/raw/letters.dvc"),
    ]
    found = [stage.addressing for stage in Repo(str(letters.root)).index.stages]
    assert [Path(name).name for name in found] == ["letters.dvc"]


def test_a_second_call_fetches_nothing_and_says_so(letters, capsys):
    bring(letters.root, "letters")
    before, written = asked(letters), (letters.raw / "letters.dvc").stat().st_mtime_ns
    capsys.readouterr()
    bring(letters.root, "letters")
    assert asked(letters) == before
    assert (letters.raw / "letters.dvc").stat().st_mtime_ns == written
    assert capsys.readouterr().out == "data/raw/letters is in place, as data/raw/letters.dvc says: nothing to do.\n"


def test_a_file_put_there_by_hand_is_proven_and_not_fetched(letters):
    folder = letters.raw / "letters"
    folder.mkdir(parents=True)
    (folder / "a.gz").write_bytes(LETTERS["a.gz"])
    bring(letters.root, "letters")
    assert asked(letters) == ["b.gz"]
    assert set(letters.version("letters")["meta"]["files"]) == set(LETTERS)


def test_a_wrong_file_put_there_by_hand_is_named_and_left(letters):
    folder = letters.raw / "letters"
    folder.mkdir(parents=True)
    (folder / "b.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"data/raw/letters/b\.gz has sha256:.* where sha256:.* is expected"):
        bring(letters.root, "letters")
    assert (folder / "b.gz").read_bytes() == b"something else"
    assert not (letters.raw / "letters.dvc").exists()


def test_without_a_network_one_sentence_says_what_to_put_where(letters, capsys, monkeypatch):
    publisher, sets = letters.publisher, read_yaml(letters.root / "data" / "public.yaml")
    for file in sets["letters"]["files"]:
        file["urls"] = [f"http://127.0.0.1:9/letters/{file['name']}", f"http://127.0.0.1:9/{file['name']}"]
    letters.write(sets)
    monkeypatch.setattr(data, "ROOT", letters.root)
    with pytest.raises(SystemExit) as caught:
        data.main(["--recipe", "letters"])
    assert caught.value.code == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: a.gz could not be fetched (127.0.0.1:9: ")
    where = "put a.gz, b.gz from http://127.0.0.1:9/letters/ or http://127.0.0.1:9/ into data/raw/letters"
    assert where in line
    for name, content in LETTERS.items():
        (letters.raw / "letters").mkdir(parents=True, exist_ok=True)
        (letters.raw / "letters" / name).write_bytes(content)
    data.main(["--recipe", "letters"])
    assert publisher.asked == []
    assert letters.version("letters")["outs"][0]["nfiles"] == 2


def test_what_came_before_the_network_went_stays(letters):
    del letters.publisher.files["b.gz"]
    with pytest.raises(DataError, match=r"b\.gz could not be fetched .*404.*: put b\.gz from"):
        bring(letters.root, "letters")
    letters.publisher.files["b.gz"] = LETTERS["b.gz"]
    bring(letters.root, "letters")
    assert asked(letters) == ["a.gz", "b.gz", "b.gz"]


def test_an_md5_of_the_publisher_will_do(project):
    file = project.file("a.npz", b"a", checksum=f"md5:{hashlib.md5(b'a').hexdigest()}", bytes=None)
    project.write({"films": entry([file])})
    bring(project.root, "films")
    assert set(project.version("films")["meta"]["files"]["a.npz"]) == {"md5", "sha256"}
    project.write({"films": entry([{**file, "checksum": f"md5:{hashlib.md5(b'b').hexdigest()}"}])})
    with pytest.raises(DataError, match=r"a\.npz has md5:.* where md5:.* is expected"):
        bring(project.root, "films")


def test_without_a_checksum_the_first_file_is_what_later_ones_are_held_to(project, capsys):
    file = project.file("a.npz", b"first", checksum=None, bytes=None)
    project.write({"films": entry([file])})
    bring(project.root, "films")
    seen = hashlib.sha256(b"first").hexdigest()
    assert f"its publisher gives no checksum; this file has sha256:{seen}" in capsys.readouterr().out
    assert project.version("films")["meta"]["files"] == {"a.npz": {"sha256": seen}}
    shutil.rmtree(project.raw / "films")
    project.publisher.files["a.npz"] = b"second"
    with pytest.raises(DataError, match=f"where sha256:{seen} is expected"):
        bring(project.root, "films")


def test_an_archive_is_unpacked_into_its_place(films, capsys):
    bring(films.root, "films")
    found = {path.relative_to(films.raw).as_posix() for path in films.raw.rglob("*") if path.is_file()}
    assert found == {"films.dvc", "films/home/films/train/a.png", "films/home/films/train/b.png"}
    out = capsys.readouterr().out
    assert "left out 1 of its files, which are no part of films" in out
    assert "data/downloads/films/films.zip is no longer needed" in out
    assert "There is no data/raw/films/away. Put films of another hospital there." in out


def test_an_archive_once_unpacked_is_not_fetched_again_when_something_joins_it(films, capsys):
    bring(films.root, "films")
    first = films.version("films")["outs"][0]["md5"]
    shutil.rmtree(films.root / "data" / "downloads")
    away = films.raw / "films" / "away"
    away.mkdir()
    (away / "c.png").write_bytes(b"c")
    capsys.readouterr()
    bring(films.root, "films")
    assert asked(films) == ["films.zip"]
    version = films.version("films")
    assert version["outs"][0]["nfiles"] == 3
    assert version["outs"][0]["md5"] != first
    assert set(version["meta"]["files"]) == {"films.zip"}
    assert "away" not in capsys.readouterr().out
    (away / "c.png").write_bytes(b"corrected")
    bring(films.root, "films")
    assert asked(films) == ["films.zip"]
    assert films.version("films")["outs"][0]["md5"] != version["outs"][0]["md5"]


@pytest.mark.parametrize("change", [lambda film: film.write_bytes(b"else"), lambda film: film.unlink()])
def test_a_change_to_unpacked_films_is_neither_undone_nor_kept_in_silence(films, change):
    bring(films.root, "films")
    shutil.rmtree(films.root / "data" / "downloads")
    before = (films.raw / "films.dvc").read_bytes()
    change(films.raw / "films" / "home" / "films" / "train" / "a.png")
    with pytest.raises(
        DataError, match=r"^1 of the files .* e\.g\. data/raw/films/home/films/train/a\.png\. .*dvc checkout"
    ):
        bring(films.root, "films")
    assert (films.raw / "films.dvc").read_bytes() == before
    assert asked(films) == ["films.zip"]


def test_a_newer_archive_in_the_catalogue_replaces_the_older_films(films):
    bring(films.root, "films")
    shutil.rmtree(films.root / "data" / "downloads")
    newer = films.file("films.zip", archive("b.png", "c.png"), unpack="zip", into="home", holds="films")
    films.write({"films": entry([newer])})
    bring(films.root, "films")
    train = films.raw / "films" / "home" / "films" / "train"
    assert {path.name for path in train.iterdir()} == {"b.png", "c.png"}


@pytest.mark.parametrize("own", ["train/x.png", "films/x.png"])
def test_films_that_somebody_put_there_are_not_mixed_with_an_archive(films, own):
    path = films.raw / "films" / "home" / own
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(DataError, match=r"already holds '(train|films)', and nothing proves"):
        bring(films.root, "films")
    assert path.exists()
    assert asked(films) == []


def test_a_run_that_ended_before_its_version_was_kept_goes_on(films, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Version, "keep", killed)
        bring(films.root, "films")
    bring(films.root, "films")
    assert asked(films) == ["films.zip"]
    assert films.version("films")["outs"][0]["nfiles"] == 2


def test_an_archive_that_leads_outside_writes_nothing(project):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("films/a.png", b"a")
        out.writestr("../../../evil", b"evil")
    entries = [project.file("films.zip", file.getvalue(), unpack="zip", into=".", holds="films")]
    project.write({"films": entry(entries)})
    with pytest.raises(DataError, match=r"'\.\./\.\./\.\./evil', which leads outside"):
        bring(project.root, "films")
    assert not list(project.root.parent.rglob("evil"))
    assert not list(project.raw.iterdir())


def test_unknown_names_are_answered_with_the_known_ones(letters):
    with pytest.raises(ChainError, match=r"params\.yaml has no recipe 'leters', only letters"):
        bring(letters.root, "leters")
    write_yaml({"recipes": {"letters": "letters", "own": "mine"}}, letters.root / "params.yaml")
    with pytest.raises(DataError, match="knows letters, but no 'mine'. Put your own data into data/raw/mine"):
        bring(letters.root, "own")


def test_a_set_that_a_stage_makes_is_not_fetched(letters):
    stage = {"cmd": "true", "outs": ["data/raw/letters"]}
    write_yaml({"stages": {"draw": stage}}, letters.root / "dvc.yaml")
    with pytest.raises(DataError, match=r"data/raw/letters is not fetched but made by the stage draw"):
        bring(letters.root, "letters")


def test_a_link_in_place_of_the_folder_is_refused_in_words(letters, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    letters.raw.mkdir()
    (letters.raw / "letters").symlink_to(elsewhere)
    with pytest.raises(ChainError, match="symlinked"):
        bring(letters.root, "letters")
