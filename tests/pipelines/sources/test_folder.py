import pandas as pd
import pytest

from pipelines.errors import DataError
from pipelines.recipe_sources import LabelRule, TableParams
from pipelines.sources.folder import find

TABLE = TableParams(
    file="films.csv",
    name="name",
    label="finding",
    rules=None,
    split=None,
    patient="who",
    site=None,
    view="view",
    sex=None,
    age="age",
)
RULES = (
    LabelRule(label="PNEUMONIA", contains="Pneumonia"),
    LabelRule(label="NORMAL", equals="No Finding"),
    LabelRule(label=None, contains="Hernia"),
)


def write_table(raw, rows, head="name,finding,who,view,age"):
    (raw / "home" / "films.csv").write_text("\n".join([head, *rows]) + "\n")


def full_table(raw):
    files = sorted((raw / "home").rglob("*.png"))
    return [f"{file.name},{file.parent.name},w{n},PA,0{n}Y" for n, file in enumerate(files)]


@pytest.fixture
def records(films, labels, source):
    """Records of the films, with changes to their source."""

    def read(**changes):
        return list(find(films, source.model_copy(update=changes), labels))

    return read


def test_every_visible_file_of_a_class_folder_is_an_image(films, records):
    (films / "home" / "NORMAL" / ".hidden").touch()
    (films / "home" / "NORMAL" / "notes.txt").touch()
    (films / "home" / "masks").mkdir()
    (films / "home" / "masks" / "p0-0.png").touch()
    found = records()
    assert len(found) == 41
    assert [record.path for record in found] == sorted(record.path for record in found)
    assert found[1].path == "home/NORMAL/p0-0.png"
    assert {record.folder_label == record.label for record in found} == {True}


def test_class_folders_are_found_at_any_depth(films, records):
    deep = films / "home" / "train" / "batch 1"
    deep.mkdir(parents=True)
    (films / "home" / "NORMAL").rename(deep / "NORMAL")
    assert sum(record.label == "NORMAL" for record in records()) == 20


@pytest.mark.parametrize("nesting", ["training/NORMAL", "NORMAL/training", "NORMAL/site 3/training"])
def test_folders_of_given_splits_are_found_at_any_depth(films, records, nesting):
    (films / "home" / nesting).mkdir(parents=True)
    (films / "home" / "NORMAL" / "p0-0.png").rename(films / "home" / nesting / "p0-0.png")
    found = records(splits={"train": "training", "test": "testing"})
    assert [record.given_split for record in found if record.path.endswith("NORMAL/p1-0.png")] == [None]
    assert [record.path for record in found if record.given_split == "train"] == [f"home/{nesting}/p0-0.png"]


def test_a_class_may_have_folders_of_other_names(films, records):
    (films / "home" / "NORMAL").rename(films / "home" / "No Finding")
    classes = {"NORMAL": ("No Finding", "healthy"), "PNEUMONIA": ("PNEUMONIA",)}
    assert sum(record.label == "NORMAL" for record in records(classes=classes)) == 20


def test_folders_of_a_label_that_the_recipe_does_not_know_are_named(records):
    with pytest.raises(DataError, match="source.classes names the label 'TB'. Expected one of NORMAL, PNEUMONIA"):
        records(classes={"TB": ("tb",)})


def test_the_patient_is_in_the_name_of_the_file(records):
    assert {record.patient_id for record in records()} == {
        f"p{number}" for first in (0, 100) for number in range(first, first + 10)
    }


def test_without_a_pattern_every_image_is_a_patient(records):
    assert len({record.patient_id for record in records(patient=None)}) == 40


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_tells_patient_view_and_age(films, records, kind):
    write_table(films, full_table(films))
    if kind == "parquet":
        pd.read_csv(films / "home" / "films.csv").to_parquet(films / "home" / "films.parquet")
    found = records(table=TABLE.model_copy(update={"file": f"films.{kind}"}))
    assert (found[3].patient_id, found[3].view, found[3].age, found[3].sex) == ("w3", "PA", 3.0, None)


def test_a_table_describes_files_that_lie_in_no_class_folder(films, records):
    write_table(films, full_table(films))
    (films / "home" / "all").mkdir()
    for file in [*(films / "home" / "NORMAL").iterdir(), *(films / "home" / "PNEUMONIA").iterdir()]:
        file.rename(films / "home" / "all" / file.name)
    found = records(table=TABLE)
    assert [record.label for record in found].count("PNEUMONIA") == 20
    assert {record.folder_label for record in found} == {None}


def test_rules_turn_texts_into_labels_and_leave_some_images_out(films, records, capsys):
    rows = full_table(films)
    texts = ["Edema|Pneumonia", "No finding", "Hernia|Mass", "Mass"]
    for place, text in enumerate(texts):
        rows[place] = rows[place].replace("NORMAL", text)
    write_table(films, rows)
    found = records(table=TABLE.model_copy(update={"rules": RULES}))
    assert [record.label for record in found[:3]] == ["PNEUMONIA", "NORMAL", "Mass"]
    assert len(found) == 39
    assert "1 image of home: left out by the label rules" in capsys.readouterr().out


def test_a_split_in_the_table_goes_by_its_own_name_or_by_the_recipes(films, records):
    rows = [f"{row},{split}" for row, split in zip(full_table(films), ["training", "val"] * 20, strict=True)]
    write_table(films, rows, head="name,finding,who,view,age,part")
    table = TABLE.model_copy(update={"split": "part"})
    found = records(table=table, splits={"train": "training"})
    assert [record.given_split for record in found[:2]] == ["train", "val"]
    with pytest.raises(DataError, match="the split 'training'. Expected train, val or test"):
        records(table=table)


def test_a_label_that_contradicts_its_folder_keeps_both(films, records):
    rows = full_table(films)
    rows[5] = rows[5].replace("NORMAL", "PNEUMONIA")
    write_table(films, rows)
    found = records(table=TABLE)[5]
    assert (found.label, found.folder_label) == ("PNEUMONIA", "NORMAL")


def test_an_image_without_a_row_has_a_fault(films, records):
    write_table(films, full_table(films)[1:])
    first = records(table=TABLE)[0]
    assert (first.path, first.fault) == ("home/NORMAL/p0-0.png", "file without row")
    assert first.reason == "The table films.csv has no row for it."


def test_a_row_without_an_image_has_a_fault(films, records):
    write_table(films, full_table(films))
    (films / "home" / "NORMAL" / "p3-1.png").unlink()
    (lost,) = [record for record in records(table=TABLE) if record.fault]
    assert (lost.path, lost.label, lost.fault) == ("home/p3-1.png", "NORMAL", "row without file")


def test_a_missing_folder_is_named(tmp_path, source, labels):
    with pytest.raises(DataError, match=r"There is no folder .*home"):
        find(tmp_path, source, labels)


def test_a_folder_without_images_is_named(tmp_path, source, labels):
    (tmp_path / "home" / "normal").mkdir(parents=True)
    (tmp_path / "home" / "normal" / "a.png").touch()
    with pytest.raises(DataError, match=r"has no images\. Expected files in folders named NORMAL, PNEUMONIA"):
        find(tmp_path, source, labels)
