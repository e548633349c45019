"""Telling people what waits for them or went wrong, by mail, chat or webhook.

FILMGATE_NOTIFY holds addresses of Apprise, separated by blanks: `json://host/path` for a webhook, `mailto://...` for
mail, `slack://...` and a hundred more. Without it nobody is told.
"""

import os
from typing import Any

from flows.noise import without_traceback

VARIABLE = "FILMGATE_NOTIFY"


def tell(title: str, text: str) -> bool:
    """Send a message to all addresses.

    Returns:
        whether all of them took it; True where there are none. A failure is printed and stops nothing.
    """
    addresses = os.environ.get(VARIABLE, "").split()
    if not addresses:
        return True
    import apprise  # takes a second, and most runs tell nobody anything

    crier = apprise.Apprise()
    understood = [crier.add(address) for address in addresses]
    sent = bool(crier.notify(title=title, body=text)) and all(understood)
    if not sent:
        print(f"{VARIABLE}: not every address took the message {title!r}. Check them.", flush=True)
    return sent


def about_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """A hook of Prefect: tell that a run failed, and why in its own words, which are enough."""
    without_traceback()
    tell(f"filmgate: {flow_run.name} {state.name.lower()}", state.message or "It gave no reason.")
