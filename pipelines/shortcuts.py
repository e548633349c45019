"""Shortcut audit: how well can the label be guessed from one property of the file, without looking at the film?

A property that guesses the label (file size, dimensions, brightness) is a shortcut that a model may learn in place
of the disease (Geirhos et al. 2020, 10.1038/s42256-020-00257-z).
"""

import pandas as pd
from sklearn.metrics import roc_auc_score

PROPERTIES = ("bytes", "width", "height", "bits", "mean", "std", "age")
CATEGORIES = ("mode", "site", "view", "sex")


def audit(images: pd.DataFrame, positive: str) -> dict[str, float]:
    """AUC of each property as a guess of the label, in [0.5, 1], highest first.

    Args:
        images: rows of a manifest, from the splits that a model may learn from.
        positive: the label to guess, against all others.
    """
    target = images["label"] == positive
    guesses = {name: images[name] for name in PROPERTIES if images[name].notna().all()}
    guesses["aspect"] = images["width"] / images["height"]
    for name in CATEGORIES:
        if images[name].notna().all():
            guesses[name] = target.groupby(images[name]).transform("mean")
    scores = {name: _either_way(target, guess) for name, guess in guesses.items()}
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def _either_way(target: pd.Series, guess: pd.Series) -> float:
    auc = float(roc_auc_score(target, guess))
    return round(max(auc, 1 - auc), 4)
