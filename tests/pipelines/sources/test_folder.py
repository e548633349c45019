import pytest

from pipelines.errors import DataError
from pipelines.recipe import TableParams
from pipelines.sources.folder import find

NAMES = ("NORMAL", "PNEUMONIA")
TABLE = TableParams(
    file="films.csv", name="name", label="finding", patient="who", site=None, view="view", sex=None, age="age"
)


def write_table(raw, rows, head="name,finding,who,view,age"):
    (raw / "home" / "films.csv").write_text("\n".join([head, *rows]) + "\n")


def full_table(raw):
    files = sorted((raw / "home").rglob("*.png"))
    return [f"{file.name},{file.parent.name},w{n},PA,0{n}Y" for n, file in enumerate(files)]


def test_every_visible_file_of_a_class_folder_is_an_image(films, source):
    (films / "home" / "NORMAL" / ".hidden").touch()
    (films / "home" / "masks").mkdir()
    (films / "home" / "masks" / "p0-0.png").touch()
    records = find(films, source, NAMES)
    assert len(records) == 40
    assert [record.path for record in records] == sorted(record.path for record in records)
    assert records[0].path == "home/NORMAL/p0-0.png"


def test_class_folders_are_found_at_any_depth(films, source):
    deep = films / "home" / "train" / "batch 1"
    deep.mkdir(parents=True)
    (films / "home" / "NORMAL").rename(deep / "NORMAL")
    assert sum(record.label == "NORMAL" for record in find(films, source, NAMES)) == 20


def test_the_patient_is_in_the_name_of_the_file(films, source):
    assert {record.patient_id for record in find(films, source, NAMES)} == {
        f"p{number}" for first in (0, 100) for number in range(first, first + 10)
    }


def test_without_a_pattern_every_image_is_a_patient(films, source):
    records = find(films, source.model_copy(update={"patient": None}), NAMES)
    assert len({record.patient_id for record in records}) == 40


def test_a_table_tells_patient_view_and_age(films, source):
    write_table(films, full_table(films))
    records = find(films, source.model_copy(update={"table": TABLE}), NAMES)
    assert (records[3].patient_id, records[3].view, records[3].age, records[3].sex) == ("w3", "PA", 3.0, None)


def test_a_missing_folder_is_named(tmp_path, source):
    with pytest.raises(DataError, match=r"There is no folder .*home"):
        find(tmp_path, source, NAMES)


def test_an_empty_class_is_named(films, source):
    for file in (films / "home" / "PNEUMONIA").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="no images of class PNEUMONIA"):
        find(films, source, NAMES)


def test_a_label_that_contradicts_its_folder_is_named(films, source):
    rows = full_table(films)
    rows[5] = rows[5].replace("NORMAL", "PNEUMONIA")
    write_table(films, rows)
    with pytest.raises(DataError, match=r"lies in folder NORMAL but films\.csv calls it PNEUMONIA"):
        find(films, source.model_copy(update={"table": TABLE}), NAMES)


def test_an_image_without_a_row_is_named(films, source):
    write_table(films, full_table(films)[1:])
    with pytest.raises(DataError, match=r"p0-0\.png is not in films\.csv"):
        find(films, source.model_copy(update={"table": TABLE}), NAMES)


def test_a_column_that_is_not_there_is_named_with_those_that_are(films, source):
    write_table(films, [], head="name,finding,view,age")
    with pytest.raises(DataError, match=r"no column 'who'\. It has: name, finding, view, age"):
        find(films, source.model_copy(update={"table": TABLE}), NAMES)


def test_a_missing_table_is_named(films, source):
    with pytest.raises(DataError, match=r"There is no table .*films\.csv"):
        find(films, source.model_copy(update={"table": TABLE}), NAMES)
