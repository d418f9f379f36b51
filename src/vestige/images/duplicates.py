"""Exact copies by digest, near copies by correlation and structural similarity."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from vestige.images.kinds import Kind, in_grey, kind_of, luma_of, pictures_of, told_of
from vestige.images.preprocess import area_average, shrink_cubes, to_working
from vestige.images.spool import step_of
from vestige.registry.entries import InputError
from vestige.schema.records import Problem
from vestige.stats.slices import slices
from vestige.stats.ssim import Moments, ssim, uniform
from vestige.types import Float32s, Floats, Images, Ints

_SIDE = 32
_CUBE_SIDE = 16
"""Of volumes: 16 x 16 x 16 voxels are as many as 64 x 64 pixels."""
_NEIGHBOURS = 50
_CONFIRM_SIDE = 128
_BLOCK_FLOATS = 2**24
"""Similarities held at once: 64 MB."""
_SLACK = 1e-4
"""float32 products may miss the threshold by less than this; the decision is in float64."""


def content_clusters(sha256: Sequence[str]) -> Ints:
    """Label images by identical content, int [n]; labels count from 0 in order of appearance."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(digest, len(seen)) for digest in sha256], np.int64)


def repeats(
    ids: Sequence[str], sha256: Sequence[str], role: str, kind: Kind = "grey"
) -> list[Problem]:
    """A row if images of a set have the same pixels as others of it: each is told once."""
    seen: set[str] = set()
    again = []
    for identifier, digest in zip(ids, sha256, strict=True):
        if digest in seen:
            again.append(identifier)
        seen.add(digest)
    if not again:
        return []
    what = (
        f"{len(again)} of {len(ids)} {role} images, e.g. this one, repeat others of the set with "
        f"{told_of(kind, 'the same pixels')}: it holds {len(seen)} different images"
    )
    return [Problem(f"{role}/{again[0]}", what, "warning")]


def near_duplicate_groups(
    pixels: Images,
    originals: Callable[[int], Float32s] | None = None,
    threshold: float = 0.98,
    confirm: float = 0.95,
    mirrored: bool = False,
) -> Ints:
    """Label images so that near copies, and what hangs together through them, share a label.

    Two images are near copies if their correlation at 32 x 32 reaches `threshold`, one is among
    the 50 nearest of the other, and their structural similarity (SSIM) reaches `confirm`.
    Identical images always are. Source: docs/methods.md 6.6.

    Colour images are compared by their luma, since a photograph with another white balance shows
    the same patient. Volumes are correlated at 16 x 16 x 16, and their SSIM is the mean of those of
    the middle axial, coronal and sagittal plane.

    Parameters
    ----------
    pixels : float32 [n, s, s], colour [n, s, s, 3] or volumes [n, s, s, s], 0..1
    originals : callable or None
        Image i in full size, for an SSIM at 128 x 128 (of volumes at their own size); without it
        the SSIM is that of `pixels`.
    threshold, confirm : float, -1..1
    mirrored : bool
        Left-right mirrored copies are copies as well; of volumes the last axis is mirrored.

    Returns
    -------
    Ints, shape (n,)
        Labels from 0 in order of appearance. The partition does not depend on the order.

    Raises
    ------
    InputError
        When the images are not square.
    """
    kind_of(pixels.shape)
    if pixels.shape[1] != pixels.shape[2]:
        raise InputError(f"near duplicates need images [n, s, s], found shape {pixels.shape}")
    firsts, copies = content_order(pixels)
    rows, side = _normalised(pixels, firsts)
    at_confirm_size = _confirm_images(pixels, originals, firsts)
    parent = np.arange(len(firsts))
    for turned in (False, True) if mirrored else (False,):
        step = -1 if turned else 1
        for i, j in _candidates(rows, _mirrored(rows, side) if turned else rows, threshold):
            a, b = _root(parent, i), _root(parent, j)
            # the SSIM of a pair that already hangs together cannot change the partition
            if a != b and _ssim(at_confirm_size(i), at_confirm_size(j)[..., ::step]) >= confirm:
                parent[max(a, b)] = min(a, b)
    return content_clusters([str(_root(parent, c)) for c in copies])


def content_order(pixels: Images) -> tuple[Ints, Ints]:
    """One index per distinct image, in an order set by content alone, and each image's place."""
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest() for image in pixels]
    _, firsts, places = np.unique(digests, return_index=True, return_inverse=True)
    return firsts.astype(np.int64), places.ravel().astype(np.int64)


def _normalised(pixels: Images, which: Ints) -> tuple[Float32s, int]:
    """Rows [n, d] of length 1 (0 for a constant image), and the side of what they show.

    Their products are correlations of these images at 32 x 32 pixels or 16 x 16 x 16 voxels.
    """
    parts = slices(len(which), step_of(pixels))
    small = [_small(in_grey(pixels[which[part]])) for part in parts] or [in_grey(pixels)]
    side = small[0].shape[1]
    rows = np.concatenate([part.reshape(len(part), -1) for part in small]).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= rows.std(axis=1, keepdims=True) + 0.02
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 1e-9)
    return np.asarray(rows, np.float32), side


def _small(images: Images) -> Images:
    """Grey images and volumes at the size at which they are correlated."""
    side = images.shape[1]
    if images.ndim == 4:
        return shrink_cubes(images, _CUBE_SIDE)
    if side > _SIDE and side % _SIDE == 0:
        return area_average(images, side // _SIDE)
    if side > _SIDE:
        return np.stack([to_working(image, _SIDE) for image in images])
    return images


def _mirrored(rows: Float32s, side: int) -> Float32s:
    """Rows [n, d] of images with left and right exchanged; `side` pixels lie along this axis."""
    turned = rows.reshape(len(rows), rows.shape[1] // side, side)[:, :, ::-1]
    return np.ascontiguousarray(turned).reshape(rows.shape)


def _candidates(rows: Float32s, others: Float32s, threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs i < j at or above the threshold among the 50 nearest, the most similar first.

    `others` are the rows in the view in which they are compared: as they are, or mirrored.
    """
    n = len(rows)
    step = max(1, _BLOCK_FLOATS // max(n, 1))
    pairs: set[tuple[int, int]] = set()
    for start in range(0, n, step):
        similar = rows[start : start + step] @ others.T
        similar[np.arange(len(similar)), start + np.arange(len(similar))] = -np.inf
        for k in np.flatnonzero((similar >= threshold - _SLACK).any(axis=1)):
            near = np.flatnonzero(similar[k] >= threshold - _SLACK)
            best = near[np.argsort(-similar[k, near], kind="stable")[:_NEIGHBOURS]]
            i = start + int(k)
            pairs.update((min(i, j), max(i, j)) for j in best.tolist())
    if not pairs:
        return
    left, right = np.array(sorted(pairs)).T
    exact = _products(rows, others, left, right)
    for p in np.argsort(-exact, kind="stable"):
        if exact[p] >= threshold:
            yield int(left[p]), int(right[p])


def _products(rows: Float32s, others: Float32s, left: Ints, right: Ints) -> Floats:
    """Correlations of pairs in float64, which do not depend on who stands left."""
    out = np.empty(len(left))
    for start in range(0, len(left), 4096):
        part = slice(start, start + 4096)
        out[part] = (rows[left[part]].astype(np.float64) * others[right[part]]).sum(axis=1)
    return out


def _confirm_images(
    pixels: Images, originals: Callable[[int], Float32s] | None, firsts: Ints
) -> Callable[[int], Float32s]:
    """What SSIM looks at: grey [s, s] or volumes [s, s, s]."""
    if originals is None:
        return lambda i: in_grey(pixels[firsts[i]][np.newaxis])[0]
    read, kind = originals, kind_of(pixels.shape)

    @lru_cache(maxsize=1024)
    def at_128(i: int) -> Float32s:
        original = read(int(firsts[i]))
        if kind == "volume":
            return original
        return to_working(luma_of(original) if kind == "colour" else original, _CONFIRM_SIDE)

    return at_128


def _ssim(one: Float32s, other: Float32s) -> float:
    """Structural similarity of two images, or of the middle planes of two volumes."""
    side = one.shape[0]
    window = min(7, side if side % 2 else side - 1)
    if window < 3:
        raise InputError(f"images of {side} pixels are too small for SSIM; read them larger")
    pairs = zip(pictures_of(one[np.newaxis])[0], pictures_of(other[np.newaxis])[0], strict=True)
    found = [
        ssim(Moments.of(own, uniform(window)), their[np.newaxis].astype(np.float64))[0]
        for own, their in pairs
    ]
    return float(np.mean(found))


def _root(parent: Ints, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return int(i)
