import hmac
import io
import os
import shutil
import warnings
from dataclasses import astuple
from pathlib import Path

import pytest
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from pipelines.errors import DataError
from pipelines.recipe import LabelParams
from pipelines.recipe_sources import DicomSource, TableParams
from pipelines.sources.dicom import find

REAL = Path(os.environ.get("FILMGATE_REAL_DATA", "nowhere")) / "dicom"
SALT = b"0123456789abcdef"
SOURCE = DicomSource(kind="dicom", folder="home", site="riverside", salt="salt", classes=None, splits=None, table=None)
TABLE = TableParams(
    file="films.csv",
    name="name",
    label="label",
    rules=None,
    split=None,
    patient="patient",
    site=None,
    view="view",
    sex="sex",
    age="age",
)
FILMS = {
    "NORMAL/a.dcm": {"PatientID": "H-0042", "ViewPosition": "pa", "PatientSex": "F", "PatientAge": "061Y"},
    "NORMAL/b.dcm": {"PatientID": "H-0042", "ViewPosition": "AP", "PatientSex": "F", "PatientAge": "018M"},
    "PNEUMONIA/c": {"PatientID": "H-0043", "ViewPosition": "", "PatientSex": "", "PatientAge": "003W"},
    "PNEUMONIA/d.dcm": {"PatientID": "", "PatientAge": "010D"},
}


def header_of(**tags):
    """The bytes of a DICOM file without pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = "1.2.3"
    film = FileDataset("", Dataset(), bytes(128), meta)
    film.Modality = "DX"
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hospitals write what the standard does not allow
        for tag, value in tags.items():
            setattr(film, tag, value)
        film.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.fixture
def raw(tmp_path):
    for name, tags in FILMS.items():
        (tmp_path / "home" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "home" / name).write_bytes(header_of(**tags))
    (tmp_path / "salt").write_bytes(SALT)
    return tmp_path


@pytest.fixture
def records(raw, labels):
    """Records of the films, with changes to their source."""

    def read(**changes):
        return list(find(raw, SOURCE.model_copy(update=changes), labels))

    return read


def hidden(patient):
    return hmac.new(SALT, patient.encode(), "sha256").hexdigest()[:16]


def test_headers_tell_patient_view_sex_and_age(records):
    first, second, third, fourth = records()
    assert (first.path, first.label, first.site, first.form) == ("home/NORMAL/a.dcm", "NORMAL", "riverside", "picture")
    assert (first.view, first.sex, first.age) == ("PA", "F", 61)
    assert (second.view, second.age) == ("AP", 1.5)
    assert (third.view, third.sex, third.age) == (None, None, pytest.approx(3 / 52.18))
    assert fourth.age == pytest.approx(10 / 365.25)
    assert {record.fault for record in (first, second, third, fourth)} == {None}


def test_a_patient_is_a_keyed_hash_and_one_on_all_films(records):
    first, second, third, fourth = records()
    assert first.patient_id == second.patient_id == hidden("H-0042")
    assert third.patient_id == hidden("H-0043") != first.patient_id
    assert fourth.patient_id == fourth.path == "home/PNEUMONIA/d.dcm"


def test_another_salt_names_patients_anew(raw, records):
    before = records()[0].patient_id
    (raw / "salt").write_bytes(b"another salt of some length\n")
    assert records()[0].patient_id != before


def test_a_line_end_after_the_salt_means_nothing(raw, records):
    before = records()[0].patient_id
    (raw / "salt").write_bytes(SALT + b"\r\n")
    assert records()[0].patient_id == before


def test_what_the_hospital_calls_a_patient_is_nowhere_in_the_records(raw, records):
    (raw / "home" / "films.csv").write_text(
        "name,label,patient,view,sex,age\na.dcm,NORMAL,H-0042,,,\ne.dcm,NORMAL,H-0043,,,\n"
    )
    for changes in ({}, {"table": TABLE}):
        text = repr([astuple(record) for record in records(**changes)])
        assert "H-004" not in text
        assert text.count(hidden("H-0042")) == 2


def test_a_table_goes_before_the_header(raw, records):
    rows = ["a.dcm,NORMAL,x1,lateral,M,7", "b.dcm,NORMAL,,,,", "c,PNEUMONIA,x2,,,", "d.dcm,PNEUMONIA,x2,PA,F,50"]
    (raw / "home" / "films.csv").write_text("\n".join(["name,label,patient,view,sex,age", *rows]) + "\n")
    first, second, third, fourth = records(table=TABLE)
    assert (first.patient_id, first.view, first.sex, first.age) == (hidden("x1"), "LATERAL", "M", 7)
    assert (second.patient_id, second.view, second.sex, second.age) == (hidden("H-0042"), "AP", "F", 1.5)
    assert third.patient_id == fourth.patient_id == hidden("x2")
    assert (fourth.view, fourth.sex, fourth.age) == ("PA", "F", 50)


def test_a_row_without_a_film_keeps_its_fault(raw, records):
    rows = [f"{Path(name).name},{Path(name).parent},,,," for name in FILMS]
    (raw / "home" / "films.csv").write_text(
        "\n".join(["name,label,patient,view,sex,age", *rows, "lost.dcm,NORMAL,H-9,,,"])
    )
    (lost,) = [record for record in records(table=TABLE) if record.fault]
    assert (lost.path, lost.fault, lost.patient_id) == ("home/lost.dcm", "row without file", hidden("H-9"))


def test_a_film_without_a_row_keeps_its_fault_and_has_its_header(raw, records):
    (raw / "home" / "films.csv").write_text("name,label,patient,view,sex,age\na.dcm,NORMAL,,,,\n")
    found = {record.path: record for record in records(table=TABLE)}["home/NORMAL/b.dcm"]
    assert (found.fault, found.patient_id, found.view) == ("file without row", hidden("H-0042"), "AP")


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(400)])
def test_a_file_that_is_no_dicom_file_has_a_fault(raw, records, content):
    (raw / "home" / "NORMAL" / "b.dcm").write_bytes(content)
    found = records()[1]
    assert (found.fault, found.patient_id, found.label) == ("unreadable", "home/NORMAL/b.dcm", "NORMAL")
    assert found.reason == "b.dcm is no DICOM file that can be read. Export it anew."
    assert [record.fault for record in records()].count(None) == 3


def test_folders_of_classes_and_splits_are_those_of_the_recipe(raw, records):
    (raw / "home" / "held").mkdir()
    (raw / "home" / "PNEUMONIA").rename(raw / "home" / "held" / "ill")
    classes = {"NORMAL": ("NORMAL",), "PNEUMONIA": ("ill",)}
    found = records(classes=classes, splits={"test": "held"})
    assert [(record.label, record.given_split) for record in found] == [("NORMAL", None)] * 2 + [
        ("PNEUMONIA", "test")
    ] * 2


@pytest.mark.parametrize(
    ("salt", "says"), [(None, "There is no salt"), (b"too short a one", "has 15 bytes"), (b" " * 40, "has 0")]
)
def test_a_missing_or_short_salt_says_how_to_make_one(raw, labels, salt, says):
    (raw / "salt").unlink()
    if salt is not None:
        (raw / "salt").write_bytes(salt)
    with pytest.raises(DataError, match=says) as caught:
        find(raw, SOURCE, labels)
    assert f'python -c "import secrets; print(secrets.token_hex(32))" > {raw / "salt"}' in str(caught.value)


def test_a_missing_folder_is_named(tmp_path, labels):
    (tmp_path / "salt").write_bytes(SALT)
    with pytest.raises(DataError, match=r"There is no folder .*home"):
        find(tmp_path, SOURCE, labels)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="FILMGATE_REAL_DATA names no folder with real DICOM films")
def test_real_films_of_one_patient_stay_together(tmp_path):
    (tmp_path / "salt").write_bytes(SALT)
    for name in ("RG1_UNCR", "RG1_J2KR", "RG3_UNCR"):
        folder = tmp_path / "home" / ("leg" if "RG3" in name else "chest")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REAL / f"{name}.dcm", folder / f"{name}.dcm")
    labels = LabelParams(names=("chest", "leg"), positive="leg")
    one, other, leg = find(tmp_path, SOURCE, labels)
    assert one.patient_id == other.patient_id != leg.patient_id
    assert [record.view for record in (one, other, leg)] == ["PA", "PA", "AP"]
    assert {record.sex for record in (one, other, leg)} == {"F"}
    assert {record.age for record in (one, other, leg)} == {None}
    assert "9RG1" not in repr(one)
