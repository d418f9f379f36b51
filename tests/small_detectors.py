"""Detectors as the tests build them: tiny networks with random weights, and labels where needed."""

from typing import Any

from vestige.detectors import DETECTORS
from vestige.registry.entries import create
from vestige.types import Images

TRUNK: dict[str, Any] = {"backbone": "tiny", "weights": "none", "size": 32}
PAIRS: dict[str, Any] = {"weights": "none", "size": 32, "epochs": 2, "draws": 32, "neighbours": 3}
ENCODER: dict[str, Any] = {"steps": 4, "batch": 16, "width": 4, "precision": "float32"}
AUTOENCODER: dict[str, Any] = {"steps": 8, "width": 4, "latent": 8, "precision": "float32"}
SMALL: dict[str, dict[str, Any]] = {
    "cosine_threshold": TRUNK,
    "cosine_logistic": TRUNK,
    "resnet50_retrieval": TRUNK,
    "dual_stream": {"backbones": ("tiny", "tiny"), "weights": ("none", "none"), "size": 32},
    "ssim_encoder": ENCODER | {"layer": "stage2"},
    "contrastive_encoder": ENCODER | {"layer": "stage2"},
    "autoencoder_outlier": AUTOENCODER,
    "reconstruction_autoencoder": AUTOENCODER,
    "siamese": {"backbone": "tiny", "tokens": "single"} | PAIRS,
    "siamese_hybrid": {"cnn": "tiny", "vit": "tiny_vit", "vit_weights": "none"} | PAIRS,
    "vit_canet": {
        "backbone": "tiny_vit", "weights": "none", "size": 32, "epochs": 3, "augment": False,
        "neighbours": 3, "strangers": 2, "pair": "difference", "candidates": 10, "graph": 5,
    },
}  # fmt: skip
"""Options of a detector in tests; none for those that are small already."""


def small_detector(name: str, **options: Any) -> Any:
    """The detector `name`, small; `options` on top."""
    return create(DETECTORS, name, "detector", **(SMALL.get(name, {}) | options))


def fitted(name: str, generated: Images, used: Images, unused: Images, **options: Any) -> Any:
    """The same, fitted: `unused` is the reference of those that do not learn from labels."""
    known = used if DETECTORS[name].needs_labels else None
    return small_detector(name, **options).fit(generated, known, unused)
