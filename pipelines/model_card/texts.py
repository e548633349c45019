"""What data, recipe and the model's own card say of the items of a model card, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.card import Card
from pipelines.evaluation.figures_text import chance, percent, words
from pipelines.evaluation.sentences import promise
from pipelines.model_card.tables import Metrics, number, with_interval
from pipelines.recipe import AugmentParams, SourceParams, SplitParams, TrainParams
from pipelines.section import Split

SPLITS: tuple[Split, ...] = ("train", "val", "test")
FITS = {"pad": "padded with black to the same shape", "stretch": "stretched", "crop": "cropped around its middle"}
BALANCE = {
    "none": "Classes count as often as they occur.",
    "weights": "Images of rarer classes weigh more in the loss, so that all classes together weigh the same.",
    "oversample": "Images of rarer classes are drawn as often as those of the largest.",
}
MONITORS = {"auc": "AUC", "accuracy": "accuracy", "loss": "loss"}
FLOW = (
    "Images that were counted are those left after the checks; `checks/quarantine.csv` names each one that was put "
    "aside, and why."
)
COUNTED = (
    "On images that had no part in training, nor in the choice of epoch and threshold. In brackets the 95 % interval "
    "over patients, and n where a figure is not of all images. Every image counts as its probability alone calls it, "
    "also where an answer would be left to a person, or refused."
)
FEW = "Few: fewer than 20 positive or negative images (with more than two classes: 20 images), which say little."
PREVALENCE = "What an answer is worth where positive images are rarer or more frequent than here, by Bayes' rule:"
FAILURES = (
    "`failures.html` of the evaluation shows the images called wrongly, the most confident errors first, with "
    "heatmap and nearest training images; `suspects.csv` names the labels that may be wrong, `probabilities.parquet` "
    "every image."
)


def joined(*parts: str) -> str:
    """Paragraphs of Markdown, empty ones left out."""
    return "\n\n".join(part for part in parts if part)


def purpose(card: Card) -> str:
    """What the model tells apart."""
    if card.labels.positive is None:
        return f"An image classifier (deep learning) that tells {_listed(card.labels.names)} apart."
    other = card.labels.names[1 - card.labels.positive_index]
    return f"An image classifier (deep learning) that tells {card.labels.positive} (positive) from {other} (negative)."


def source(home: SourceParams, external: SourceParams | None) -> str:
    """Where images come from."""
    said = f"Trained and tested on images of `{home.site}` ({_kind(home)})."
    if external is None:
        return f"{said} No second site."
    return f"{said} Tested, and never trained, on images of `{external.site}` ({_kind(external)})."


def splits(split: SplitParams) -> str:
    """How images were dealt to the splits."""
    dealt = {name: split.share(name) for name in SPLITS if name not in split.keep}
    shares = ", ".join(f"{name} {percent(share / sum(dealt.values()))}" for name, share in dealt.items())
    kept = f"The publisher's {_listed(split.keep)} images stay as they are." if split.keep else ""
    if not dealt:
        return kept
    who = f"{kept} All other patients" if kept else "Patients"
    return (
        f"{who} are dealt to {shares} by a hash of seed ({split.seed}) and name, all images of a patient to the same "
        "split. An image whose patient is not known counts as a patient of its own."
    )


def missing(people: Metrics) -> str:
    """Of how many measured images view, sex and age are not known."""
    gaps = []
    for split, one in people.items():
        lacking = [f"{name} of {number(count)}" for name, count in one["missing"].items() if count]
        if lacking:
            gaps.append(f"on {split} {', '.join(lacking)} of {number(one['images'])} images")
    if not gaps:
        return "None: view, sex and age of every measured image are known."
    return (
        f"Not known: {'; '.join(gaps)}. No value was filled in. The model sees the image alone, so such images count "
        "in all figures."
    )


def preprocessing(card: Card) -> str:
    """How a picture becomes the model's input."""
    image = card.image
    colour = "grey" if image.channels == 1 else "RGB"
    levels = "Its histogram is equalized. " if image.levels == "equalized" else ""
    return (
        f"A JPEG, PNG or DICOM image of any size is turned {colour}, {FITS[image.fit]} and resized to "
        f"{image.width} x {image.height} pixels. {levels}Training and service run the same code."
    )


def output(card: Card) -> str:
    """Shapes of input and output."""
    image = card.image
    return (
        f"Input: {image.width} x {image.height} pixels, {image.channels} channel{'s' if image.channels > 1 else ''}, "
        f"8 bits. Output: a probability for {_listed(card.labels.names)}, a decision, a heatmap, and how familiar the "
        "image is."
    )


def architecture(facts: Mapping[str, Any]) -> str | None:
    """The network and its size."""
    told = facts.get("training", {})
    if "architecture" not in told:
        return None
    size = f", {number(told['parameters'])} parameters" if "parameters" in told else ""
    said = f"`{told['architecture']}`{size}.{_precision(facts)}"
    return f"{said} Its layers and formulas are in the report of the evaluation."


def training(augment: AugmentParams, train: TrainParams) -> str:
    """How it was trained, augmentation included."""
    head = ""
    if train.head is not None:
        head = f"First the dense layers alone, {train.head.epochs} epochs at {train.head.learning_rate:g}. "
    changes = [f"{name} {value:g}" for name, value in augment.model_dump().items() if value and name != "flip"]
    changes += ["mirrored at random"] if augment.flip else []
    changed = f"Images are changed at random, at most: {', '.join(changes)}." if changes else "Images stay as they are."
    return (
        f"{head}Cross-entropy; AdamW, learning rate {train.learning_rate:g} ({train.schedule}), weight decay "
        f"{train.weight_decay:g}, {train.batch} images a step, at most {train.epochs} epochs, {train.precision}, seed "
        f"{train.seed}. {changed}"
    )


def chosen(card: Card, train: TrainParams) -> str:
    """Which epoch was kept, and what it reached on validation."""
    said = f"The epoch with the best {MONITORS[train.monitor]} on validation"
    told = card.facts.get("training", {})
    if "best_epoch" in told:
        said += f": epoch {told['best_epoch']} of {told['epochs']}"
    reached = [
        f"{words(name)} {number(told[key])}" for name in ("auc", "accuracy") if (key := f"validation_{name}") in told
    ]
    return f"{said} ({', '.join(reached)} on validation)." if reached else f"{said}."


def software(facts: Mapping[str, Any]) -> str | None:
    """Libraries of training; release.json names all."""
    if not (known := facts.get("software")):
        return None
    return f"{', '.join(f'{name} {release}' for name, release in known.items())}. All versions: `release.json`."


def threshold(card: Card) -> str:
    """From where on an image is positive, how that was chosen, and what it promises."""
    if card.threshold is None:
        return f"None: the answer is the most probable of {_listed(card.labels.names)}."
    said = f"Positive from a probability of {number(card.threshold)} on, chosen on validation images alone."
    return " ".join([said, _band(card), *promise(card)])


def referred(card: Card, metrics: Metrics) -> str:
    """How many images are left to a person, or refused."""
    counts = [
        f"on {split} {number(one['referred'])} referred and {number(one['refused'])} refused of {number(one['n'])}"
        for split, one in metrics.items()
        if "referred" in one
    ]
    if not counts:
        return ""
    kinds = (
        "Refused as unusual" if card.threshold is None else "Referred, as they lie in the band, or refused as unusual"
    )
    return f"{kinds}: {'; '.join(counts)}."


def familiarity(card: Card) -> str:
    """Which images are refused."""
    layout = " and of its grey levels at 16 x 16" if card.facts.get("layout") else ""
    limits = "" if card.limits is None else " So is one whose colour, contrast or brightness no training image had."
    return (
        f"An image is refused that is as unusual as the {percent(card.familiarity.refuse)} least familiar validation "
        f"images (Mahalanobis distance of its features{layout}).{limits}"
    )


def external(metrics: Metrics) -> str:
    """Whether it was tested elsewhere."""
    if "external" not in metrics:
        return "None. It was never measured on images of another hospital: expect it to be worse there."
    found = metrics["external"]
    auc = f"AUC {with_interval(found, 'auc')}" if found.get("auc") is not None else "see the figures"
    return f"{number(found['n'])} images of a second hospital, none of them trained on: {auc}."


def counted(card: Card) -> str:
    """Of which images the figures are."""
    many = (
        " Sensitivity and the like are means over the classes, each against the rest." if card.threshold is None else ""
    )
    return COUNTED + many


def worst(metrics: Metrics) -> str:
    """The subgroup of each split that fares worst."""
    said = []
    for split, values in metrics.items():
        if one := values.get("worst"):
            few = ", too few to be sure" if one.get("small") else ""
            said.append(
                f"Worst on {split}: **{one['by']} {one['group']}**, {words(one['metric'])} {number(one['value'])} "
                f"(n {number(one['n'])}{few})."
            )
    return " ".join(said)


def calibration(card: Card, metrics: Metrics) -> str:
    """Whether its probabilities can be taken at their word."""
    found = [
        f"{split} {with_interval(values, 'ece')}" for split, values in metrics.items() if values.get("ece") is not None
    ]
    if not found:
        return ""
    temperature = card.facts.get("operating_point", {}).get("temperature")
    scaled = (
        f" Probabilities are scaled by a temperature of {number(temperature)} (Guo et al. 2017)." if temperature else ""
    )
    return (
        f"Mean difference between stated probability and observed share (expected calibration error; 0 is best): "
        f"{'; '.join(found)}.{scaled}"
    )


def again(card: Card) -> str:
    """How to compute every figure again."""
    folder = f"data/{card.recipe}/evaluation"
    return (
        f"Every figure follows from `{folder}/probabilities.parquet`:\n\n"
        f"```\npython -m pipelines.recompute --evaluation {folder}\n```\n\n"
        f"From the raw images: `dvc repro package@{card.recipe}`."
    )


def limits(card: Card, metrics: Metrics, gates: Sequence[Mapping[str, Any]]) -> str:
    """What follows from what the model is and what was measured, as a list."""
    said = [
        *(f"**{sentence}**" for sentence in chance(metrics, gates)),
        "It knows the classes above alone; whatever else an image shows goes unmentioned.",
        "A heatmap shows where the model looked. It does not show where a lesion ends, nor that there is one.",
    ]
    if "external" in metrics:
        said.append("Images of hospitals and devices other than those measured here may be answered worse.")
    else:
        said.append("It was never measured on images of another hospital: expect it to be worse there.")
    if card.threshold is not None:
        said.append("Where positive images are rarer or more frequent than in its data, its probabilities are off.")
    return "\n".join(f"- {one}" for one in said)


def _precision(facts: Mapping[str, Any]) -> str:
    """That the file calculates in eight bits, and what that changes; nothing where it does not."""
    if facts.get("precision") != "int8":
        return ""
    lost = facts["quantisation"]
    return (
        " The file calculates its convolutions in eight bits; on validation its probabilities differ from those in "
        f"single precision by {number(lost['probability'])} on average, by {number(lost['largest'])} at most. "
        "Threshold and figures are those of this file."
    )


def _band(card: Card) -> str:
    if card.refer is None:
        return "No image is referred to a person: on validation it was reliable at every probability."
    low, high = max(card.refer[0], 0.0), min(card.refer[1], 1.0)
    return (
        f"Between {number(low)} and {number(high)}, the refer band, an image is left to a person: it was not reliable "
        "there on validation."
    )


def _listed(names: Any) -> str:
    return ", ".join(names)


def _kind(one: SourceParams) -> str:
    kinds = {"folder": "image files", "dicom": "DICOM files", "idx": "idx files", "npz": "a NumPy archive"}
    table = getattr(one, "table", None)
    described = f", described by `{table.file}`" if table else ""
    return f"{kinds.get(one.kind, 'batches of CIFAR-10')}{described}"
