import hashlib
import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows import data
from flows.data import bring
from pipelines.errors import ChainError, DataError
from pipelines.recipe_file import read_yaml, write_yaml
from tests.flows.data.project import LETTERS, asked, entry


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
