"""What a noticed drift sets off: one retraining for each episode, and no more than so many in a week.

An episode is a run of windows with an alarm that reaches the newest one that could be judged; windows with too few
films neither end nor begin one. A model whose figures are no longer plausible is an episode, too: one for each model.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from pipelines.recipe_monitor import MonitorParams

WEEK = timedelta(days=7)
LABELS = "labels"


@dataclass(frozen=True)
class Step:
    """What to do.

    Args:
        retrain: whether to trigger it now.
        episode: the day on which the drift began, or `labels`; None where there is no alarm.
        sentence: what is done, and why.
    """

    retrain: bool
    episode: str | None
    sentence: str


def episode(history: pd.DataFrame, model: str, now: datetime, days: int) -> str | None:
    """The first day of the drift that goes on; None where there is none.

    A drift goes on while its last window ended no longer ago than a window lasts.

    Args:
        history: of windows, as `history.read_rows` gives it, in order.
        model: SHA-256.
        days: of a window.
    """
    judged = history[(history["model"] == model) & history["verdict"].isin(["drift", "quiet"])]
    if judged.empty or judged["verdict"].iloc[-1] != "drift" or judged["end"].iloc[-1] < now - timedelta(days=days):
        return None
    run = (judged["verdict"] != "drift").cumsum()
    return str(judged.loc[run == run.iloc[-1], "start"][judged["verdict"] == "drift"].iloc[0].date())


def step(current: str | None, retrains: pd.DataFrame, model: str, now: datetime, rules: MonitorParams) -> Step:
    """What the recipe's policy says.

    Args:
        current: the episode, None where there is no alarm.
        retrains: as `history.read_rows` gives them.
        model: SHA-256.
    """
    if current is None:
        return Step(False, None, "No retraining is triggered: there is no alarm.")
    if not rules.retrain:
        return Step(False, current, "No retraining is triggered: monitor.retrain of the recipe is false.")
    if ((retrains["model"] == model) & (retrains["episode"] == current)).any():
        return Step(False, current, "No retraining is triggered: this drift has triggered one already.")
    lately = int((retrains["time"] > now - WEEK).sum()) if len(retrains) else 0
    if lately >= rules.retrains_per_week:
        return Step(
            False,
            current,
            f"No retraining is triggered: there were {lately} in the last seven days, and "
            f"monitor.retrains_per_week is {rules.retrains_per_week}.",
        )
    return Step(True, current, "Retraining is triggered.")
