from pathlib import Path

import pytest

from flows.public import read_catalogue
from pipelines.errors import RecipeError

ROOT = Path(__file__).resolve().parents[2]
ENTRY = """
films:
  title: Films
  licence: CC BY 4.0
  citation: Nobody (2020)
  homepage: https://example.org
  files:
    - name: films.zip
      urls: [https://example.org/films.zip]
      checksum: null
      bytes: null
      unpack: zip
      into: home
      holds: films
  by_hand: []
"""


@pytest.fixture
def catalogue(tmp_path):
    def write(*changes):
        text = ENTRY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "public.yaml"
        path.write_text(text)
        return path

    return write


def test_what_an_archive_holds_has_its_place(catalogue):
    (file,) = read_catalogue(catalogue())["films"].files
    assert file.place == "home/films"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("into: home", "into: ../home", "films.files.0.into: .*must lie inside the data set"),
        ("into: home", "into: /home", "must lie inside the data set"),
        ("name: films.zip", "name: ../films.zip", "films.files.0.name: "),
        ("holds: films", "holds: ..", "films.files.0.holds: "),
        ("checksum: null", "checksum: md5:abc", "films.files.0.checksum: .*'md5:abc'"),
        ("urls: [https:", "urls: [file:", "films.files.0.urls.0: "),
        ("bytes: null", "size: null", "films.files.0.bytes: Field required"),
        ("holds: films", "holds: null", "films.zip must say what it holds if and only if it is unpacked"),
        ("unpack: zip", "unpack: none", "films.zip must say what it holds if and only if it is unpacked"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_named(catalogue, old, new, words):
    with pytest.raises(RecipeError, match=words):
        read_catalogue(catalogue((old, new)))


def test_every_file_of_the_projects_own_catalogue_can_be_proven():
    for name, data_set in read_catalogue(ROOT / "data" / "public.yaml").items():
        assert all(file.checksum for file in data_set.files), name
        assert data_set.licence, name
        assert "10." in data_set.citation or "no DOI" in data_set.citation, name


def test_the_projects_readme_names_licence_and_source_of_every_public_data_set():
    readme = (ROOT / "data" / "README.md").read_text()
    for name, data_set in read_catalogue(ROOT / "data" / "public.yaml").items():
        assert f"| `{name}` |" in readme
        assert data_set.homepage in readme, name
