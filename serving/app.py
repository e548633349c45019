"""The web page: a film goes in; its probability, the decision in words and its heatmap come out.

`streamlit run serving/app.py`. The page is a customer of the HTTP service at FILMGATE_SERVICE and knows nothing else.
"""

import base64
import io
import os
import sys
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

if __name__ == "__main__":  # `streamlit run` looks for modules beside this file alone
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines.errors import ServiceError
from serving.client import LOCAL, NOTICE, Client, Prediction

PAGE = Path(__file__).with_name("page")
WIDEST = 1400  # pixels of a film on the page


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="filmgate", page_icon=PAGE / "icon.png", layout="wide")
    st.html(PAGE / "style.css")
    st.html(f'<div class="fg-notice" role="note">{NOTICE}</div>')
    with Client(os.environ.get("FILMGATE_SERVICE", LOCAL)) as client:
        try:
            card = client.card()
        except ServiceError as error:
            _down(str(error))
            return
        _head(card)
        upload = st.file_uploader("A film, as JPEG, PNG or DICOM", help="It is sent to the service and kept nowhere.")
        if upload is not None:
            _answer(client, card, upload.getvalue())


def _down(sentence: str) -> None:
    st.html('<div class="fg-head"><h1>filmgate</h1></div>')
    st.error(sentence, icon=":material/cloud_off:")
    st.button("Try again")


def _head(card: dict[str, Any]) -> None:
    st.html(
        f'<div class="fg-head"><h1>{escape(card["title"])}</h1>'
        f"<p>Model {escape(card['recipe'])}, version {escape(card['version'])}</p></div>"
    )


def _answer(client: Client, card: dict[str, Any], film: bytes) -> None:
    try:
        with st.spinner("The film is being read"):
            prediction = client.predict(film)
            pictures = {"film": _for_page(client.explain(film, 0.0)), "heat": _for_page(client.explain(film, 1.0))}
    except ServiceError as error:
        st.error(str(error), icon=":material/error:")
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _viewer()(data=pictures, key="viewer")
    with right:
        st.html(answer_panel(prediction, card))


def _viewer() -> Any:
    html, css, js = ((PAGE / f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return st.components.v2.component("filmgate_viewer", html=html, css=css, js=js)


def _for_page(png: bytes) -> str:
    """A picture as a JPEG address, no larger than the page shows it."""
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((WIDEST, WIDEST))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=92)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def answer_panel(prediction: Prediction, card: dict[str, Any]) -> str:
    """The answer as HTML: decision, probability with threshold and refer band, familiarity, model."""
    title, words = decision_in_words(prediction)
    kind = prediction.decision if prediction.decision in ("positive", "negative", "refer", "refused") else "negative"
    drawn = class_bars(prediction) if prediction.threshold is None else probability_bar(prediction, card)
    model = f"{prediction.model['recipe']}, version {prediction.model['version']}"
    return (
        f'<div class="fg-answer fg-{kind}"><h2>{escape(title)}</h2><p>{escape(words)}</p>{drawn}'
        f'<div class="fg-facts"><h3>Familiarity</h3><p>{escape(familiarity_in_words(prediction.familiarity))}</p>'
        f"<h3>Model</h3><p>{escape(model)}</p></div></div>"
    )


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
            "It is unlike the films that the model was trained on, so that the probability below means nothing.",
        ),
    }
    return known.get(prediction.decision, (prediction.decision, "This is the most probable class."))


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


def probability_bar(prediction: Prediction, card: dict[str, Any]) -> str:
    """The probability on a line from 0 to 1, with the threshold and the refer band."""
    positive, threshold = str(card["labels"]["positive"]), float(prediction.threshold or 0)
    low, high = refer_edges(card, threshold)
    band = f'<i class="fg-band" style="left:{low:.2%};width:{high - low:.2%}"></i>' if low < high else ""
    key = f'<span><i class="fg-band"></i>refer band {low:.3f} to {high:.3f}</span>' if low < high else ""
    return (
        f'<div class="fg-figure"><strong>{shown(prediction.probability)}</strong>'
        f"<span>probability of {escape(positive)}</span></div>"
        f'<div class="fg-bar"><i class="fg-over" style="left:{high:.2%};right:0"></i>{band}</div>'
        f'<div class="fg-scale"><i style="left:{threshold:.2%}"></i><b style="left:{prediction.probability:.2%}"></b>'
        '<span style="left:0">0</span><span style="right:0">1</span></div>'
        f'<div class="fg-key"><span><i class="fg-dot"></i>this film</span>'
        f'<span><i class="fg-tick"></i>threshold {threshold:.3f}</span>{key}</div>'
    )


def refer_edges(card: dict[str, Any], threshold: float) -> tuple[float, float]:
    """Where the refer band begins and ends in [0, 1]; both at the threshold where there is none."""
    low, high = card["refer"] or (threshold, threshold)
    return max(0.0 if low is None else low, 0.0), min(1.0 if high is None else high, 1.0)


def class_bars(prediction: Prediction) -> str:
    """The probability of every class, the highest first."""
    rows = sorted(prediction.probabilities.items(), key=lambda row: -row[1])
    cells = (
        f'<span>{escape(label)}</span><div><i style="width:{chance:.2%}"></i></div><span>{shown(chance)}</span>'
        for label, chance in rows
    )
    return f'<div class="fg-rows">{"".join(cells)}</div>'


def shown(probability: float) -> str:
    """A probability with three decimals that never claims certainty."""
    return "< 0.001" if probability < 0.001 else "> 0.999" if probability > 0.999 else f"{probability:.3f}"


if __name__ == "__main__":
    main()
