"""Detectors: (generated, knowns) -> a score per real image. A new one is one file and one line.

`DETECTORS` holds every detector by name; `columns` says which columns of evidence it gives in an
audit, `effort` from which effort on it is part of `auto` (which runs when nobody names a detector),
and `weight` what each of its columns counts in the label-free combination (fixed beforehand on the
development worlds, see docs/decisions.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from vestige.registry.entries import RegistryEntry
from vestige.types import Detector

AUTO = "auto"
"""Stands for all detectors of the asked effort."""
Effort = Literal["low", "normal", "high"]
EFFORTS: dict[Effort, str] = {
    "low": "the matched filters and three distances",
    "normal": "all that costs seconds on one core",
    "high": "also structural similarity, patches and encoders that are trained: minutes",
}


@dataclass(frozen=True)
class DetectorEntry(RegistryEntry[Detector]):
    """A detector, the columns it gives (suffix -> options) and its weight per column.

    `effort` None: runs only when it is named. `weights` names its options that hold weights of a
    network: they must be given, since nothing is downloaded unasked. `views`: takes the option of
    that name, and by default finds mirrored copies too; without it only copies as they are.
    """

    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    effort: Effort | None = None
    weight: float = 1.0
    weights: tuple[str, ...] = ()
    views: bool = False


def _load(module: str, name: str) -> Any:
    return getattr(import_module(f"vestige.detectors.{module}"), name)


SIZES = {"_8": {"size": 8}, "_16": {"size": 16}, "_32": {"size": 32}, "_64": {"size": 64}}
NEAREST = {"_32": {"size": 32, "nearest": 3}}
"""Where the primary detector keeps the neighbours that evidence is told by."""

DETECTORS: dict[str, DetectorEntry] = {
    "matched_filter_pool": DetectorEntry(
        "whitened cosine with the generated set, whitened by queries and unused images (primary)",
        lambda **options: _load("matched_filter", "MatchedFilterPool")(**options),
        pool=True,
        columns=SIZES | NEAREST,
        effort="low",
        weight=2.0,
        views=True,
    ),
    "matched_filter": DetectorEntry(
        "whitened cosine with the generated set, whitened by a reference",
        lambda **options: _load("matched_filter", "MatchedFilter")(**options),
        needs_reference=True,
        columns=SIZES,
        weight=2.0,
        views=True,
    ),
    "matched_filter_band": DetectorEntry(
        "the pool filter on a band of spatial frequencies",
        lambda **options: _load("matched_filter", "MatchedFilterPool")(
            **{"space": "band_pass", "size": 32} | options
        ),
        pool=True,
        effort="normal",
        weight=2.0,
        views=True,
    ),
    "cubed_filter": DetectorEntry(
        "mean cube of whitened cosines, whitened by reals and generated set: copies are one-sided",
        lambda **options: _load("matched_filter", "MatchedFilterPool")(
            **{"aggregate": "cube", "whitened_by": "both", "size": 32, "views": "none"} | options
        ),
        pool=True,
        columns={"_16": {"size": 16}, "_32": {"size": 32}},
        effort="normal",
    ),
    "cubed_filter_reals": DetectorEntry(
        "the same, whitened by the reals alone",
        lambda **options: _load("matched_filter", "MatchedFilterPool")(
            **{"aggregate": "cube", "size": 32, "views": "none"} | options
        ),
        pool=True,
        effort="normal",
        weight=0.25,
    ),
    "local_filter_pool": DetectorEntry(
        "the matched filter window by window, whitened by queries and unused images: copied parts",
        lambda **options: _load("local_filter", "LocalFilter")(**options),
        pool=True,
        effort="high",
        weight=0.25,
    ),
    "local_filter": DetectorEntry(
        "the matched filter window by window, whitened by a reference: copied parts",
        lambda **options: _load("local_filter", "LocalFilter")(**options),
        needs_reference=True,
    ),
    "ssim_rerank": DetectorEntry(
        "largest structural similarity among the nearest, over that of unused reals",
        lambda **options: _load("ssim_rerank", "SsimRerank")(**options),
        needs_reference=True,  # in an audit; score_samples does without
        effort="high",
        weight=0.25,
    ),
    "patch_nearest": DetectorEntry(
        "nearest patches at the same place over those of unused reals: copied parts",
        lambda **options: _load("patch_nearest", "PatchNearest")(**options),
        needs_reference=True,
        effort="high",
        weight=0.25,
    ),
    "nearest_distance": DetectorEntry(
        "distance to the nearest generated image (GAN-Leaks)",
        lambda **options: _load("nearest_distance", "NearestDistance")(**options),
        views=True,
    ),
    "nearest_distance_contrast": DetectorEntry(
        "the same with brightness and contrast of each image made equal",
        lambda **options: _load("nearest_distance", "NearestDistance")(
            **{"space": "contrast"} | options
        ),
        effort="low",
        views=True,
    ),
    "nearest_distance_pca": DetectorEntry(
        "the same on 64 principal components",
        lambda **options: _load("nearest_distance", "NearestDistance")(
            **{"space": "pca"} | options
        ),
        views=True,
    ),
    "calibrated_distance": DetectorEntry(
        "nearest distance over the distance to unused reals (GAN-Leaks calibration)",
        lambda **options: _load("calibrated_distance", "CalibratedDistance")(**options),
        needs_reference=True,
        views=True,
    ),
    "calibrated_distance_5": DetectorEntry(
        "the same over 5 neighbours each",
        lambda **options: _load("calibrated_distance", "CalibratedDistance")(**{"k": 5} | options),
        needs_reference=True,
        effort="low",
        views=True,
    ),
    "calibrated_distance_pca": DetectorEntry(
        "the same on 64 principal components",
        lambda **options: _load("calibrated_distance", "CalibratedDistance")(
            **{"space": "pca"} | options
        ),
        needs_reference=True,
        views=True,
    ),
    "mc_ball": DetectorEntry(
        "generated images inside a small ball, 16 components (Monte-Carlo attack)",
        lambda **options: _load("mc_ball", "MonteCarloBall")(**options),
        needs_reference=True,
    ),
    "density_ratio": DetectorEntry(
        "generated over reference density, 16 components (DOMIAS)",
        lambda **options: _load("density_ratio", "DensityRatio")(**options),
        needs_reference=True,
        effort="normal",
    ),
    "density_ratio_knn": DetectorEntry(
        "the same by distances to the nearest neighbours",
        lambda **options: _load("density_ratio", "DensityRatio")(**{"estimator": "knn"} | options),
        needs_reference=True,
        effort="low",
        views=True,
    ),
    "gen_lra": DetectorEntry(
        "density that x adds to unused reals at the generated images near it (GenLRA)",
        lambda **options: _load("gen_lra", "GenLRA")(**options),
        needs_reference=True,
    ),
    "neighbour_share": DetectorEntry(
        "share of generated images among the neighbours of x (Data Plagiarism Index)",
        lambda **options: _load("neighbour_share", "NeighbourShare")(**options),
        needs_reference=True,
    ),
    "two_sample_classifier": DetectorEntry(
        "logistic regression of generated against unused, 64 components (LOGAN)",
        lambda **options: _load("two_sample_classifier", "TwoSampleClassifier")(**options),
        needs_reference=True,
    ),
    "reconstruction_ratio": DetectorEntry(
        "residual under the PCA of the reference over that of the generated set",
        lambda **options: _load("reconstruction_ratio", "ReconstructionRatio")(**options),
        needs_reference=True,
        effort="normal",
        weight=3.0,
    ),
    "retrieval_count": DetectorEntry(
        "how often a generated image retrieves x among unused reals (VCMI)",
        lambda **options: _load("retrieval", "RetrievalCount")(**options),
        needs_reference=True,
    ),
    "mean_rank": DetectorEntry(
        "best ranks of x among unused reals, seen from generated images (VCMI)",
        lambda **options: _load("retrieval", "MeanRank")(**options),
        needs_reference=True,
    ),
    "texture_wasserstein": DetectorEntry(
        "nearest generated image by distributions of texture (GAN-ISI)",
        lambda **options: _load("texture_wasserstein", "TextureWasserstein")(**options),
    ),
    "texture_calibrated": DetectorEntry(
        "the same against the texture of unused reals",
        lambda **options: _load("texture_wasserstein", "CalibratedTexture")(**options),
        needs_reference=True,
    ),
    "texture_pairs": DetectorEntry(
        "classifier of pairs on their texture distances (GAN-ISI)",
        lambda **options: _load("texture_wasserstein", "TexturePairs")(**options),
        needs_labels=True,
    ),
    "cosine_threshold": DetectorEntry(
        "largest cosine in the features of an ImageNet network (Medhastra)",
        lambda **options: _load("cosine", "CosineThreshold")(**options),
        extra="deep",
        weights=("weights",),
    ),
    "cosine_logistic": DetectorEntry(
        "logistic regression on that cosine and on its lead over unused reals (Medhastra)",
        lambda **options: _load("cosine", "CosineLogistic")(**options),
        needs_labels=True,
        extra="deep",
        weights=("weights",),
    ),
    "resnet50_retrieval": DetectorEntry(
        "largest cosine in ResNet-50 features (zhouyijiang1, first route)",
        lambda **options: _load("cosine_streams", "Resnet50Retrieval")(**options),
        extra="deep",
        weights=("weights",),
    ),
    "dual_stream": DetectorEntry(
        "largest cosines of two networks, .6 and .4 (zhouyijiang1, second route)",
        lambda **options: _load("cosine_streams", "DualStream")(**options),
        needs_reference=True,
        extra="deep",
        weights=("weights",),
    ),
    "ssim_encoder": DetectorEntry(
        "whitened cosine in an encoder of structural similarity, trained on the generated set",
        lambda **options: _load("encoder_cosine", "SsimEncoder")(**options),
        needs_reference=True,
        extra="deep",
        effort="high",
    ),
    "contrastive_encoder": DetectorEntry(
        "whitened cosine in a contrastive encoder that was trained on the generated set",
        lambda **options: _load("encoder_cosine", "ContrastiveEncoder")(**options),
        needs_reference=True,
        extra="deep",
        effort="high",
    ),
    "autoencoder_outlier": DetectorEntry(
        "error under the auto-encoder of the generated set (VCMI)",
        lambda **options: _load("autoencoder", "AutoencoderOutlier")(**options),
        extra="deep",
    ),
    "reconstruction_autoencoder": DetectorEntry(
        "error under the auto-encoder of the reference over that of the generated set",
        lambda **options: _load("autoencoder", "ReconstructionAutoencoder")(**options),
        needs_reference=True,
        extra="deep",
        effort="high",
    ),
    "siamese": DetectorEntry(
        "Siamese network with cross-attention between the pair (SCOPE)",
        lambda **options: _load("siamese", "Siamese")(**options),
        needs_labels=True,
        extra="deep",
        weights=("weights",),
    ),
    "siamese_hybrid": DetectorEntry(
        "Siamese network of a CNN and a ViT, angular loss (Kalinathan et al. 2026)",
        lambda **options: _load("siamese_hybrid", "SiameseHybrid")(**options),
        needs_labels=True,
        extra="deep",
        weights=("weights", "vit_weights"),
    ),
    "vit_canet": DetectorEntry(
        "ViT fingerprints, candidate search, attention network on pairs (zhouyijiang1)",
        lambda **options: _load("vit_canet", "VitCanet")(**options),
        needs_labels=True,
        extra="deep",
        weights=("weights",),
    ),
}

_CLASSES = {
    "AutoencoderOutlier": "autoencoder",
    "CalibratedDistance": "calibrated_distance",
    "CalibratedTexture": "texture_wasserstein",
    "ContrastiveEncoder": "encoder_cosine",
    "CosineLogistic": "cosine",
    "CosineThreshold": "cosine",
    "DensityRatio": "density_ratio",
    "DualStream": "cosine_streams",
    "GenLRA": "gen_lra",
    "LocalFilter": "local_filter",
    "MatchedFilter": "matched_filter",
    "MatchedFilterPool": "matched_filter",
    "MeanRank": "retrieval",
    "MonteCarloBall": "mc_ball",
    "NearestDistance": "nearest_distance",
    "NeighbourShare": "neighbour_share",
    "PatchNearest": "patch_nearest",
    "ReconstructionAutoencoder": "autoencoder",
    "ReconstructionRatio": "reconstruction_ratio",
    "Resnet50Retrieval": "cosine_streams",
    "RetrievalCount": "retrieval",
    "Siamese": "siamese",
    "SiameseHybrid": "siamese_hybrid",
    "SsimRerank": "ssim_rerank",
    "SsimEncoder": "encoder_cosine",
    "TexturePairs": "texture_wasserstein",
    "TextureWasserstein": "texture_wasserstein",
    "TwoSampleClassifier": "two_sample_classifier",
    "VitCanet": "vit_canet",
}

__all__ = ["AUTO", "DETECTORS", "EFFORTS", "DetectorChoice", "Effort", *_CLASSES]


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return _load(_CLASSES[name], name)
    raise AttributeError(f"module 'vestige.detectors' has no attribute {name!r}")
