"""How far an image lies from the training images, in the space of the model's pooled features."""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean (channels,) and inverse covariance (channels, channels) of the pooled features of training images."""

    mean: np.ndarray
    precision: np.ndarray


def feature_statistics(features: np.ndarray) -> FeatureStatistics:
    """Statistics of pooled features (n, channels), the covariance shrunk (Ledoit and Wolf 2004)."""
    fitted = LedoitWolf().fit(features)
    return FeatureStatistics(fitted.location_.astype("float32"), fitted.precision_.astype("float32"))


def distances(features: np.ndarray, statistics: FeatureStatistics) -> np.ndarray:
    """Squared Mahalanobis distance of pooled features (n, channels) from their mean, (n,) float64."""
    away = features.astype(np.float64) - statistics.mean
    return np.einsum("ij,ij->i", away @ statistics.precision.astype(np.float64), away)
