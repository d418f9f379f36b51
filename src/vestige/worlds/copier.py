"""A generator whose leak is set by hand: a share of its samples are near-copies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from vestige.images.kinds import kind_of
from vestige.registry.entries import InputError
from vestige.types import Float32s, Floats, Images, Ints, Progress, quiet

COMPONENTS = 16  # of the Gaussian that makes fresh images when no strangers are given
WARP = 0.02  # sd of the warp of fresh images, as a share of their side
KNOTS = 5  # of the warp per side: about one bend per quarter of the image


@dataclass
class Copier:
    """Return near-copies of training images in a known share of the samples.

    A copy is its source turned and shifted a little, blurred, and with new noise; a volume turns
    about an axis of its own. The other
    samples are *fresh*: with `strangers` at hand, mixes of three to five of those, each warped by
    its own smooth field, so that training images leave no trace in them at all. Without
    strangers they are draws of a Gaussian of rank 16 fitted on the training images: blurry, and
    not quite innocent, since mean and main components of the training set show in them.

    It is a test object, not a model of how real generators memorise.

    Parameters
    ----------
    share : float
        Share of near-copies among the samples, 0..1; exactly ``round(share * m)`` of them. They are
        dealt out evenly: no training image has two copies before each has one.
    rotation : float
        Largest turn of a copy, degrees.
    shift : float
        Largest shift of a copy along each axis, as a share of the side.
    blur : float
        Standard deviation of the blur of a copy, pixels.
    noise : float
        Standard deviation of the noise put on every sample, grey levels of 0..1.
    """

    share: float = 0.1
    rotation: float = 2.0
    shift: float = 0.01
    blur: float = 0.5
    noise: float = 0.01
    figures: dict[str, float | str] = field(init=False, default_factory=dict, repr=False)
    images_: Images | None = field(init=False, default=None, repr=False)
    strangers_: Images | None = field(init=False, default=None, repr=False)

    def fit(
        self,
        images: npt.NDArray[Any],
        seed: int = 0,
        *,
        strangers: npt.NDArray[Any] | None = None,
        folder: Path | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """Keep the training images (a copier has nothing to learn; `seed` changes nothing).

        Parameters
        ----------
        images, strangers : n and k images of one kind and size
            Grey [n, h, w], colour [n, h, w, 3] or volumes [n, s, s, s]; uint8, or floats in 0..1.
            Strangers took no part in training; three or more.

        Raises
        ------
        InputError
            For arrays of another kind, too few images, or an option out of its range.
        """
        del seed, folder, progress
        for name, high in (("share", 1.0), ("rotation", 180.0), ("shift", 1.0)):
            if not 0 <= getattr(self, name) <= high:
                raise InputError(f"{name} must lie in 0..{high:g}, it is {getattr(self, name)}.")
        if not (self.blur >= 0 and self.noise >= 0):
            raise InputError(
                f"blur and noise must be 0 or more, they are {self.blur} and {self.noise}."
            )
        reals = _in_floats(images, "training images")
        others = None if strangers is None else _in_floats(strangers, "strangers")
        if others is not None and (len(others) < 3 or others.shape[1:] != reals.shape[1:]):
            raise InputError(
                f"mixes need 3 or more strangers of shape {reals.shape[1:]}, "
                f"{len(others)} of shape {others.shape[1:]} were given."
            )
        if others is None and self.share < 1 and len(reals) < 2:
            raise InputError("one training image is too few to make fresh images: give strangers.")
        self.images_, self.strangers_ = reals, others
        return self

    def sample(self, m: int, seed: int = 0) -> Images:
        """Draw `m` images of the shape of the training images, float32, 0..1 in steps of 1/255."""
        return self.sample_with_sources(m, seed)[0]

    def sample_with_sources(
        self, m: int, seed: int = 0, twin: Images | None = None
    ) -> tuple[Images, Ints]:
        """Draw `m` images, and say which training image each one copies.

        Two copiers with equal options and strangers draw the same fresh images at the same places,
        whatever they were trained on.

        Parameters
        ----------
        twin : images, optional
            What such another copier drew with this seed: the fresh ones are taken from there.

        Returns
        -------
        images : float32, m of the shape of the training images
            0..1 in steps of 1/255.
        sources : int64 [m]
            Row of the training image; -1 for a fresh image.
        """
        if self.images_ is None:
            raise RuntimeError("call fit(images) before sample(m)")
        if m < 1:
            raise InputError(f"the number of samples must be 1 or more, {m} was given.")
        places, copying, mixing = np.random.default_rng(seed).spawn(3)
        rows = places.permutation(m)[: round(self.share * m)]
        sources = np.full(m, -1, np.int64)
        sources[rows] = _deal(copying, len(self.images_), rows.size)
        fresh = np.flatnonzero(sources < 0)
        out = np.empty((m, *self.images_.shape[1:]), np.float32)
        for row in rows:
            out[row] = self._near_copy(self.images_[sources[row]], copying)
        if twin is not None:
            out[fresh] = twin[fresh]
        elif self.strangers_ is None:
            out[fresh] = _gaussian(self.images_, fresh.size, mixing)
            out[fresh] += self.noise * mixing.standard_normal(out[fresh].shape, np.float32)
        else:
            for row in fresh:
                out[row] = _mix(self.strangers_, mixing)
                out[row] += self.noise * mixing.standard_normal(out[row].shape, np.float32)
        return np.rint(np.clip(out, 0, 1) * 255) / np.float32(255), sources

    def _near_copy(self, image: Float32s, rng: np.random.Generator) -> Float32s:
        sides = _sides(image)
        turn = _turn(np.deg2rad(rng.uniform(-self.rotation, self.rotation)), len(sides), rng)
        middle = (np.array(sides) - 1) / 2
        moved = rng.uniform(-self.shift, self.shift, len(sides)) * sides
        offset = middle - turn @ (middle + moved)

        def copied(channel: Float32s) -> Float32s:
            # cubic, so that the turn adds no blur of its own; edges repeat
            copy = ndimage.affine_transform(channel, turn, offset, mode="nearest")
            return np.asarray(ndimage.gaussian_filter(copy, self.blur) if self.blur else copy)

        noise = self.noise * rng.standard_normal(image.shape, np.float32)
        return np.asarray(_by_channel(image, copied) + noise, np.float32)


def _sides(image: Float32s) -> tuple[int, ...]:
    """Sides of one image of any kind, without its channels."""
    return image.shape[:2] if kind_of((1, *image.shape)) == "colour" else image.shape


def _by_channel(image: Float32s, change: Callable[[Float32s], Float32s]) -> Float32s:
    """One image with each of its channels changed in the same way."""
    if kind_of((1, *image.shape)) != "colour":
        return change(image)
    return np.stack([change(image[..., channel]) for channel in range(3)], axis=2)


def _turn(angle: float, axes: int, rng: np.random.Generator) -> Floats:
    """The matrix of a turn of a picture, or of a volume about a random axis (Rodrigues)."""
    cos, sin = np.cos(angle), np.sin(angle)
    if axes == 2:
        return np.array([[cos, sin], [-sin, cos]])
    x, y, z = (axis := rng.standard_normal(3)) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + sin * cross + (1 - cos) * (cross @ cross))


def _in_floats(images: npt.NDArray[Any], what: str) -> Images:
    images = np.asarray(images)
    if not images.size:
        raise InputError(f"{what} must be an array of images, the shape is {images.shape}.")
    kind_of(images.shape)
    if images.dtype == np.uint8:
        return np.asarray(images.astype(np.float32) / np.float32(255), np.float32)
    if not np.issubdtype(images.dtype, np.floating):
        raise InputError(f"{what} must be uint8 or floats in 0..1, the type is {images.dtype}.")
    if not (images.min() >= 0 and images.max() <= 1):  # false for NaN, too
        raise InputError(f"{what} must lie in 0..1: divide by the largest possible value.")
    return np.asarray(images, np.float32)


def _deal(rng: np.random.Generator, n: int, count: int) -> Ints:
    """`count` of n rows in random order; none comes again before all have come."""
    rounds = [rng.permutation(n) for _ in range(-(-count // n))]
    return np.concatenate([np.empty(0, np.int64), *rounds])[:count]


def _mix(strangers: Images, rng: np.random.Generator) -> Float32s:
    """A convex combination of three to five strangers, each warped on its own."""
    count = min(int(rng.integers(3, 6)), len(strangers))
    chosen = rng.choice(len(strangers), count, replace=False)
    weights = rng.dirichlet(np.full(count, 0.2))
    out = np.zeros(strangers.shape[1:], np.float32)
    for row, weight in zip(chosen, weights, strict=True):
        out += np.float32(weight) * _warp(strangers[row], rng)
    return out


def _warp(image: Float32s, rng: np.random.Generator) -> Float32s:
    sides = _sides(image)
    knots = rng.standard_normal((len(sides), *[KNOTS] * len(sides)), np.float32)
    places = []
    for axis, side in enumerate(sides):
        field = knots[axis]
        for along, length in enumerate(sides):
            field = np.moveaxis(np.moveaxis(field, along, -1) @ _spread(length).T, -1, along)
        start = np.arange(side, dtype=np.float32).reshape(-1, *[1] * (len(sides) - 1 - axis))
        places.append(field * (WARP * side) + start)

    def warped(channel: Float32s) -> Float32s:
        return np.asarray(ndimage.map_coordinates(channel, places, order=1, mode="nearest"))

    return np.asarray(_by_channel(image, warped), np.float32)


@cache
def _spread(side: int) -> Float32s:
    """Weights [side, KNOTS] that spread values at the knots smoothly over an axis."""
    gap = np.linspace(0, KNOTS - 1, side)[:, None] - np.arange(KNOTS)
    weights = np.exp(-0.5 * (gap / 0.6) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return np.asarray(weights, np.float32)


def _gaussian(images: Images, count: int, rng: np.random.Generator) -> Images:
    flat = images.reshape(len(images), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    _, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
    rank = min(COMPONENTS, len(images) - 1)
    spread = scale[:rank] / np.sqrt(len(images) - 1)
    drawn = mean + (rng.standard_normal((count, rank)) * spread) @ axes[:rank]
    return np.asarray(drawn.reshape(count, *images.shape[1:]), np.float32)
