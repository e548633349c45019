"""How far an image lies from the training images, in the space of the model's pooled features."""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean (channels,) of the pooled features of training images, and what makes their covariance the unit matrix.

    Args:
        whitening: (channels, channels), W with W Wᵀ the inverse covariance. A distance is a sum of squares by it, which
            single precision gives to some 1e-6; by the inverse covariance itself, terms of both signs cancel.
    """

    mean: np.ndarray
    whitening: np.ndarray


def feature_statistics(features: np.ndarray) -> FeatureStatistics:
    """Statistics of pooled features (n, channels), the covariance shrunk (Ledoit and Wolf 2004)."""
    fitted = LedoitWolf().fit(features.astype(np.float64))
    whitening = np.linalg.cholesky(fitted.precision_)
    return FeatureStatistics(fitted.location_.astype("float32"), whitening.astype("float32"))


def distances(features: np.ndarray, statistics: FeatureStatistics) -> np.ndarray:
    """Squared Mahalanobis distance of pooled features (n, channels) from their mean, (n,) float64."""
    away = features.astype(np.float64) - statistics.mean
    return np.square(away @ statistics.whitening).sum(axis=1)
