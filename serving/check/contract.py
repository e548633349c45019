"""What the service promises to answer, key by key: the HTTP contract as one who only asks can see it."""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from serving.check.live import FOREIGN, CheckError

Test = Callable[[Any], bool]
DECISIONS = ("positive", "negative", "refer", "refused")
OLDER = "Serve a release of this version of filmgate, or check with the version that released it."
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def text(value: Any) -> bool:
    """A string that says something."""
    return isinstance(value, str) and bool(value.strip())


def share(value: Any) -> bool:
    """A number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def shares(value: Any) -> bool:
    """Probabilities by label, which add up to 1."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(text(name) and share(number) for name, number in value.items())
        and abs(sum(value.values()) - 1) < 1e-3
    )


def mapping(value: Any) -> bool:
    """A JSON object."""
    return isinstance(value, dict)


def model(value: Any) -> bool:
    """A recipe, a version and a SHA-256."""
    return mapping(value) and all(text(value.get(name)) for name in ("recipe", "version", "sha256"))


def labels(value: Any) -> bool:
    """The names of two classes or more."""
    names = value.get("names") if mapping(value) else None
    return isinstance(names, list) and len(names) > 1 and all(map(text, names))


def or_null(test: Test) -> Test:
    """The same, or null."""

    def tested(value: Any) -> bool:
        return value is None or test(value)

    tested.__doc__ = f"{str(test.__doc__).rstrip('.')}, or null."
    return tested


PREDICTION: dict[str, Test] = {
    "label": text,
    "probability": share,
    "probabilities": shares,
    "threshold": or_null(share),
    "decision": text,
    "familiarity": share,
    "reason": or_null(text),
    "model": model,
    "notice": text,
}
CARD: dict[str, Test] = {
    "recipe": text,
    "title": text,
    "version": text,
    "sha256": text,
    "labels": labels,
    "image": mapping,
    "threshold": or_null(share),
    "familiarity": mapping,
    "facts": mapping,
    "released": mapping,
}


def hold(said: Any, promised: Mapping[str, Test], what: str) -> None:
    """Hold an answer against what is promised of its keys; more than those may be there.

    Raises:
        CheckError: a key is missing, or its value is of another kind.
    """
    if not mapping(said):
        raise CheckError(f"{what} is a JSON {type(said).__name__}", "an object", FOREIGN)
    for key, test in promised.items():
        kind = str(test.__doc__).rstrip(".")
        if key not in said:
            raise CheckError(f"{what} has no {key}", kind[0].lower() + kind[1:], OLDER)
        if not test(said[key]):
            raise CheckError(f"{key} of {what} is {_short(said[key])}", kind[0].lower() + kind[1:], OLDER)


def prediction(said: Any, what: str) -> dict[str, Any]:
    """An answer on a film, proven to be one.

    Raises:
        CheckError: it is none, or contradicts itself.
    """
    hold(said, PREDICTION, what)
    answer: dict[str, Any] = said
    decisions = DECISIONS if answer["threshold"] is not None else (answer["label"], "refused")
    if answer["decision"] not in decisions:
        raise CheckError(f"decision of {what} is {_short(answer['decision'])}", f"one of {', '.join(decisions)}", OLDER)
    if (answer["decision"] == "refused") != (answer["reason"] is not None):
        expected = "a sentence where a film is refused, else null"
        raise CheckError(
            f"reason of {what}, which is {answer['decision']}, is {_short(answer['reason'])}", expected, OLDER
        )
    if answer["label"] not in answer["probabilities"]:
        raise CheckError(f"label of {what} is {_short(answer['label'])}", "one that has a probability", OLDER)
    if answer["probability"] not in answer["probabilities"].values():
        raise CheckError(f"probability of {what} is none of its probabilities", "one of them", OLDER)
    return answer


def refusal(said: Any, what: str) -> str:
    """The sentence of a refusal.

    Raises:
        CheckError: it has another form.
    """
    if not (mapping(said) and list(said) == ["error"] and text(said["error"]) and said["error"].endswith(".")):
        raise CheckError(f"{what} says {_short(said)}", '{"error": a sentence}', FOREIGN)
    return str(said["error"])


def png_size(content: bytes, what: str) -> tuple[int, int]:
    """Width and height of a PNG picture.

    Raises:
        CheckError: it is none.
    """
    if content[:8] != SIGNATURE or len(content) < 24:
        raise CheckError(f"{what} begins with {content[:8]!r}", "a PNG picture", FOREIGN)
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _short(value: Any) -> str:
    """A value as it may stand in a line."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
