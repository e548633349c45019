"""Decisions, probabilities and figures in words."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from serving.client import AskError, Prediction
from serving.page.films import Film, Tray

TONES = ("positive", "negative", "refer", "refused")
MARKS = {"positive": "▲", "negative": "▽", "refer": "◆", "refused": "⊘", "class": "●", "failed": "!", "waiting": "…"}
HINTS = {
    "key": "Set FILMGATE_API_KEY where this page is started, and start it again.",
    "away": "The page looks for it every few seconds and goes on by itself.",
}
SPLITS = {"test": "Test films, put aside before training", "external": "Films of a second hospital"}
FIGURES = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity", "accuracy": "Accuracy"}
CHANCE = 0.5  # AUC of a guess


def tone(prediction: Prediction) -> str:
    """How a decision is drawn: one of `positive`, `negative`, `refer`, `refused`, or `class` with many classes."""
    return prediction.decision if prediction.decision in TONES else "class"


def decision_in_words(prediction: Prediction) -> tuple[str, str]:
    """A headline and a sentence for a decision."""
    known = {
        "positive": (f"Positive: {prediction.label}", "The probability reaches the threshold."),
        "negative": (f"Negative: {prediction.label}", "The probability stays below the threshold."),
        "refer": (
            "Refer: a person should read this film",
            "The probability lies where the model was not reliable on validation films.",
        ),
        "refused": (
            "Refused: not the kind of image that the model knows",
            "It is unlike the films that the model was trained on.",
        ),
    }
    title, words = known.get(prediction.decision, (prediction.decision, "This is the most probable class."))
    if prediction.decision == "refused":
        words = f"{prediction.reason or words} The probability below means nothing."
    return title, words


def badge(film: Film) -> str:
    """A film's state in one or two words."""
    if film.answer is None:
        return {"waiting": "Waiting", "reading": "Being read", "failed": "No answer"}.get(film.state, "")
    return film.answer.decision.capitalize() if tone(film.answer) != "class" else film.answer.decision


def sentence(film: Film) -> str:
    """A film's state in a sentence, as it is read aloud."""
    if film.state == "failed":
        return str(film.fault)
    if film.answer is None:
        return f"{badge(film)}."
    title, _ = decision_in_words(film.answer)
    return f"{title}. Probability {shown(film.answer.probability)}."


def progress(tray: Tray, now: float) -> str:
    """What is going on, in a sentence; empty where nothing is.

    Args:
        now: by the clock of `time.monotonic`.
    """
    film = tray.reading
    if film is None:
        return ""
    seconds = int(now - film.began)
    many = f"Film {tray.number(film)} of {len(tray.films)}" if len(tray.films) > 1 else "The film"
    waited = f" It has been waited for {seconds} seconds." if seconds >= 3 else ""
    doing = "is being read" if film.answer is None else "is being drawn"
    return f"{many} {doing}: {film.name}.{waited} {film.word}".strip()


def fault_in_words(fault: AskError) -> str:
    """What went wrong, and what helps."""
    return f"{fault} {HINTS.get(fault.kind, '')}".strip()


def familiarity_in_words(familiarity: float) -> str:
    """How usual the film is, for people."""
    share = f"{familiarity:.0%} of the validation films were at least as unusual."
    if familiarity >= 0.25:
        return f"A usual film: {share}"
    if familiarity >= 0.05:
        return f"A somewhat unusual film: {share}"
    if familiarity < 0.0005:
        return "A very unusual film: none of the validation films was as unusual."
    return f"A very unusual film: {familiarity:.1%} of the validation films were at least as unusual."


def shown(probability: float) -> str:
    """A probability with three decimals that never claims certainty."""
    return "< 0.001" if probability < 0.001 else "> 0.999" if probability > 0.999 else f"{probability:.3f}"


def refer_edges(card: Mapping[str, Any], threshold: float) -> tuple[float, float]:
    """Where the refer band begins and ends in [0, 1]; both at the threshold where there is none."""
    low, high = card.get("refer") or (threshold, threshold)
    return max(0.0 if low is None else low, 0.0), min(1.0 if high is None else high, 1.0)


def scale_in_words(prediction: Prediction, card: Mapping[str, Any]) -> str:
    """What the drawn scale shows, for those who do not see it."""
    threshold = float(prediction.threshold or 0)
    low, high = refer_edges(card, threshold)
    band = f" Refer band {low:.3f} to {high:.3f}." if low < high else ""
    return (
        f"Probability of {card['labels']['positive']}: {shown(prediction.probability)} on a scale from 0 to 1. "
        f"Threshold {threshold:.3f}.{band}"
    )


def figure(found: Mapping[str, Any], name: str) -> str:
    """A measured figure with its 95 % interval; a dash where it was not measured."""
    value, low, high = (found.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return "–"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


def flags(card: Mapping[str, Any]) -> list[str]:
    """What must be known of the model before an answer is believed, a sentence each."""
    said = [str(flag) for flag in released(card).get("flags") or ()]
    if any("chance" in flag for flag in said):
        return said
    guessed = [name for name, found in tested(card).items() if (found.get("auc_low") or 1.0) <= CHANCE]
    where = {"test": "on its own test films", "external": "at the second hospital"}
    return said + [
        f"Not proven to be better than chance {where.get(name, f'on {name}')}: AUC {figure(tested(card)[name], 'auc')}."
        for name in guessed
    ]


def released(card: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says of the release: `date`, `tested`, `flags` and `about`; nothing in a card of before."""
    return dict(card.get("released") or {})


def tested(card: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What was measured before the release, by split; empty where the card does not say."""
    return dict(released(card).get("tested") or {})


def moment(at: datetime, zone: tzinfo | None) -> str:
    """A date and a time of day, in a time zone."""
    there = at.astimezone(zone)
    return f"{there.day} {there:%B %Y}, {there:%H:%M} ({there:%Z})"
