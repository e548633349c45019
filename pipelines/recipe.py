"""What a recipe may hold: every number of one task, in typed and frozen sections that know no default."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.recipe_checks import ChecksParams
from pipelines.recipe_evaluation import CardParams, GateParams, MeasureParams, ThresholdParams
from pipelines.recipe_models import ModelParams
from pipelines.recipe_monitor import MonitorParams
from pipelines.recipe_sources import SourceParams
from pipelines.section import Positive, Section, Share, Split


class PhantomParams(Section):
    """Phantom chest films to draw; only recipes whose data are drawn have this section."""

    seed: int
    size: Annotated[int, Field(ge=32)]
    patients: Positive
    external_patients: Positive
    films: Positive
    pneumonia: Share


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
    """How the images of the home source are split, in parts: 70, 15, 15 or 0.7, 0.15, 0.15.

    `keep` names the publisher's splits that stay as they are. All other patients are dealt to the other splits in
    proportion; a patient's split follows from the seed and the patient's name alone.
    """

    keep: tuple[Split, ...]
    train: Annotated[float, Field(gt=0)]
    val: Annotated[float, Field(gt=0)]
    test: Annotated[float, Field(gt=0)]
    seed: int

    def share(self, split: Split) -> float:
        """Expected share of the home source."""
        return float(getattr(self, split) / (self.train + self.val + self.test))


class AlikeParams(Section):
    """When two pictures are taken for one: perceptual hashes that differ in at most `hash_bits` of 64, and grey levels
    at 16 x 16 whose correlation is at least `correlation`.
    """

    hash_bits: Annotated[int, Field(ge=0, le=16)]
    correlation: Annotated[float, Field(ge=0.9, le=1)]


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


class HeadParams(Section):
    """The first phase of transfer learning: the dense layers alone, on features that the frozen rest gave once.

    views: augmented views of each training image whose features are kept, one an epoch in turn; 0 for the plain image.
    """

    epochs: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    views: Annotated[int, Field(ge=0)]


class TrainParams(Section):
    """How the model is trained.

    seed: of weights, order and augmentation.
    batch: images a step, over all devices together.
    head: a first phase with the rest frozen, or null; in the second, batch normalisation stays as it came.
    schedule: the learning rate rises over the share `warm_up` of all steps, then falls with the cosine, is divided by 5
        whenever half of `patience` epochs brought nothing, or stays.
    weight_decay: decoupled (Loshchilov and Hutter 2019); 0 is plain Adam.
    clip_norm: largest norm of the whole gradient, or null.
    label_smoothing: share of the target that is spread over all classes.
    balance: rarer classes as they are, with larger weights, or drawn as often as the largest.
    monitor: the validation figure whose best epoch is kept; training stops `patience` epochs after it.
    precision: of the layers' arithmetic; weights stay float32, and so does the exported model.
    jit: compile the step with XLA (or TorchInductor).
    devices: one, all GPUs of this machine, or the workers that TF_CONFIG names.
    """

    seed: int
    batch: Positive
    head: HeadParams | None
    epochs: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["cosine", "plateau", "constant"]
    warm_up: Share
    weight_decay: Annotated[float, Field(ge=0)]
    clip_norm: Annotated[float, Field(gt=0)] | None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    balance: Literal["none", "weights", "oversample"]
    monitor: Literal["auc", "accuracy", "loss"]
    patience: Positive
    precision: Literal["float32", "bfloat16", "float16"]
    jit: bool
    devices: Literal["one", "all", "workers"]


class ServeParams(Section):
    """What the service does, and what it is given.

    refuse: share of validation images, the least familiar, that it would refuse.
    layout: whether an image counts as unfamiliar also for how light and dark lie in it as a whole. That tells inverted
        and turned images, and leans less on features that differ between hospitals; but where all training images are
        framed alike, those of a hospital that frames them otherwise are refused.
    precision: of the model file. int8 calculates its convolutions in eight bits: faster, and a little less exact;
        threshold, refer band and gates then are those of the eight-bit file.
    reference: where the films come from that travel inside the bento and are answered at every start. Those of
        `validation` leave the house with it: only where they may be given away. `phantom` films are drawn.
    """

    refuse: Share
    layout: bool
    precision: Literal["float32", "int8"]
    reference: Literal["validation", "phantom"]


class Recipe(Section):
    """One task, whole."""

    title: str
    phantom: PhantomParams | None = None
    source: SourceParams
    external: SourceParams | None
    labels: LabelParams
    split: SplitParams
    alike: AlikeParams
    checks: ChecksParams
    image: ImageParams
    augment: AugmentParams
    model: ModelParams
    train: TrainParams
    threshold: ThresholdParams
    gates: tuple[GateParams, ...]
    measure: MeasureParams
    serve: ServeParams
    monitor: MonitorParams
    card: CardParams
