"""Where in two images their match lies: a map of what each place adds to the whitened cosine."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vestige.features.in_place import InPlace
from vestige.features.pixels import as_rows, stacks_of
from vestige.features.whitening import unit
from vestige.images.kinds import Kind, in_view, kind_of
from vestige.symmetries import INVERSE, VIEWS, Symmetry
from vestige.types import Float32s, Images, Ints

SIZES: dict[Kind, int] = {"grey": 32, "colour": 32, "volume": 16}
"""Side at which images are compared, as in the search for copies."""
RIDGE = 0.1
SMOOTHED = 1 / 16
"""Standard deviation of the smoothing, in shares of the side."""
AROUND = 1 / 8
"""The same of the neighbourhood in which two images have to agree."""
AGREED = 4
"""Power of the agreement: what matches by chance in a small place disagrees around it."""
STRONG = 0.9
"""Of the places by how strongly both images match themselves; a map is bright from there on."""
FOLDS = 4
MOST = 400
"""Reals that whiten; with their mirrored copies twice as many rows."""
STRANGERS = 24
FEWEST = 8
"""Reals of other patients without which nothing can be told apart."""


@dataclass(frozen=True, eq=False)
class Explainer:
    """The reals of an audit [n, ...], of any kind, and the groups [n] that they belong to.

    The product of two whitened images, value by value, adds up to their whitened cosine up to
    scale: it is the contribution of each place. It is smoothed, and what an image shares with
    strangers in the same place is taken off: one standard deviation of the smoothed products with
    other patients. What is left above zero is multiplied by the agreement around the place: the
    fourth power of the cosine of the two images in a wider neighbourhood, in units in which the
    best place keeps its cosine. That is the map.

    The whitening is that of the matched filter (`vestige.detectors.matched_filter`): by the reals
    and their mirrored copies. Patients fall into `FOLDS` parts, and a pair is whitened by the
    patients of the other parts: an image that whitens itself has nothing of its own left.

    reals : float32 [n, ...], 0..1; groups : integers [n]
    """

    reals: Images
    groups: Ints

    _kept: dict[int, tuple[InPlace, Float32s]] = field(init=False, default_factory=dict, repr=False)
    """Of each part, once a pair of it was asked for."""

    def explain(self, real: int, generated: Float32s, view: Symmetry = "identity") -> Float32s:
        """The map of the real image of this row and a generated one, in the view of the real one.

        Parameters
        ----------
        generated : float32 [...], of the kind of the reals, 0..1
        view : symmetry
            The symmetry in which the pair matches, as of a `Copy`; it is undone first.

        Returns
        -------
        float32 [s, s], of volumes [s, s, s]
            0 to 1; 1 where the two match as strongly as each matches itself in its strong places.
            All 0 where nothing matches, and where there are fewer than `FEWEST` reals of other
            patients.
        """
        filters, strangers = self._fold(real)
        turned = in_view(np.asarray(generated)[np.newaxis], INVERSE[view])
        first, second = filters.apply(self._rows(np.concatenate([self._one(real), turned])))
        products = self._places(np.stack([first * second, first**2, second**2]))
        places, own, made = _smoothed(products)
        full = np.quantile(np.sqrt(own * made), STRONG)
        if len(strangers) < FEWEST or full <= 0:
            return np.zeros_like(places)
        usual = _smoothed(self._places(strangers * second))
        left = (places - np.sqrt(np.mean(usual**2, axis=0))) * _agreement(products)
        return np.asarray(np.clip(left / full, 0, 1), np.float32)

    def nearest_view(self, real: int, generated: Float32s) -> Symmetry:
        """The view, as it is or mirrored, with the larger whitened cosine."""
        filters, views = self._fold(real)[0], VIEWS["mirror"]
        one = np.asarray(generated)[np.newaxis]
        seen = np.concatenate([self._one(real), *(in_view(one, INVERSE[view]) for view in views)])
        own, *made = filters.apply(self._rows(seen))
        return views[int(np.argmax(unit(np.stack(made)) @ own))]

    @cached_property
    def mean(self) -> Float32s:
        """The mean of some of the reals, of their shape: it is like all of them and like none."""
        step = max(1, len(self.reals) // MOST)
        return np.asarray(np.mean(self.reals[::step], axis=0), np.float32)

    def _one(self, real: int) -> Images:
        return np.asarray(self.reals[real : real + 1])

    def _fold(self, real: int) -> tuple[InPlace, Float32s]:
        fold = int(self.groups[real]) % FOLDS
        if fold not in self._kept:
            self._kept[fold] = self._whitened(fold)
        return self._kept[fold]

    def _whitened(self, fold: int) -> tuple[InPlace, Float32s]:
        """The whitening of the patients of other parts, and some of them whitened."""
        others = np.flatnonzero(self.groups % FOLDS != fold)[:MOST]
        images = np.asarray(self.reals[others], np.float32)
        if not len(others):
            nobody = np.zeros_like(self._rows(self.reals[:1]))
            return InPlace.of(nobody, RIDGE), nobody[:0]
        rows = self._rows(images)
        mirrored = self._rows(in_view(images, "mirrored"))
        filters = InPlace.of(np.concatenate([rows, mirrored]), RIDGE)
        return filters, filters.apply(rows[:STRANGERS])

    def _rows(self, images: Images) -> Float32s:
        return as_rows(stacks_of(np.asarray(images, np.float32), SIZES[kind_of(images.shape)]))

    def _places(self, products: Float32s) -> Float32s:
        """Products of rows [k, d] at their places, [k, s, s] or [k, s, s, s]; chroma is added."""
        shapes = [stack.shape[1:] for stack in stacks_of(self.reals[:1], self._size)]
        side, start = shapes[0][-1], int(np.prod(shapes[0]))
        volume = kind_of(self.reals.shape) == "volume"
        places = products[:, :start].reshape(-1, *(side,) * (3 if volume else 2))
        for shape in shapes[1:]:
            stop = start + int(np.prod(shape))
            planes = products[:, start:stop].reshape(-1, *shape).sum(axis=1)
            start = stop
            where = np.arange(side) * shape[-1] // side  # a chroma pixel stands for several
            share = np.float32((shape[-1] / side) ** 2)
            places = places + planes[:, where][:, :, where] * share
        return places

    @property
    def _size(self) -> int:
        return SIZES[kind_of(self.reals.shape)]


def _agreement(products: Float32s) -> Float32s:
    """How far two images agree around each place, 0..1, from their products and squares [3, ...].

    The largest value is the largest cosine; all others fall with the power `AGREED`.
    """
    both, own, made = _smoothed(products, AROUND)
    cosine = np.clip(both / np.sqrt(np.maximum(own * made, np.finfo(np.float32).tiny)), 0, 1)
    return np.asarray(cosine * (cosine / max(float(cosine.max()), 1e-6)) ** (AGREED - 1))


def _smoothed(places: Float32s, width: float = SMOOTHED) -> Float32s:
    """Maps [k, s, s] or [k, s, s, s] in a Gaussian; nothing lies beyond the edge.

    width : its standard deviation, in shares of the side
    """
    axis = np.arange(side := places.shape[-1])
    kernel = np.exp(-0.5 * ((axis - axis[:, np.newaxis]) / (width * side)) ** 2)
    kernel = (kernel / kernel.sum(axis=0).max()).astype(np.float32)
    for k in range(1, places.ndim):
        places = np.moveaxis(np.moveaxis(places, k, -1) @ kernel, -1, k)
    return np.asarray(places)
