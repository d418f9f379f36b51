"""Largest cosine with the generated set in the features of an ImageNet network (Medhastra).

docs/methods.md 1.3. The paper's decisions are in `vestige.detectors.cosine_rules`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vestige.cache.feature_rows import array_sha256
from vestige.detectors.cosine_rules import GeneratedMaxima
from vestige.detectors.inputs import fitted, groups_of
from vestige.detectors.labelled_set import labelled
from vestige.detectors.saving import read_model, write_model
from vestige.features import build_backbone
from vestige.features.pixels import as_pictures
from vestige.registry.entries import InputError
from vestige.stats.logistic import fit_logistic, logits
from vestige.stats.neighbours import CANDIDATES, same_width, top_products
from vestige.types import Embedder, Floats, Images, Ints, Progress, quiet

BLOCK = 2**23  # products held at a time


def unit(rows: npt.NDArray[Any]) -> Floats:
    """Rows of length 1, float64; a zero row stays zero, so that its cosines are 0."""
    rows = rows.astype(np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1))


def most_similar(
    rows: Floats, pool: Floats, k: int, penalty: Floats | None = None
) -> tuple[Floats, Ints]:
    """The k largest cosines [n, k], descending, and their rows of the pool.

    Both sides are unit rows. `penalty` [m] is subtracted from the cosines with each pool row. The
    search is in float32, the values are computed again in float64; ties among the candidates: the
    lower row first.
    """
    if k < 1:
        raise InputError(f"top_k must be 1 or more, {k} was given.")
    keep = min(len(pool), max(CANDIDATES, k))
    offset = np.zeros(len(pool)) if penalty is None else -penalty
    found = top_products(rows.astype(np.float32), pool.astype(np.float32), keep, offset=offset)
    found = np.sort(found, axis=1)
    values = np.stack(
        [
            np.einsum("ij,j->i", pool[chosen], row) + offset[chosen]
            for row, chosen in zip(rows, found, strict=True)
        ]
    )
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(values, order, 1), np.take_along_axis(found, order, 1)


@dataclass
class CosineThreshold:
    """Mean of the `top_k` largest cosines with generated images.

    Attacker: holds the released set only. Source: Chandrasekar et al., CEUR-WS 4038 paper 184,
    2025 (team Medhastra); docs/methods.md 1.3. ImageNet cosines of CT slices lie close to 1: only
    their order means something, and the paper's own threshold is `cosine_rules.rule_unknown`.

    Parameters
    ----------
    backbone, weights, size, batch, precision, seed, cache
        See `vestige.features.backbones.Backbone`.
    top_k : int
        Cosines averaged.
    """

    backbone: str = "resnet50"
    weights: str = ""
    size: int = 224
    top_k: int = 1
    batch: int = 32
    precision: str = "auto"
    seed: int = 0
    cache: str | None = None
    embed_: Embedder = field(init=False, repr=False, compare=False)
    generated_: Floats | None = field(init=False, default=None, repr=False, compare=False)
    pixels_: int = field(init=False, default=0, repr=False, compare=False)
    fitted_to_: str = field(init=False, default="", repr=False, compare=False)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Embed the generated set; `used` and `unused` are ignored."""
        images = as_pictures(generated, self.size)
        asked = f"{array_sha256(images)} {self!r}"
        if asked == self.fitted_to_:  # fitted again for another fold: the set is the same
            return self
        self.embed_ = self._backbone()
        self.pixels_ = images[0].size
        self.generated_ = unit(self.embed_.fit(images).transform(images))
        self.fitted_to_ = asked
        return self

    def score_samples(self, images: Any) -> Floats:
        """Mean of the largest cosines, float64 [n]: 1 for a verbatim copy with top_k=1."""
        return np.asarray(self.nearest(images, self.top_k)[0].mean(axis=1))

    def nearest(self, images: Any, k: int) -> tuple[Floats, Ints]:
        """Cosines [n, k] and rows [n, k] of the most similar generated images."""
        pool = fitted(self.generated_, "cosine_threshold")
        return most_similar(self.embed(as_pictures(images, self.size)), pool, k)

    def embed(self, images: Images) -> Floats:
        """Unit features, float64 [n, width], of images of the size of the generated ones."""
        same_width(images[0].size, self.pixels_)
        return unit(self.embed_.transform(images))

    def _backbone(self) -> Embedder:
        names = ("weights", "size", "batch", "precision", "seed", "cache")
        return build_backbone(self.backbone, **{name: getattr(self, name) for name in names})

    def maxima(self, used: Any, unused: Any) -> GeneratedMaxima:
        """S_u and S_n of every generated image, for the rules of the paper.

        Raises
        ------
        InputError
            When one of the labelled sets is missing.
        """
        pool = fitted(self.generated_, "cosine_threshold")
        sides = []
        for images, name in ((used, "used"), (unused, "unused")):
            if images is None:
                raise InputError(f"rule_generated compares used with unused reals: {name} missing.")
            sides.append(self.embed(as_pictures(images, self.size)))
        max_used, max_unused = (most_similar(pool, rows, 1)[0][:, 0] for rows in sides)
        known = np.concatenate(sides)
        mean = float(pool.mean(axis=0) @ known.mean(axis=0))
        squares = float(np.sum((pool.T @ pool) * (known.T @ known))) / (len(pool) * len(known))
        deviation = float(np.sqrt(max(squares - mean**2, 0)))
        return GeneratedMaxima(max_used, max_unused, mean, deviation)


@dataclass
class CosineLogistic(CosineThreshold):
    """Logistic regression on the largest cosine, and on the largest lead over unused reals.

    z1 = max_g cos(x, g); z2 = max_g [cos(x, g) - max over unused x' of other groups cos(x', g)];
    both standardised, L2 logistic regression with C = 1 and balanced classes; the score is the
    logit. Attacker: knows some used and unused images. Source: docs/methods.md 1.3 (the paper
    learns from labels that its features define; see `cosine_rules.demo_circular`). `top_k` is not
    used.
    """

    rivals_: Floats | None = field(init=False, default=None, repr=False, compare=False)
    scale_: tuple[Floats, Floats] = field(init=False, repr=False, compare=False)
    model_: Floats = field(init=False, repr=False, compare=False)

    def fit(
        self,
        generated: Any,
        used: Any = None,
        unused: Any = None,
        *,
        groups_used: npt.NDArray[Any] | None = None,
        groups_unused: npt.NDArray[Any] | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """Learn from labelled reals; an unused one is never its own group's rival.

        `groups_used` and `progress` are there because every learning detector has them.

        Raises
        ------
        InputError
            When used or unused images are missing, or the unused are all of one group.
        """
        reals = labelled(used, unused, "cosine_logistic", self.size)
        super().fit(generated)
        pool = fitted(self.generated_, "cosine_logistic")
        known, strangers = (self.embed(images) for images in reals)
        groups = np.unique(groups_of(groups_unused, len(strangers)), return_inverse=True)[1]
        if groups.max() == 0:
            raise InputError("cosine_logistic needs unused images of two groups or more.")
        best, second, holder = best_of_groups(pool, strangers, groups)
        self.rivals_ = best
        features = [self._features(known, best)]
        labels = [True] * len(known)
        for group in range(int(groups.max()) + 1):
            rivals = np.where(holder == group, second, best)
            features.append(self._features(strangers[groups == group], rivals))
            labels += [False] * len(features[-1])
        z = np.concatenate(features)
        deviation = z.std(axis=0)
        self.scale_ = z.mean(axis=0), np.where(deviation > 1e-12, deviation, 1)
        self.model_ = fit_logistic((z - self.scale_[0]) / self.scale_[1], np.array(labels))
        return self

    def score_samples(self, images: Any) -> Floats:
        """Logit of membership, float64 [n]."""
        rivals = fitted(self.rivals_, "cosine_logistic")
        z = self._features(self.embed(as_pictures(images, self.size)), rivals)
        return logits(self.model_, (z - self.scale_[0]) / self.scale_[1])

    def _features(self, rows: Floats, rivals: Floats) -> Floats:
        pool = fitted(self.generated_, "cosine_logistic")
        z1, z2 = (most_similar(rows, pool, 1, penalty)[0][:, 0] for penalty in (None, rivals))
        return np.column_stack([z1, z2])

    def save(self, path: str | os.PathLike[str], training: Mapping[str, Any] | None = None) -> None:
        """Write PATH (.safetensors) and the JSON beside it; holds the network's weights as well.

        `training` is what it learned from, kept in the JSON.
        """
        rivals = fitted(self.rivals_, "cosine_logistic")
        arrays = self.embed_.state() | {  # type: ignore[attr-defined]
            "generated": self.generated_,
            "pixels": np.array(self.pixels_),
            "rivals": rivals,
            "scale": np.stack(self.scale_),
            "model": self.model_,
        }
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        figures = {"parameters": len(self.model_)}
        write_model(path, "cosine_logistic", options, arrays, figures, training)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; needs neither the weights' file nor the images."""
        card, arrays = read_model(path, "cosine_logistic")
        try:
            detector = cls(**card.options)
            detector.generated_, detector.rivals_ = arrays["generated"], arrays["rivals"]
            detector.pixels_, detector.model_ = int(arrays["pixels"]), arrays["model"]
            mean, deviation = arrays["scale"]
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"{path}: its options are not those of cosine_logistic.") from error
        detector.scale_ = mean, deviation
        detector.embed_ = replace(detector, weights="none")._backbone()
        detector.embed_.load_state(arrays)  # type: ignore[attr-defined]
        return detector


def best_of_groups(pool: Floats, rows: Floats, groups: Ints) -> tuple[Floats, Floats, Ints]:
    """Per pool row: its largest cosine with any row, the largest of any other group, the group.

    Parameters
    ----------
    pool, rows : unit rows [m, d] and [n, d]
    groups : int [n]

    Returns
    -------
    best, second : float64 [m]
        `second` leaves out the group that holds `best`.
    holder : int [m]
    """
    best, second = np.full((2, len(pool)), -np.inf)
    holder = np.full(len(pool), -1)
    step = max(1, BLOCK // len(pool))
    order = np.argsort(groups, kind="stable")
    for start in range(0, len(rows), step):
        part = order[start : start + step]
        products = rows[part] @ pool.T
        names, first = np.unique(groups[part], return_index=True)
        for group, largest in zip(names, np.maximum.reduceat(products, first), strict=True):
            own = holder == group
            wins = largest > best
            second = np.where(own, second, np.where(wins, best, np.maximum(second, largest)))
            holder = np.where(wins, group, holder)
            best = np.maximum(best, largest)
    return best, second, holder
