"""Asking a person whether a version may come into production: a paused run of Prefect, with a form."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout, PrefectHTTPStatusError
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field

POLL_SECONDS = 2
SPARE_SECONDS = 600  # that the run stays paused after the time is up: until then silence is put into its form


class Decision(RunInput):
    """What the form of the paused run asks."""

    approve: bool = Field(default=False, description="On: bring the version into production. Off: reject it.")
    by: str = Field(min_length=1, description="Your name: it is kept with the decision.")
    comment: str = Field(default="", description="Why; it is kept with the decision.")


@dataclass(frozen=True)
class Verdict:
    """What was decided, by whom and why."""

    approved: bool
    by: str
    comment: str

    def trailers(self) -> dict[str, str]:
        """As the tag of the decision says it."""
        return {"By": self.by, "Comment": self.comment}


def ask(about: str, hours: float) -> Verdict:
    """Pause the run until somebody answers its form; silence is a no.

    Args:
        about: what the form says above its fields, in Markdown.
        hours: after which silence counts.
    """
    form, seconds = Decision.with_initial_data(description=about), max(1, round(hours * 3600))
    silence = Verdict(False, "nobody", f"no answer within {hours:g} hours")
    try:
        with _answered_by(silence, seconds):
            said = pause_flow_run(wait_for_input=form, timeout=seconds + SPARE_SECONDS, poll_interval=POLL_SECONDS)
    except FlowPauseTimeout:
        return silence
    return Verdict(said.approve, said.by, said.comment)


@contextmanager
def _answered_by(verdict: Verdict, seconds: float) -> Iterator[None]:
    """Fill in the form of this run after some time, as a person would, if nobody did.

    A pause that ends by itself fails the run, and a rejected version is no failure.
    """
    said, run = {"approve": verdict.approved, "by": verdict.by, "comment": verdict.comment}, flow_run.get_id()
    answered = threading.Event()

    def wait() -> None:
        left = seconds
        while not answered.wait(left):
            left = POLL_SECONDS
            try:
                with get_client(sync_client=True) as client:
                    client.resume_flow_run(run, run_input=said)
            except (httpx.HTTPError, PrefectHTTPStatusError):
                continue  # the server is busy, or the run not paused yet

    threading.Thread(target=copy_context().run, args=(wait,), daemon=True).start()
    try:
        yield
    finally:
        answered.set()
