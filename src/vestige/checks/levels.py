"""The levels of copies that are planted: from the image itself to a faint trace of it.

A level is a pure function of images of any kind at the working size. Each but the first is
something that generators, their training or a release are known to do to an image. A volume is
saved, and turned by quarters, slice by slice; it is shifted, cropped and turned a little in space.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from vestige.decision.sentences import LEVELS as NAMES
from vestige.images.kinds import in_view, inside, kind_of, slice_by_slice
from vestige.schema.records import LevelCode
from vestige.symmetries import Symmetry
from vestige.types import Float32s, Floats, Images

Degrade = Callable[[Images, Images, np.random.Generator], Images]
"""(images, partners, rng) -> copies, all float32 and of one kind, 0..1, in memory of their own.

Partners are generated images, one for each image."""
QUALITY, SHIFT, TENTH, CROP, TURN, BLEND = 75, 2, 0.1, 0.8, 3.0, 0.7
GAMMAS = (1.25, 0.8)


@dataclass(frozen=True)
class Level:
    """A kind of copy: its code in result.json, how it is called, and how it is made."""

    code: LevelCode
    name: str
    degrade: Degrade


def unchanged(images: Images, partners: Images, rng: np.random.Generator) -> Images:
    """The images themselves."""
    return np.array(images, np.float32)


def saved_again(images: Images, partners: Images, rng: np.random.Generator) -> Images:
    """Through 8 bits and JPEG of quality 75; colour with chroma at half the side."""
    from PIL import Image

    out = np.empty(images.shape, np.float32)
    parts = images, out
    if kind_of(images.shape) == "volume":
        parts = slice_by_slice(images), slice_by_slice(out)
    for image, saved in zip(*parts, strict=True):
        file = BytesIO()
        levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(levels).save(file, "JPEG", quality=QUALITY)
        saved[:] = np.asarray(Image.open(file), np.float32) / np.float32(255)
    return out


def turned_as(symmetry: Symmetry) -> Degrade:
    """The images as a symmetry of the square shows them."""

    def degrade(images: Images, partners: Images, rng: np.random.Generator) -> Images:
        return np.array(in_view(images, symmetry), np.float32, order="C")

    return degrade


def shifted_pixels(images: Images, partners: Images, rng: np.random.Generator) -> Images:
    """Two pixels down and to the right, of volumes along each axis; the border is repeated."""
    return _shifted(images, SHIFT)


def shifted_tenth(images: Images, partners: Images, rng: np.random.Generator) -> Images:
    """A tenth of the side down and to the right, or along each axis; the border is repeated."""
    return _shifted(images, max(1, round(TENTH * images.shape[1])))


def cropped(images: Images, partners: Images, rng: np.random.Generator) -> Images:
    """The middle 80 % of each side, enlarged again to the whole image."""
    if kind_of(images.shape) == "volume":
        return _sampled_in_space(images, CROP * np.eye(3))
    y, x = _from_middle(images.shape[1])
    return _sampled(images, CROP * y, CROP * x)


def inverted(images: Images, partners: Images, rng: np.random.Generator) -> Images:
    """Black for white."""
    return np.asarray(1 - images, np.float32)


def gamma(images: Images, partners: Images, rng: np.random.Generator) -> Images:
    """To the power of 1.25 or .8, drawn for each image."""
    each = (len(images), *(1 for _ in inside(images)))
    powers = rng.choice(np.array(GAMMAS, np.float32), size=each)
    return np.asarray(np.clip(images, 0, 1) ** powers, np.float32)


def turned(images: Images, partners: Images, rng: np.random.Generator) -> Images:
    """Three degrees about the middle, of volumes about the diagonal; the border is repeated."""
    cos, sin = np.cos(np.radians(TURN)), np.sin(np.radians(TURN))
    if kind_of(images.shape) == "volume":
        across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
        return _sampled_in_space(images, cos * np.eye(3) + sin * across + (1 - cos) / 3)
    y, x = _from_middle(images.shape[1])
    return _sampled(images, cos * y + sin * x, cos * x - sin * y)


def blended(images: Images, partners: Images, rng: np.random.Generator) -> Images:
    """Seven parts of the image, three of a generated one."""
    return np.asarray(BLEND * images + (1 - BLEND) * partners, np.float32)


def _shifted(images: Images, step: int) -> Float32s:
    side, sides = images.shape[1], 3 if kind_of(images.shape) == "volume" else 2
    before = [(step if 1 <= axis <= sides else 0, 0) for axis in range(images.ndim)]
    padded = np.pad(images, before, mode="edge")
    return np.array(padded[(slice(None), *(slice(side) for _ in range(sides)))], np.float32)


def _from_middle(side: int) -> tuple[Floats, Floats]:
    """Row and column of each pixel, counted from the middle of the image."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    return y, x


def _sampled(images: Images, y: Floats, x: Floats) -> Float32s:
    """Pictures at places [s, s] that count from their middle, linear between pixels."""
    side = images.shape[1]
    y, x = (np.clip(at + (side - 1) / 2, 0, side - 1) for at in (y, x))
    top, left = (np.minimum(at.astype(np.int64), side - 2) for at in (y, x))
    each = (side, side, *(1 for _ in images.shape[3:]))
    down, right = ((at - low).astype(np.float32).reshape(each) for at, low in ((y, top), (x, left)))
    above = images[:, top, left] * (1 - right) + images[:, top, left + 1] * right
    below = images[:, top + 1, left] * (1 - right) + images[:, top + 1, left + 1] * right
    return np.array(above * (1 - down) + below * down, np.float32, order="C")


def _sampled_in_space(volumes: Images, matrix: Floats) -> Float32s:
    """Volumes at matrix @ place, counted from their middle, linear between voxels."""
    from scipy.ndimage import affine_transform

    middle = np.full(3, (volumes.shape[1] - 1) / 2)
    offset, out = middle - matrix @ middle, np.empty(volumes.shape, np.float32)
    for k, volume in enumerate(volumes):
        affine_transform(volume, matrix, offset, output=out[k], order=1, mode="nearest")
    return out


_DEGRADE: dict[LevelCode, Degrade] = {
    "verbatim": unchanged,
    "jpeg_75": saved_again,
    "mirrored": turned_as("mirrored"),
    "quarter_turn": turned_as("quarter turn"),
    "shift_10": shifted_tenth,
    "crop_80": cropped,
    "inverted": inverted,
    "gamma": gamma,
    "turn_3": turned,
    "shift_2_px": shifted_pixels,
    "blend_70": blended,
}
LEVELS: dict[LevelCode, Level] = {
    code: Level(code, NAMES[code], degrade) for code, degrade in _DEGRADE.items()
}
"""In the order in which they are told."""
REQUIRED: tuple[LevelCode, ...] = ("verbatim",)
"""Levels that must be seen in any case; mirrored copies too, where the mirror is searched."""
