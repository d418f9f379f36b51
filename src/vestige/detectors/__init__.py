"""Detectors: (generated, knowns) -> a score per real image. A new one is one file and one line.

`DETECTORS` holds every detector by name; `columns` says which columns of evidence it gives in an
audit, `effort` from which effort on it is part of `auto` (which runs when nobody names a detector),
and `weight` what each of its columns counts in the label-free combination (fixed beforehand on the
development worlds, see docs/decisions.md).
"""

from typing import Any

from vestige.detectors.entry import AUTO, EFFORTS, TAKES, DetectorEntry, Effort
from vestige.registry.lazy import Lazy


def _of(path: str, **preset: Any) -> Lazy:
    """A class of this package, "file:Class", with options that are not its defaults."""
    file, _, name = path.partition(":")
    return Lazy(f"vestige.detectors.{file}", name, preset)


SIZES = {"_8": {"size": 8}, "_16": {"size": 16}, "_32": {"size": 32}, "_64": {"size": 64}}
NEAREST = {"_32": {"size": 32, "nearest": 3}}
"""Where the primary detector keeps the neighbours that evidence is told by."""

DETECTORS: dict[str, DetectorEntry] = {
    "matched_filter_pool": DetectorEntry(
        "whitened cosine with the generated set, whitened by queries and unused images (primary)",
        _of("matched_filter:MatchedFilterPool"),
        pool=True,
        columns=SIZES | NEAREST,
        in_colour={"_chroma": {"space": "chroma"}},
        effort="low",
        weight=2.0,
        views=True,
        takes="all",
    ),
    "matched_filter": DetectorEntry(
        "whitened cosine with the generated set, whitened by a reference",
        _of("matched_filter:MatchedFilter"),
        needs_reference=True,
        columns=SIZES,
        weight=2.0,
        views=True,
        takes="all",
    ),
    "matched_filter_band": DetectorEntry(
        "the pool filter on a band of spatial frequencies",
        _of("matched_filter:MatchedFilterPool", space="band_pass", size=32),
        pool=True,
        effort="normal",
        weight=2.0,
        views=True,
        takes="all",
    ),
    "cubed_filter": DetectorEntry(
        "mean cube of whitened cosines, whitened by reals and generated set: copies are one-sided",
        _of(
            "matched_filter:MatchedFilterPool",
            aggregate="cube",
            whitened_by="both",
            size=32,
            views="none",
        ),
        pool=True,
        columns={"_16": {"size": 16}, "_32": {"size": 32}},
        effort="normal",
        takes="all",
    ),
    "cubed_filter_reals": DetectorEntry(
        "the same, whitened by the reals alone",
        _of("matched_filter:MatchedFilterPool", aggregate="cube", size=32, views="none"),
        pool=True,
        effort="normal",
        weight=0.25,
        takes="all",
    ),
    "local_filter_pool": DetectorEntry(
        "the matched filter window by window, whitened by queries and unused images: copied parts",
        _of("local_filter:LocalFilter"),
        pool=True,
        effort="high",
        weight=0.25,
    ),
    "local_filter": DetectorEntry(
        "the matched filter window by window, whitened by a reference: copied parts",
        _of("local_filter:LocalFilter"),
        needs_reference=True,
    ),
    "ssim_rerank": DetectorEntry(
        "largest structural similarity among the nearest, over that of unused reals",
        _of("ssim_rerank:SsimRerank"),
        needs_reference=True,  # in an audit; score_samples does without
        effort="high",
        weight=0.25,
    ),
    "patch_nearest": DetectorEntry(
        "nearest patches at the same place over those of unused reals: copied parts",
        _of("patch_nearest:PatchNearest"),
        needs_reference=True,
        effort="high",
        weight=0.25,
    ),
    "nearest_distance": DetectorEntry(
        "distance to the nearest generated image (GAN-Leaks)",
        _of("nearest_distance:NearestDistance"),
        views=True,
        takes="all",
    ),
    "nearest_distance_contrast": DetectorEntry(
        "the same with brightness and contrast of each image made equal",
        _of("nearest_distance:NearestDistance", space="contrast"),
        effort="low",
        views=True,
        takes="all",
    ),
    "nearest_distance_pca": DetectorEntry(
        "the same on 64 principal components",
        _of("nearest_distance:NearestDistance", space="pca"),
        views=True,
        takes="all",
    ),
    "calibrated_distance": DetectorEntry(
        "nearest distance over the distance to unused reals (GAN-Leaks calibration)",
        _of("calibrated_distance:CalibratedDistance"),
        needs_reference=True,
        views=True,
        takes="all",
    ),
    "calibrated_distance_5": DetectorEntry(
        "the same over 5 neighbours each",
        _of("calibrated_distance:CalibratedDistance", k=5),
        needs_reference=True,
        effort="low",
        views=True,
        takes="all",
    ),
    "calibrated_distance_pca": DetectorEntry(
        "the same on 64 principal components",
        _of("calibrated_distance:CalibratedDistance", space="pca"),
        needs_reference=True,
        views=True,
        takes="all",
    ),
    "mc_ball": DetectorEntry(
        "generated images inside a small ball, 16 components (Monte-Carlo attack)",
        _of("mc_ball:MonteCarloBall"),
        needs_reference=True,
        takes="all",
    ),
    "density_ratio": DetectorEntry(
        "generated over reference density, 16 components (DOMIAS)",
        _of("density_ratio:DensityRatio"),
        needs_reference=True,
        effort="normal",
        takes="all",
    ),
    "density_ratio_knn": DetectorEntry(
        "the same by distances to the nearest neighbours",
        _of("density_ratio:DensityRatio", estimator="knn"),
        needs_reference=True,
        effort="low",
        views=True,
        takes="all",
    ),
    "gen_lra": DetectorEntry(
        "density that x adds to unused reals at the generated images near it (GenLRA)",
        _of("gen_lra:GenLRA"),
        needs_reference=True,
        takes="all",
    ),
    "neighbour_share": DetectorEntry(
        "share of generated images among the neighbours of x (Data Plagiarism Index)",
        _of("neighbour_share:NeighbourShare"),
        needs_reference=True,
        takes="all",
    ),
    "two_sample_classifier": DetectorEntry(
        "logistic regression of generated against unused, 64 components (LOGAN)",
        _of("two_sample_classifier:TwoSampleClassifier"),
        needs_reference=True,
    ),
    "reconstruction_ratio": DetectorEntry(
        "residual under the PCA of the reference over that of the generated set",
        _of("reconstruction_ratio:ReconstructionRatio"),
        needs_reference=True,
        effort="normal",
        weight=3.0,
        takes="all",
    ),
    "retrieval_count": DetectorEntry(
        "how often a generated image retrieves x among unused reals (VCMI)",
        _of("retrieval:RetrievalCount"),
        needs_reference=True,
        takes="all",
    ),
    "mean_rank": DetectorEntry(
        "best ranks of x among unused reals, seen from generated images (VCMI)",
        _of("retrieval:MeanRank"),
        needs_reference=True,
        takes="all",
    ),
    "texture_wasserstein": DetectorEntry(
        "nearest generated image by distributions of texture (GAN-ISI)",
        _of("texture_wasserstein:TextureWasserstein"),
    ),
    "texture_calibrated": DetectorEntry(
        "the same against the texture of unused reals",
        _of("texture_wasserstein:CalibratedTexture"),
        needs_reference=True,
    ),
    "texture_pairs": DetectorEntry(
        "classifier of pairs on their texture distances (GAN-ISI)",
        _of("texture_wasserstein:TexturePairs"),
        needs_labels=True,
    ),
    "cosine_threshold": DetectorEntry(
        "largest cosine in the features of an ImageNet network (Medhastra)",
        _of("cosine:CosineThreshold"),
        extra="deep",
        weights=("weights",),
        takes="colour",
    ),
    "cosine_logistic": DetectorEntry(
        "logistic regression on that cosine and on its lead over unused reals (Medhastra)",
        _of("cosine:CosineLogistic"),
        needs_labels=True,
        extra="deep",
        weights=("weights",),
        takes="colour",
    ),
    "resnet50_retrieval": DetectorEntry(
        "largest cosine in ResNet-50 features (zhouyijiang1, first route)",
        _of("cosine_streams:Resnet50Retrieval"),
        extra="deep",
        weights=("weights",),
        takes="colour",
    ),
    "dual_stream": DetectorEntry(
        "largest cosines of two networks, .6 and .4 (zhouyijiang1, second route)",
        _of("cosine_streams:DualStream"),
        needs_reference=True,
        extra="deep",
        weights=("weights",),
        takes="colour",
    ),
    "ssim_encoder": DetectorEntry(
        "whitened cosine in an encoder of structural similarity, trained on the generated set",
        _of("encoder_cosine:SsimEncoder"),
        needs_reference=True,
        extra="deep",
        effort="high",
    ),
    "contrastive_encoder": DetectorEntry(
        "whitened cosine in a contrastive encoder that was trained on the generated set",
        _of("encoder_cosine:ContrastiveEncoder"),
        needs_reference=True,
        extra="deep",
        effort="high",
    ),
    "autoencoder_outlier": DetectorEntry(
        "error under the auto-encoder of the generated set (VCMI)",
        _of("autoencoder:AutoencoderOutlier"),
        extra="deep",
    ),
    "reconstruction_autoencoder": DetectorEntry(
        "error under the auto-encoder of the reference over that of the generated set",
        _of("autoencoder:ReconstructionAutoencoder"),
        needs_reference=True,
        extra="deep",
        effort="high",
    ),
    "siamese": DetectorEntry(
        "Siamese network with cross-attention between the pair (SCOPE)",
        _of("siamese:Siamese"),
        needs_labels=True,
        extra="deep",
        weights=("weights",),
        takes="colour",
    ),
    "siamese_hybrid": DetectorEntry(
        "Siamese network of a CNN and a ViT, angular loss (Kalinathan et al. 2026)",
        _of("siamese_hybrid:SiameseHybrid"),
        needs_labels=True,
        extra="deep",
        weights=("weights", "vit_weights"),
        takes="colour",
    ),
    "vit_canet": DetectorEntry(
        "ViT fingerprints, candidate search, attention network on pairs (zhouyijiang1)",
        _of("vit_canet:VitCanet"),
        needs_labels=True,
        extra="deep",
        weights=("weights",),
        takes="colour",
    ),
}

_CLASSES = {
    choice.factory.name: choice.factory
    for choice in DETECTORS.values()
    if isinstance(choice.factory, Lazy)
}
"""The class of each entry, public by its name."""

__all__ = ["AUTO", "DETECTORS", "EFFORTS", "TAKES", "DetectorEntry", "Effort", *_CLASSES]


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return _CLASSES[name].load()
    raise AttributeError(f"module 'vestige.detectors' has no attribute {name!r}")
