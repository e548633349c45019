"""What makes a bento the released one: the hash of each of its files, and films that it must answer as at its release.

The hashes stand beside the code, in `serving/released.json`; the films with their answers lie beside the model. Both
are checked at every start, so that a changed weight, another model's card, or a library that calculates differently
stops the service before it says a word.
"""

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.card import sha256
from pipelines.errors import ImageError, ReleaseError
from serving.runtime import Predictor
from serving.settings import Settings

FILE, ABOUT = "reference.json", "about.json"
AGAIN = "Take the bento from its release again."
LARGEST_DIFFERENCE = 1e-3  # of a probability, between two machines


@dataclass(frozen=True)
class Example:
    """A film that travels with the model.

    Args:
        name: of its file.
        label: what it shows.
        film: the bytes of a picture file.
        answer: what the released model said of it, as the HTTP contract writes it.
    """

    name: str
    label: str
    film: bytes
    answer: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """What the service tells of it."""
        film = base64.b64encode(self.film).decode()
        return {"name": self.name, "label": self.label, "film": film, "answer": self.answer}


@dataclass(frozen=True)
class Note:
    """What `serving/released.json` says: the tag of the model, and the SHA-256 of each of its files by name."""

    model: str
    files: dict[str, str]


@dataclass(frozen=True)
class Released:
    """A model that was proven to be the released one.

    Args:
        card: what the service tells of it: its card, and under `released` what its release says.
    """

    predictor: Predictor
    examples: list[Example]
    card: dict[str, Any]


def read_note(note: Path) -> Note:
    """What was released with this code.

    Raises:
        ReleaseError: this is no bento.
    """
    try:
        values = json.loads(note.read_text(encoding="utf-8"))
        return Note(str(values["model"]), dict(values["files"]))
    except FileNotFoundError:
        raise ReleaseError(f"There is no {note}. Serve a released bento: python -m serving.serve.") from None
    except (ValueError, TypeError, KeyError):
        raise ReleaseError(f"{note} does not say what was released. {AGAIN}") from None


def released(folder: Path, note: Note, limits: Settings) -> Released:
    """Open a model and prove it.

    Raises:
        ReleaseError: a file of it is missing or was changed, or a reference film is answered differently.
    """
    verify_files(folder, note.files)
    predictor, films = Predictor(folder, limits.threads, limits.device, limits.max_pixels), examples(folder)
    verify_answers(predictor, films)
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return Released(predictor, films, {**predictor.card.model_dump(mode="json"), "released": about})


def verify_files(folder: Path, expected: Mapping[str, str]) -> None:
    """Hold the files of a model against their hashes.

    Raises:
        ReleaseError: one is missing, or is not the released one.
    """
    for name, digest in expected.items():
        if not (folder / name).is_file():
            raise ReleaseError(f"There is no {folder / name}, which was released. {AGAIN}")
        if (found := sha256(folder / name)) != digest:
            raise ReleaseError(f"{folder / name} has SHA-256 {found[:12]}, released was {digest[:12]}. {AGAIN}")


def examples(folder: Path) -> list[Example]:
    """The films of a model folder.

    Raises:
        ReleaseError: they cannot be read.
    """
    try:
        entries = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = [
            Example(entry["name"], entry["label"], (folder / entry["name"]).read_bytes(), entry["answer"])
            for entry in entries
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReleaseError(f"The reference films of {folder} cannot be read ({error!r}). {AGAIN}") from None
    if not found:
        raise ReleaseError(f"{folder} has no reference film, so that nothing proves its answers. {AGAIN}")
    return found


def verify_answers(predictor: Predictor, films: Sequence[Example]) -> None:
    """Let a model answer its reference films.

    Raises:
        ReleaseError: it says something else than at its release.
    """
    for example in films:
        try:
            said = predictor.predict(example.film)
        except ImageError as error:
            raise ReleaseError(f"The reference film {example.name} cannot be read ({error}) {AGAIN}") from None
        if (fault := difference(said, example.answer)) is not None:
            raise ReleaseError(
                f"The reference film {example.name} is answered differently: {fault}. Serve with the packages that the "
                "bento names, or release the model again for this machine."
            )


def difference(said: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    """How an answer differs from the expected one, beyond what two machines may; None if it does not."""
    if said["model"] != expected["model"]:
        return f"model {said['model']['version']} in place of {expected['model']['version']}"
    for label, probability in expected["probabilities"].items():
        found = said["probabilities"].get(label)
        if found is None or not abs(found - probability) <= LARGEST_DIFFERENCE:
            return f"probability of {label} {found} in place of {probability:.6f}"
    if (said["decision"] == "refused") != (expected["decision"] == "refused"):
        return f"decision {said['decision']} in place of {expected['decision']}"
    return None


def write(folder: Path, films: Sequence[Mapping[str, str]], each: int) -> None:
    """Let a model answer films, and put both beside it: of each label the first that it calls rightly.

    Args:
        folder: with `model.onnx` and `card.json`.
        films: `path`, `name` and `label` of each.
        each: films of a label.
    """
    predictor = Predictor(folder)
    answers = [predictor.predict(Path(film["path"]).read_bytes()) for film in films]
    called = {"positive", "negative", *predictor.card.labels.names}
    right = [
        answer["label"] == film["label"] and answer["decision"] in called
        for film, answer in zip(films, answers, strict=True)
    ]
    entries = []
    for label in dict.fromkeys(film["label"] for film in films):
        places = [place for place, film in enumerate(films) if film["label"] == label]
        for place in sorted(places, key=lambda place: not right[place])[:each]:
            film = films[place]
            shutil.copyfile(film["path"], folder / film["name"])
            entries.append({"name": film["name"], "label": label, "answer": answers[place]})
    (folder / FILE).write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
