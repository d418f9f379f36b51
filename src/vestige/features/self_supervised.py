"""Feature spaces learned from the images they are fitted on, without labels; need `vestige[deep]`.

Source: docs/methods.md 2.14. Fitted on the generated set alone, no label can leak through them.
"""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np

from vestige.features.pixels import shrink
from vestige.registry.rules import check_words
from vestige.stats.neighbours import same_width
from vestige.types import Float32s, Images

Layer = Literal["output", "stage1", "stage2", "stage3", "stage4"]


@dataclass
class SelfSupervised:
    """What both encoders share: a trunk of four stages, each of two 3 x 3 convolutions.

    Parameters
    ----------
    size : int
        Side in pixels at which the network sees images; smaller ones stay as they are.
    steps, batch : int
        Training steps, and images (contrastive) or pairs (SSIM) per step.
    width : int
        Channels of the first stage; each of the other three doubles them.
    layer : "output", or "stage1" to "stage4"
        The encoder's own output, a mean that has lost where things are; or every place of the map
        after a stage: nearer to pixels, the earlier the stage.
    learning_rate : float
        Of AdamW, at the start; it falls to a twentieth along half a cosine.
    precision : "auto", "float32" or "bfloat16"
        Of the training; features are computed in float32.
    seed : int
        Of weights, batches and views.
    """

    kind: ClassVar[str] = ""

    size: int = 32
    steps: int = 300
    batch: int = 128
    width: int = 16
    layer: Layer = "output"
    learning_rate: float = 2e-3
    precision: str = "auto"
    seed: int = 0
    net_: Any = field(init=False, default=None, repr=False, compare=False)
    shape_: tuple[int, ...] = field(init=False, default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        check_words(self)

    def fit(self, images: Images) -> Self:
        """Train the encoder on images [m, h, w]; their order and their repeats change nothing."""
        from vestige.nets.encoders import EncoderPlan, fit_contrastive, fit_ssim

        small = shrink(images, self.size)
        plan = EncoderPlan(**{f.name: getattr(self, f.name) for f in fields(EncoderPlan)})
        train = fit_contrastive if self.kind == "contrastive" else fit_ssim
        self.net_, self.shape_ = train(small, plan), small.shape[1:]
        return self

    def transform(self, images: Images) -> Float32s:
        """Rows of length 1, float32 [n, d]."""
        if self.net_ is None:
            raise RuntimeError("call fit(images) before transform(images)")
        from vestige.nets.encoders import encode

        small = shrink(images, self.size)
        same_width(int(np.prod(small.shape[1:])), int(np.prod(self.shape_)))
        rows = encode(self.net_, small, self.layer)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(length > 0, length, 1), np.float32)


@dataclass
class ContrastiveFeatures(SelfSupervised):
    """Two views of an image lie nearer to each other than to any other image (NT-Xent).

    Temperature .1; views: shift of 1/16 of the side, rotation of 5 degrees, scale of 5 %, gamma
    .8 to 1.25, noise of .02, a blank square of a quarter of the side. The output is the mean map
    below the projector, [8 width]. Source: Dar et al., Nature Biomedical Engineering 2025,
    doi:10.1038/s41551-025-01468-8; Chen et al., SimCLR, arXiv:2002.05709; docs/methods.md 2.14.
    """

    kind: ClassVar[str] = "contrastive"


@dataclass
class SsimFeatures(SelfSupervised):
    """The cosine of two outputs [128] estimates the structural similarity of the images.

    Regression by squared error on pairs: half random, a quarter among the 20 nearest in pixels, a
    quarter an image with itself; each side is rotated by up to .17 rad and raised to a gamma of .5
    to 1.5 with probability .33. Source: Scardace et al., DeepSSIM, arXiv:2509.16582;
    docs/methods.md 2.14 (no flips: they hide the side of the body).
    """

    kind: ClassVar[str] = "ssim"
