"""Sections of a recipe that say where images come from, one for each kind of source."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.section import Section, Split


class LabelRule(Section):
    """One rule on the label column of a table: `contains` or `equals` a text, upper and lower case alike.

    `label` is what it means; null leaves the image out of the set.
    """

    label: str | None
    contains: str | None = None
    equals: str | None = None

    @model_validator(mode="after")
    def _one_test(self) -> "LabelRule":
        if (self.contains is None) == (self.equals is None):
            raise ValueError("needs either contains or equals")
        return self


class TableParams(Section):
    """A CSV or Parquet file beside the images. Each value but `file` and `rules` names a column, or is null.

    `name` is the column with the file's name, or its path below the source's folder. `rules` turn the text of the label
    column into a label, the first that fits; null where the column holds the label itself.
    """

    file: str
    name: str
    label: str | None
    rules: tuple[LabelRule, ...] | None
    split: str | None
    patient: str | None
    site: str | None
    view: str | None
    sex: str | None
    age: str | None


class FolderSource(Section):
    """Files in class folders, or files that a table describes.

    `folder` lies inside the raw data set. `classes` gives the folder names of each label, and `splits` those of the
    publisher's train, val and test, at any depth and in any order; null: a class folder bears the label's name, there
    are no split folders. `patient` is a regular expression on the file name whose first group is the patient, where no
    table says so. `site` names the hospital, where no table says so.
    """

    kind: Literal["folder"]
    folder: str
    site: str
    patient: str | None
    classes: dict[str, tuple[str, ...]] | None
    splits: dict[Split, str] | None
    table: TableParams | None


class DicomSource(Section):
    """DICOM files, in class folders or described by a table; patient, view, sex and age come from their headers.

    `salt` is a file inside the raw data set whose content is hashed together with each PatientID, so that nobody who
    sees a manifest can find the patient by trying numbers.
    """

    kind: Literal["dicom"]
    folder: str
    site: str
    salt: str
    classes: dict[str, tuple[str, ...]] | None
    splits: dict[Split, str] | None
    table: TableParams | None


class ArrayFiles(Section):
    """Two idx files that belong together."""

    images: str
    labels: str


class IdxSource(Section):
    """idx files, as MNIST has them, gzipped or not: the images and labels of each split. Label n is the n-th name."""

    kind: Literal["idx"]
    site: str
    files: dict[Split, ArrayFiles]


class NpzSource(Section):
    """A NumPy archive in MedMNIST's form: `train_images`, `train_labels`, `val_images`. Label n is the n-th name."""

    kind: Literal["npz"]
    site: str
    file: str


class CifarSource(Section):
    """CIFAR-10 as its publisher packs it: `data_batch_1` to 5 and `test_batch`, pickled or binary (`.bin`)."""

    kind: Literal["cifar"]
    folder: str
    site: str


SourceParams = Annotated[FolderSource | DicomSource | IdxSource | NpzSource | CifarSource, Field(discriminator="kind")]
