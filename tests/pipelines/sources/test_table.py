import pytest

from pipelines.errors import DataError
from pipelines.recipe_sources import LabelRule, TableParams
from pipelines.sources.table import read_table, row_of, ruled, years

TABLE = TableParams(
    file="t.csv",
    name="file",
    label="label",
    rules=None,
    split=None,
    patient="id",
    site=None,
    view=None,
    sex=None,
    age=None,
)


@pytest.fixture
def table(tmp_path):
    def read(text):
        (tmp_path / "t.csv").write_text(text)
        return read_table(tmp_path, TABLE)

    return read


def test_a_cell_is_text_and_an_empty_one_is_none(table):
    rows = table("file,label,id\na.png,NORMAL,007\nb/c.png, ,\n")
    assert rows["a.png"] == dict.fromkeys(rows["a.png"]) | {"label": "NORMAL", "patient": "007"}
    assert set(rows["b/c.png"].values()) == {None}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,label\na,b\n", r"no column 'id'\. It has: file, label"),
        ("file,label,id\na.png,x,1\na.png,x,2\n", "names 'a.png' twice"),
        ("file,label,id\n,x,1\n", "a row without a file name in column 'file'"),
        ("", "cannot be read as a table"),
        ('file,label,id\n"a.png,x,1\n', "cannot be read as a table"),
    ],
)
def test_a_table_that_does_not_fit_is_said_in_one_sentence(table, text, says):
    with pytest.raises(DataError, match=says) as caught:
        table(text)
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"There is no table .*t\.csv"):
        read_table(tmp_path, TABLE)


def test_a_file_is_found_by_its_path_before_its_name():
    rows = {"a.png": {}, "deep/a.png": {}}
    assert row_of(rows, "deep/a.png") == "deep/a.png"
    assert row_of(rows, "other/a.png") == "a.png"
    assert row_of(rows, "b.png") is None


def test_the_first_rule_that_fits_decides():
    rules = (LabelRule(label="ILL", contains="pneumonia"), LabelRule(label=None, contains="e"))
    assert ruled("Viral PNEUMONIA", rules) == ("ILL", False)
    assert ruled("edema", rules) == (None, True)
    assert ruled("clast", rules) == ("clast", False)
    assert ruled("anything", None) == ("anything", False)


def test_a_rule_needs_one_test():
    with pytest.raises(ValueError, match="either contains or equals"):
        LabelRule(label="ILL", contains="a", equals="b")


@pytest.mark.parametrize(
    ("text", "age"),
    [("61", 61), ("061Y", 61), ("018M", 1.5), ("010D", 10 / 365.25), ("4.5", 4.5), ("", None), ("Y", None)],
)
def test_ages_are_in_years(text, age):
    assert years(text) == (None if age is None else pytest.approx(age))
