import io
import shutil
import zipfile

import pytest

from flows.data import bring
from flows.versions import Version
from pipelines.errors import DataError
from tests.flows.data.project import archive, asked, entry


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
