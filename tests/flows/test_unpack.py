import io
import tarfile
import zipfile

import pytest

from flows.unpack import unpack
from pipelines.errors import DataError


def zip_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tar_of(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


KINDS = pytest.mark.parametrize(("kind", "make"), [("zip", zip_of), ("tar", tar_of)])
MEMBERS = {
    "films/train/a.png": b"a",
    "films/train/._a.png": b"macOS",
    "films/.DS_Store": b"macOS",
    "__MACOSX/films/train/._a.png": b"macOS",
}


@KINDS
def test_the_folder_that_is_meant_is_unpacked_and_the_rest_counted(tmp_path, kind, make):
    archive, target = make(tmp_path / "archive", MEMBERS), tmp_path / "raw" / "films"
    assert unpack(archive, kind, target, tmp_path / "beside") == 3
    assert [path for path in target.rglob("*") if path.is_file()] == [target / "train" / "a.png"]
    assert not (tmp_path / "beside").exists()


@KINDS
def test_an_older_folder_is_replaced_whole(tmp_path, kind, make):
    target = tmp_path / "raw" / "films"
    target.mkdir(parents=True)
    (target / "older.png").touch()
    unpack(make(tmp_path / "archive", MEMBERS), kind, target, tmp_path / "beside")
    assert not (target / "older.png").exists()


@KINDS
@pytest.mark.parametrize("name", ["../evil", "films/../../evil", "films/train/../../../evil"])
def test_a_path_that_leads_outside_is_refused_and_nothing_is_written(tmp_path, kind, make, name):
    home = tmp_path / "home"
    home.mkdir()
    archive = make(tmp_path / "archive", {"films/a.png": b"a", name: b"evil"})
    with pytest.raises(DataError, match="which leads outside"):
        unpack(archive, kind, home / "films", home / "beside")
    assert list(home.iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_a_link_that_leads_outside_is_refused(tmp_path):
    link = zipfile.ZipInfo("films/link")
    link.external_attr = 0o120777 << 16
    archive = zip_of(tmp_path / "archive.zip", {link: b"/etc"})
    with pytest.raises(DataError, match="which leads outside"):
        unpack(archive, "zip", tmp_path / "films", tmp_path / "beside")
    with tarfile.open(tmp_path / "archive.tar", "w") as file:
        member = tarfile.TarInfo("films/link")
        member.type, member.linkname = tarfile.SYMTYPE, "../../../etc"
        file.addfile(member)
    with pytest.raises(DataError, match="which leads outside"):
        unpack(tmp_path / "archive.tar", "tar", tmp_path / "films", tmp_path / "beside")


@KINDS
def test_a_damaged_archive_leaves_the_older_folder(tmp_path, kind, make):
    archive, target = make(tmp_path / "archive", MEMBERS), tmp_path / "raw" / "films"
    archive.write_bytes(archive.read_bytes()[:60])
    target.mkdir(parents=True)
    (target / "older.png").touch()
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(archive, kind, target, tmp_path / "beside")
    assert list(target.iterdir()) == [target / "older.png"]
    assert not (tmp_path / "beside").exists()


@KINDS
def test_an_archive_of_something_else_is_named(tmp_path, kind, make):
    archive = make(tmp_path / "archive", {"other/a.png": b"a"})
    with pytest.raises(DataError, match="holds no folder films"):
        unpack(archive, kind, tmp_path / "films", tmp_path / "beside")
