"""Nearest patches at the same place: finds copies of a part of an image."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, groups_of, reference_of
from vestige.features.pixels import as_grey, shrink
from vestige.registry.entries import InputError
from vestige.stats.moments import leading_components
from vestige.stats.neighbours import same_width
from vestige.stats.slices import slices
from vestige.types import Bools, Floats, Images, Ints

FOREGROUND = 0.02
FLOOR = 1e-6
SMALLEST = 16
BLOCK_BYTES = 16 * 2**20
OFFSETS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]


@dataclass
class PatchNearest:
    """Mean of the largest quarter of t(p) = log d_R(p) - log d_S(p) over the places p of an image.

    d_S(p) is the distance of the patch at p to the nearest patch of a generated image, d_R(p) to
    that of an unused real, both at p or one step from it. Patches have mean 0 and norm 1 (those
    of deviation below .02, background, less) and are reduced to `dims` principal components per
    place, generated and reference counting one half each. Places where the query is background
    are left out; an image of background only scores 0. Source: ours, after the patch methods of
    VCMI at ImageCLEFmedical GANs 2023 (CEUR-WS 3497); docs/methods.md 2.17.

    Parameters
    ----------
    size : int
        Side in pixels; smaller images stay as they are. Patches have a quarter of it, stand an
        eighth apart and are searched one thirty-second (4 px of 128) each way.
    dims : int
        Components per place.
    """

    size: int = 128
    dims: int = 16
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        images = self._images(generated)
        if min(images.shape[1:]) < SMALLEST:
            raise InputError(
                f"patch_nearest needs images of at least {SMALLEST} px, got {images.shape[1:]}."
            )
        self.generated_ = images
        self.reference_ = None if unused is None else self._images(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        generated = fitted(self.generated_, "patch_nearest")
        if self.reference_ is None:
            reference_of(None, "patch_nearest")  # raises, and says what to give
        reference = fitted(self.reference_, "patch_nearest")
        return self._score(self._images(images), generated, reference, None)

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort; each image's reference is the rest of the cohort without its group."""
        generated = fitted(self.generated_, "patch_nearest")
        cohort = self._images(pool)
        codes = np.unique(groups_of(groups, len(cohort)), return_inverse=True)[1]
        if codes.max() == 0:
            raise InputError("patch_nearest needs images of at least two groups.")
        return self._score(cohort, generated, cohort, codes)

    def _images(self, source: Any) -> Images:
        return shrink(as_grey(source, self.size), self.size)

    def _score(
        self, queries: Images, generated: Images, reference: Images, codes: Ints | None
    ) -> Floats:
        """One place at a time: neither pool is ever held as patches."""
        for images in (generated, reference):
            same_width(queries[0].size, images[0].size)
        evidence, seen = [], []
        for place in places(queries.shape[1], queries.shape[2]):
            rows, norms = patches(queries, place)
            components = self._components(generated, reference, place)
            projected = rows @ components
            near = _nearest(projected, generated, place, components)
            usual = _nearest(projected, reference, place, components, codes)
            evidence.append(np.log(usual + FLOOR) - np.log(near + FLOOR))
            seen.append(norms > FOREGROUND * np.sqrt(rows.shape[1]))
        foreground = np.stack(seen, axis=1)
        quarter = -(-foreground.sum(axis=1) // 4)
        return mean_of_largest(np.stack(evidence, axis=1), foreground, quarter)

    def _components(self, generated: Images, reference: Images, place: "Place") -> Floats:
        """Leading components [pixels, dims] of both sets' patches at a place."""
        (mean_a, cov_a), (mean_b, cov_b) = (_moments(x, place) for x in (generated, reference))
        gap = (mean_a - mean_b) / 2
        covariance = (cov_a + cov_b) / 2 + np.outer(gap, gap)
        return leading_components(covariance, self.dims)[1]


@dataclass(frozen=True)
class Place:
    """Where a patch stands: top, left, height, width, and one step of the search, in pixels."""

    top: int
    left: int
    height: int
    width: int
    step: int = 0

    def moved(self, y: int, x: int, shape: tuple[int, ...]) -> "Place | None":
        """The place y and x steps away; None outside the image."""
        top, left = self.top + y * self.step, self.left + x * self.step
        inside = 0 <= top <= shape[0] - self.height and 0 <= left <= shape[1] - self.width
        return Place(top, left, self.height, self.width) if inside else None


def places(height: int, width: int) -> list[Place]:
    """A quarter of each side, an eighth apart: 49 places where 8 divides the sides."""
    return [
        Place(top, left, height // 4, width // 4, max(1, height // 32))
        for top in range(0, height - height // 4 + 1, height // 8)
        for left in range(0, width - width // 4 + 1, width // 8)
    ]


def patches(images: Images, place: Place) -> tuple[Floats, Floats]:
    """Patches as rows of mean 0 [n, pixels] and at most norm 1, and their norms before [n].

    Background is divided by the norm at the threshold, not by its own: noise stays small.
    """
    y, x = place.top, place.left
    part = images[:, y : y + place.height, x : x + place.width]
    rows = part.reshape(len(images), -1).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows /= np.maximum(norms, FOREGROUND * np.sqrt(rows.shape[1]))[:, None]
    return rows, norms


def mean_of_largest(evidence: Floats, seen: Bools, counts: Ints) -> Floats:
    """Mean of each row's `counts` largest values where seen, [n]; 0 where the count is 0."""
    order = -np.sort(-np.where(seen, evidence, -np.inf), axis=1)
    taken = np.arange(evidence.shape[1]) < counts[:, None]
    return np.asarray(np.where(taken, order, 0.0).sum(axis=1) / np.maximum(counts, 1))


def _nearest(
    rows: Floats, pool: Images, place: Place, components: Floats, codes: Ints | None = None
) -> Floats:
    """Distance [n] of each projected row to the nearest patch around a place of any pool image.

    `codes`: groups of the pool's images, which are the rows'; the own group is left out.
    """
    squares = np.einsum("ij,ij->i", rows, rows)[:, None]
    best = np.full(len(rows), np.inf)
    for block in _blocks(len(pool), max(len(rows), place.height * place.width)):
        for offset in OFFSETS:
            moved = place.moved(*offset, pool.shape[1:])
            if moved is None:
                continue
            others = patches(pool[block], moved)[0] @ components
            gaps = np.einsum("ij,ij->i", others, others) - 2 * rows @ others.T
            gaps += squares
            if codes is not None:
                gaps[codes[:, None] == codes[block]] = np.inf
            nearest = gaps.argmin(axis=1)
            # again by subtraction: the products lose what separates near copies
            exact = np.sqrt(((rows - others[nearest]) ** 2).sum(axis=1))
            own = np.isinf(gaps[np.arange(len(rows)), nearest])
            np.minimum(best, np.where(own, np.inf, exact), out=best)
    return best


def _moments(images: Images, place: Place) -> tuple[Floats, Floats]:
    """Mean and covariance of the patches at a place, streamed, float64."""
    total = np.zeros(place.height * place.width)
    products = np.zeros((len(total),) * 2)
    for block in _blocks(len(images), len(total)):
        rows = patches(images[block], place)[0]
        total += rows.sum(axis=0)
        products += rows.T @ rows
    mean = total / len(images)
    return mean, products / len(images) - np.outer(mean, mean)


def _blocks(n: int, width: int) -> Iterator[slice]:
    return slices(n, max(1, BLOCK_BYTES // (8 * width)))
