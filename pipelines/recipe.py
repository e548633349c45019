"""What a recipe may hold: every number of one task, in typed and frozen sections that know no default."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Metric = Literal["auc", "accuracy", "sensitivity", "specificity", "precision", "recall", "f1", "brier", "ece"]


class Section(BaseModel):
    """One named part of a recipe: typed, frozen, strict."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class PhantomParams(Section):
    """Phantom chest films to draw; only recipes whose data are drawn have this section."""

    seed: int
    size: Annotated[int, Field(ge=32)]
    patients: Positive
    external_patients: Positive
    films: Positive
    pneumonia: Share


class TableParams(Section):
    """A CSV beside the images. Each value but `file` names a column of it, or is null where there is none."""

    file: str
    name: str
    label: str | None
    patient: str | None
    site: str | None
    view: str | None
    sex: str | None
    age: str | None


class SourceParams(Section):
    """Where images come from.

    `folder` lies inside the raw data set. Every folder below it that bears the name of a label is a class folder.
    `patient` is a regular expression on the file name whose first group is the patient, where no table says so.
    `site` names the hospital, where no table says so.
    """

    kind: Literal["folder"]
    folder: str
    site: str
    patient: str | None
    table: TableParams | None


class LabelParams(Section):
    """The classes in the order of the model's outputs, and the one that a positive answer means."""

    names: Annotated[tuple[str, ...], Field(min_length=2)]
    positive: str | None

    @model_validator(mode="after")
    def _known_and_binary(self) -> "LabelParams":
        if len(set(self.names)) < len(self.names):
            raise ValueError("names a class twice")
        if (self.positive is None) != (len(self.names) > 2):
            raise ValueError("needs a positive class if and only if there are two classes")
        if self.positive is not None and self.positive not in self.names:
            raise ValueError(f"has {self.positive!r} as positive, which is none of its names")
        return self

    @property
    def positive_index(self) -> int:
        """Column of the positive class; with more than two classes, of the last one."""
        return self.names.index(self.positive) if self.positive else len(self.names) - 1


class SplitParams(Section):
    """Shares of patients; a patient's split follows from the seed and the patient's name alone."""

    train: Share
    val: Share
    test: Share
    seed: int

    @model_validator(mode="after")
    def _whole(self) -> "SplitParams":
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"has shares that add up to {total:g}, not to 1")
        return self


class ChecksParams(Section):
    """What the images must satisfy, and how much of the set may be put aside.

    Args:
        minimum_side: pixels; a smaller image is put aside.
        minimum_spread: standard deviation of grey levels (0 to 255); a flatter image is blank and put aside.
        quarantine_share: largest share of images that may be put aside before the run stops.
        class_share: smallest share that each class must have of every split; less is a warning.
        shortcut_auc: a single property of the files that guesses the label better than this is a warning.
    """

    minimum_side: Positive
    minimum_spread: Annotated[float, Field(ge=0)]
    quarantine_share: Share
    class_share: Share
    shortcut_auc: Share


class ImageParams(Section):
    """The picture that the model sees.

    height and width in pixels; channels 1 (grey) or 3 (RGB); levels as stored, or equalized to an even histogram, which
    takes exposure and film curve away; fit says how another shape is met.
    """

    height: Positive
    width: Positive
    channels: Literal[1, 3]
    levels: Literal["stored", "equalized"]
    fit: Literal["pad", "stretch", "crop"]


class AugmentParams(Section):
    """Largest random change of a training image, either way.

    rotation in degrees; shift, shear and zoom as shares of the side; flip mirrors half of the images;
    contrast and brightness as shares of the grey range; noise as the largest standard deviation, same unit.
    """

    rotation: Annotated[float, Field(ge=0, le=180)]
    shift: Share
    shear: Share
    zoom: Share
    flip: bool
    contrast: Share
    brightness: Share
    noise: Share


class ModelParams(Section):
    """The architecture, by name, with the sizes that may be chosen."""

    name: Literal["small-cnn"]
    filters: Annotated[tuple[Positive, ...], Field(min_length=1)]
    dense: Positive
    dropout: Share


class TrainParams(Section):
    """How the model is trained; the epoch with the best validation AUC is kept."""

    seed: int
    epochs: Positive
    batch: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    patience: Positive
    class_weights: bool


class ThresholdParams(Section):
    """How the threshold is chosen on validation.

    rule `youden` maximises sensitivity + specificity - 1; `sensitivity` and `specificity` reach `minimum`.
    refer_error: outside the refer band at most this share of validation images is answered wrongly.
    """

    rule: Literal["youden", "sensitivity", "specificity"]
    minimum: Share
    refer_error: Share


class GateParams(Section):
    """One thing that must be proven before a release."""

    metric: Metric
    split: Literal["test", "external"]
    bound: Literal["point", "low"]
    minimum: Share


class ServeParams(Section):
    """What the service does: the share of validation images, the least familiar, that it would refuse."""

    refuse: Share


class Recipe(Section):
    """One task, whole."""

    title: str
    phantom: PhantomParams | None = None
    source: SourceParams
    external: SourceParams | None
    labels: LabelParams
    split: SplitParams
    checks: ChecksParams
    image: ImageParams
    augment: AugmentParams
    model: ModelParams
    train: TrainParams
    threshold: ThresholdParams
    gates: tuple[GateParams, ...]
    serve: ServeParams
