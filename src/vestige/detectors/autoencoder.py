"""How well an auto-encoder of the generated set draws a real image again; needs `vestige[deep]`."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, reference_of
from vestige.detectors.pair_network import need_torch
from vestige.features.pixels import as_grey, shrink
from vestige.types import Floats, Images

FLOOR = 1e-12


@dataclass
class _AutoEncoders:
    """Options, training and errors.

    Parameters
    ----------
    size : int
        Side in pixels; smaller images stay as they are.
    latent : int
        Numbers between encoder and decoder.
    width : int
        Channels after the first halving; they double with each further one.
    steps, batch : int
        Training steps and images per step.
    learning_rate : float
        Of Adam, at the start; it falls to a twentieth along half a cosine.
    precision : "auto", "float32" or "bfloat16"
        Of the training; errors are computed in float32.
    seed : int
        Of weights and batches.
    """

    name: ClassVar[str] = ""

    size: int = 64
    latent: int = 64
    width: int = 16
    steps: int = 1000
    batch: int = 64
    learning_rate: float = 2e-3
    precision: str = "auto"
    seed: int = 0
    model_: Any = field(init=False, default=None, repr=False, compare=False)

    def _train(self, images: Images) -> Any:
        from vestige.nets.autoencoder import AutoEncoderPlan, fit_autoencoder

        own = {f.name: getattr(self, f.name) for f in fields(AutoEncoderPlan)}
        return fit_autoencoder(images, AutoEncoderPlan(**own))

    def _images(self, source: Any) -> Images:
        return shrink(as_grey(source, self.size), self.size)


@dataclass
class AutoencoderOutlier(_AutoEncoders):
    """Minus the squared error of an image under the auto-encoder of the generated set.

    Attacker: holds the released set only. Source: team VCMI, ImageCLEFmedical GANs 2023 (CEUR-WS
    3497); docs/methods.md 2.2. Every twentieth generated image, in the order of its pixels' digest,
    is held out. The paper calls an image used when its error is at most the mean plus 3 standard
    deviations of `held_out_` (1 in its form with two decoders): not applied here, detectors only
    score. Ours: 64 px and 64 latent numbers without a mean over places before them (the paper: 256
    px, 128).
    """

    name: ClassVar[str] = "autoencoder_outlier"

    held_out_: Floats | None = field(init=False, default=None, repr=False, compare=False)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Train on 95 % of the generated set (all of fewer than 20); the rest is ignored."""
        need_torch(self.name)
        from vestige.nets.autoencoder import errors
        from vestige.nets.pairs import content_order

        images = self._images(generated)
        order = content_order(images)
        self.model_ = self._train(images[np.delete(order, slice(19, None, 20))])
        self.held_out_ = errors(self.model_, images[order[19::20]])
        return self

    def score_samples(self, images: Any) -> Floats:
        """Minus the mean squared error over pixels of grey level 0..1, float64 [n]."""
        model = fitted(self.model_, self.name)
        from vestige.nets.autoencoder import errors

        return -errors(model, self._images(images))


@dataclass
class ReconstructionAutoencoder(_AutoEncoders):
    """log e_R(x) - log e_S(x), e the squared error under the auto-encoder of R or S.

    Both are trained alike: same first weights, same steps. Source: docs/methods.md 2.16.
    """

    name: ClassVar[str] = "reconstruction_autoencoder"

    usual_: Any = field(init=False, default=None, repr=False, compare=False)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Train on the generated set and on the reference; `used` is ignored."""
        need_torch(self.name)
        self.model_ = self._train(self._images(generated))
        self.usual_ = None if unused is None else self._train(self._images(unused))
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        fitted(self.model_, self.name)
        if self.usual_ is None:
            reference_of(None, self.name)  # says what to give
        return self._ratio(self.usual_, self._images(images))

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort against the auto-encoder of the whole cohort.

        It has seen every image it draws again: the same for all of them, whatever their group.
        """
        fitted(self.model_, self.name)
        cohort = self._images(pool)
        return self._ratio(self._train(cohort), cohort)

    def _ratio(self, usual: Any, images: Images) -> Floats:
        from vestige.nets.autoencoder import errors

        known, model = errors(usual, images) + FLOOR, errors(self.model_, images) + FLOOR
        return np.asarray(np.log(known) - np.log(model))
