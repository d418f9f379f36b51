"""Feature spaces. A new one is one file and one line here."""

from functools import partial
from typing import Any

from vestige.choices import Choice, InputError, build
from vestige.types import Embedder


def _pixels(**options: Any) -> Embedder:
    from vestige.features.pixels import Pixels

    return Pixels(**options)


def _pca(**options: Any) -> Embedder:
    from vestige.features.pca import PCA

    return PCA(**options)


def _backbone(network: str = "resnet50", **options: Any) -> Embedder:
    try:
        from vestige.features.backbones import Backbone
    except ImportError as error:
        raise InputError(
            f"backbone {network!r} needs {error.name}: pip install 'vestige[deep]'."
        ) from error
    return Backbone(network, **options)


def _self_supervised(name: str, **options: Any) -> Embedder:
    from vestige.features import self_supervised

    made: Embedder = getattr(self_supervised, name)(**options)
    return made


EMBEDDERS: dict[str, Choice[Embedder]] = {
    "pixels": Choice("grey values at 32 px", _pixels),
    "pca": Choice("64 principal components of the pixels at 32 px", _pca),
    "backbone": Choice("pooled features of an ImageNet network", _backbone, extra="deep"),
    "contrastive": Choice(
        "a contrastive encoder trained on the images it is fitted on (NT-Xent)",
        partial(_self_supervised, "ContrastiveFeatures"),
        extra="deep",
    ),
    "ssim": Choice(
        "an encoder whose cosine estimates structural similarity (DeepSSIM)",
        partial(_self_supervised, "SsimFeatures"),
        extra="deep",
    ),
}

BACKBONES: dict[str, Choice[Embedder]] = {
    name: Choice(summary, partial(_backbone, name), extra="deep")
    for name, summary in {
        "resnet50": "ResNet-50, 2048 values (Medhastra, SCOPE, zhouyijiang1)",
        "efficientnet_b2": "EfficientNet-B2, 1408 values (SCOPE)",
        "efficientnet_b5": "EfficientNet-B5, 2048 values (zhouyijiang1)",
        "densenet161": "DenseNet-161, 2208 values (SCOPE)",
        "vit_b_16": "vision transformer, 12 blocks, 768 values (SCOPE, zhouyijiang1)",
        "vit_l_16": "vision transformer, 24 blocks, 1024 values (zhouyijiang1)",
        "squeezenet1_1": "SqueezeNet 1.1, 512 values, 5 MB of weights",
    }.items()
}
"""Networks by name; `build_backbone` also takes every other name timm knows."""


def build_backbone(name: str, **options: Any) -> Embedder:
    """The backbone `name` with weights, size, ...: see `vestige.features.backbones.Backbone`."""
    return (
        build(BACKBONES, name, "backbone", **options)
        if name in BACKBONES
        else _backbone(name, **options)
    )
