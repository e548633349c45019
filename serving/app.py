"""The web page: films go in; the probability of each, the decision in words and its heatmap come out.

`streamlit run serving/app.py`. The page is a customer of the HTTP service and knows nothing else. Its environment says:

    FILMGATE_SERVICE   address of the service; by default that of `make serve`
    FILMGATE_API_KEY   the key, where the service asks for one
    FILMGATE_TIMEOUT   seconds to wait for an answer; by default 30
"""

import os
import sys
from pathlib import Path

import streamlit as st

if __name__ == "__main__":  # `streamlit run` looks for modules beside this file alone
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from serving.client import LOCAL, AskError, Client
from serving.page import screen
from serving.page.films import Tray
from serving.page.reading import Reader, keep_card

SOON = 5.0  # seconds to wait for the card, which the page cannot be drawn without


def main() -> None:
    """Draw the page."""
    screen.frame()
    if "tray" not in st.session_state:
        st.session_state.tray = Tray()
        st.session_state.reader = Reader(st.session_state.tray, connect)
    tray, reader = st.session_state.tray, st.session_state.reader
    with connect(SOON) as client:
        keep_card(client, tray)
        keep_examples(client, tray)
    reader.go_on()
    drawn = tray.stamp()
    screen.head(tray)
    if tray.trouble is not None:
        screen.trouble(tray, tray.trouble)
        look_for_service(tray)
    screen.newer(tray)
    field, row = st.columns([2, 5], gap="medium") if tray.films else (st.container(), st.container())
    with field:
        if tray.card is not None:
            screen.intake(tray)
    with row:
        screen.films(tray)
        screen.watch(tray, reader, drawn)
    if tray.film is not None:
        screen.large(tray, tray.film)
    screen.examples(tray)
    screen.about(tray)


def connect(most_seconds: float | None = None) -> Client:
    """A client of the service that the environment names.

    Args:
        most_seconds: to wait for an answer, where that is less than the environment allows.
    """
    seconds = float(os.environ.get("FILMGATE_TIMEOUT", "30"))
    key = os.environ.get("FILMGATE_API_KEY")
    address = os.environ.get("FILMGATE_SERVICE", LOCAL)
    return Client(address, seconds if most_seconds is None else min(seconds, most_seconds), key)


def keep_examples(client: Client, tray: Tray) -> None:
    """Fetch the examples of the model that is served, once for each version; where that fails, there are none."""
    if tray.card is None or tray.trouble is not None or tray.examples_of == tray.card["version"]:
        return
    tray.examples_of = tray.card["version"]
    try:
        tray.examples = client.examples()
    except AskError:
        tray.examples = ()


@st.fragment(run_every=screen.LOOK_FOR_SERVICE)
def look_for_service(tray: Tray) -> None:
    """See every few seconds whether the service is back; a missing key does not come by itself."""
    if tray.trouble is not None and tray.trouble.kind != "key":
        with connect(SOON) as client:
            screen.look_for_service(tray, client.ready())


if __name__ == "__main__":
    main()
