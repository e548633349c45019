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
    try:
        draw()
    except AskError as error:
        screen.fault(error)


def draw() -> None:
    """Draw what the service says and what the user put on the page.

    Raises:
        AskError: the environment names no number of seconds.
    """
    if "tray" not in st.session_state:
        st.session_state.tray = Tray()
        st.session_state.reader = Reader(st.session_state.tray, connect)
    tray, reader = st.session_state.tray, st.session_state.reader
    with connect(SOON) as client:
        keep_card(client, tray)
        keep_examples(client, tray)
    reader.go_on()
    drawn = tray.stamp()
    # Each part keeps its place whatever stands above it, or Streamlit would show it twice while the page is redrawn.
    top, middle, bottom = st.container(), st.container(), st.container()
    with top:
        screen.head(tray)
        if tray.trouble is not None:
            screen.trouble(tray, tray.trouble)
            look_for_service(tray)
        screen.newer(tray)
    with middle:
        screen.intake_and_films(tray, reader, drawn)
    with bottom:
        with st.container():
            if tray.film is not None:
                screen.large(tray, tray.film)
        screen.examples(tray)
        screen.about(tray)


def connect(most_seconds: float | None = None) -> Client:
    """A client of the service that the environment names.

    Args:
        most_seconds: to wait for an answer, where that is less than the environment allows.
    Raises:
        AskError: the environment names no number of seconds.
    """
    said = os.environ.get("FILMGATE_TIMEOUT", "30")
    if not said.isdecimal() or said == "0":
        raise AskError(f"FILMGATE_TIMEOUT is {said!r}. Expected whole seconds, such as 30.", "strange")
    seconds = float(said) if most_seconds is None else min(float(said), most_seconds)
    return Client(os.environ.get("FILMGATE_SERVICE", LOCAL), seconds, os.environ.get("FILMGATE_API_KEY"))


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
