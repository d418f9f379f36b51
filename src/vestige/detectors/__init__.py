"""Detectors: (generated, knowns) -> a score per real image. A new one is one file and one line.

`DETECTORS` holds every detector by name; `columns` says which columns of evidence it gives in an
audit, `default` whether it runs when nobody names a detector, and `weight` what each of its
columns counts in the label-free combination (fixed beforehand, see docs/decisions.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from vestige.choices import Choice
from vestige.types import Detector


@dataclass(frozen=True)
class DetectorChoice(Choice[Detector]):
    """A detector, the columns it gives (suffix -> options) and its weight per column."""

    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    default: bool = True
    weight: float = 1.0


def _load(module: str, name: str) -> Any:
    return getattr(import_module(f"vestige.detectors.{module}"), name)


SIZES = {"_16": {"size": 16}, "_32": {"size": 32}, "_64": {"size": 64}}

DETECTORS: dict[str, DetectorChoice] = {
    "matched_filter_pool": DetectorChoice(
        "whitened cosine with the generated set, whitened by queries and controls (primary)",
        lambda **options: _load("matched_filter", "MatchedFilterPool")(**options),
        pool=True,
        columns=SIZES,
        weight=8.0,
    ),
    "matched_filter": DetectorChoice(
        "whitened cosine with the generated set, whitened by a reference",
        lambda **options: _load("matched_filter", "MatchedFilter")(**options),
        needs_reference=True,
        columns=SIZES,
        default=False,
        weight=8.0,
    ),
    "nearest_distance": DetectorChoice(
        "distance to the nearest generated image (GAN-Leaks)",
        lambda **options: _load("nearest_distance", "NearestDistance")(**options),
    ),
    "nearest_distance_pca": DetectorChoice(
        "the same on 64 principal components",
        lambda **options: _load("nearest_distance", "NearestDistance")(
            **{"space": "pca"} | options
        ),
        default=False,
    ),
    "calibrated_distance": DetectorChoice(
        "nearest distance over the distance to unused reals (GAN-Leaks calibration)",
        lambda **options: _load("calibrated_distance", "CalibratedDistance")(**options),
        needs_reference=True,
    ),
    "calibrated_distance_pca": DetectorChoice(
        "the same on 64 principal components",
        lambda **options: _load("calibrated_distance", "CalibratedDistance")(
            **{"space": "pca"} | options
        ),
        needs_reference=True,
        default=False,
    ),
    "mc_ball": DetectorChoice(
        "generated images inside a small ball, 16 components (Monte-Carlo attack)",
        lambda **options: _load("mc_ball", "MonteCarloBall")(**options),
        needs_reference=True,
    ),
    "density_ratio": DetectorChoice(
        "generated over reference density, 16 components (DOMIAS)",
        lambda **options: _load("density_ratio", "DensityRatio")(**options),
        needs_reference=True,
    ),
    "reconstruction_ratio": DetectorChoice(
        "residual under the PCA of the reference over that of the generated set",
        lambda **options: _load("reconstruction_ratio", "ReconstructionRatio")(**options),
        needs_reference=True,
    ),
    "retrieval_count": DetectorChoice(
        "how often a generated image retrieves x among unused reals (VCMI)",
        lambda **options: _load("retrieval", "RetrievalCount")(**options),
        needs_reference=True,
    ),
    "mean_rank": DetectorChoice(
        "best ranks of x among unused reals, seen from generated images (VCMI)",
        lambda **options: _load("retrieval", "MeanRank")(**options),
        needs_reference=True,
        default=False,
    ),
}

_CLASSES = {
    "CalibratedDistance": "calibrated_distance",
    "DensityRatio": "density_ratio",
    "MatchedFilter": "matched_filter",
    "MatchedFilterPool": "matched_filter",
    "MeanRank": "retrieval",
    "MonteCarloBall": "mc_ball",
    "NearestDistance": "nearest_distance",
    "ReconstructionRatio": "reconstruction_ratio",
    "RetrievalCount": "retrieval",
}

__all__ = ["DETECTORS", "DetectorChoice", *_CLASSES]


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return _load(_CLASSES[name], name)
    raise AttributeError(f"module 'vestige.detectors' has no attribute {name!r}")
