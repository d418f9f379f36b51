"""Feature spaces. A new one is one file and one entry in `EMBEDDERS`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from vestige.registry.entries import InputError, RegistryEntry, choose, create
from vestige.types import Embedder, Images, PairEmbedder


@dataclass(frozen=True)
class SpaceEntry(RegistryEntry[Embedder]):
    """A feature space, and which of a detector's options it takes.

    One without any needs arguments that a detector does not have (a network, its weights).
    """

    takes: tuple[str, ...] = ("size",)


def _load(module: str, name: str) -> Callable[..., Embedder]:
    def made(**options: Any) -> Embedder:
        space: Embedder = getattr(import_module(f"vestige.features.{module}"), name)(**options)
        return space

    return made


def _backbone(network: str = "resnet50", **options: Any) -> Embedder:
    try:
        from vestige.features.backbones import Backbone
    except ImportError as error:
        raise InputError(
            f"backbone {network!r} needs {error.name}: pip install 'vestige[deep]'."
        ) from error
    return Backbone(network, **options)


def _self_supervised(name: str, **options: Any) -> Embedder:
    try:
        from vestige.features import self_supervised
    except ImportError as error:
        raise InputError(
            f"an encoder that is trained needs {error.name}: pip install 'vestige[deep]'."
        ) from error
    made: Embedder = getattr(self_supervised, name)(**options)
    return made


EMBEDDERS: dict[str, SpaceEntry] = {
    "pixels": SpaceEntry("grey values", _load("pixels", "Pixels")),
    "contrast": SpaceEntry(
        "grey values without the mean of their image, over its standard deviation",
        partial(_load("pixels", "Pixels"), contrast=True),
    ),
    "gradients": SpaceEntry("slopes down and across (Sobel)", _load("filters", "Gradients")),
    "band_pass": SpaceEntry(
        "difference of two Gaussian blurs, low=1.5 and high=6 in 1/32 of the side",
        _load("filters", "BandPass"),
    ),
    "pca": SpaceEntry(
        "64 principal components of the grey values",
        _load("pca", "PCA"),
        takes=("size", "dims"),
    ),
    "whitened_pca": SpaceEntry(
        "the same, each of unit variance", _load("pca", "WhitenedPCA"), takes=("size", "dims")
    ),
    "texture": SpaceEntry("laws of 19 texture maps (GAN-ISI)", _load("texture", "Texture")),
    "wavelets": SpaceEntry(
        "energy and quantiles of wavelet sub-bands", _load("wavelets", "Wavelets")
    ),
    "backbone": SpaceEntry(
        "pooled features of an ImageNet network", _backbone, extra="deep", takes=()
    ),
    "contrastive": SpaceEntry(
        "a contrastive encoder trained on the images it is fitted on (NT-Xent)",
        partial(_self_supervised, "ContrastiveFeatures"),
        extra="deep",
        takes=(),
    ),
    "ssim": SpaceEntry(
        "an encoder whose cosine estimates structural similarity (DeepSSIM)",
        partial(_self_supervised, "SsimFeatures"),
        extra="deep",
        takes=(),
    ),
}

SPACES = {name: choice for name, choice in EMBEDDERS.items() if choice.takes}
"""Spaces that a detector takes by name alone."""


def build_space(name: str, **options: Any) -> Embedder:
    """The space `name` with those of `options` (a detector's size, dims) that it takes.

    Raises
    ------
    InputError
        For a name that is not in `SPACES`.
    """
    choice = choose(SPACES, name, "space")
    return choice.factory(**{key: options[key] for key in choice.takes if key in options})


def is_learned(name: str) -> bool:
    """Whether the space `name` learns from the images that it is fitted on."""
    return isinstance(build_space(name), PairEmbedder)


def fit_space(
    name: str, size: int, dims: int, generated: Images, reference: Images | None = None
) -> Embedder:
    """The space `name`, fitted on the generated set and, where it can, on the reference too."""
    space = build_space(name, size=size, dims=dims)
    if reference is not None and isinstance(space, PairEmbedder):
        return space.fit_pair(generated, reference)
    return space.fit(generated)


BACKBONES: dict[str, RegistryEntry[Embedder]] = {
    name: RegistryEntry(summary, partial(_backbone, name), extra="deep")
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
        create(BACKBONES, name, "backbone", **options)
        if name in BACKBONES
        else _backbone(name, **options)
    )
