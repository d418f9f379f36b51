"""Pictures for the report: real images beside generated ones, their difference and their map."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vestige.copies.maps import Maps
from vestige.copies.moved import put_back
from vestige.copies.related import Related, beside_nearest, related
from vestige.decision.records import Copy, Shown, Withheld
from vestige.images.elsewhere import bring_home
from vestige.images.imageset import ImageSet
from vestige.images.kinds import in_view
from vestige.images.overlay import enlarged, laid_over
from vestige.images.preprocess import shrink_cubes
from vestige.images.thumbnails import Voxel, as_jpeg, as_picture, drawn, kind_of_one, shown
from vestige.schema.records import Finding
from vestige.symmetries import INVERSE, Symmetry
from vestige.types import Float32s

SIDE = 256
SMALL = 64
"""Side of the pictures of further pairs, and of those in rows."""
LARGE = 30
"""Pairs whose images are read again in full size; of each gallery the first."""
DRAWN = 500
"""Copies of which the report has pictures."""
LEAFED = 5
"""Copies of volumes of which it has slices as well."""
SLICES = 16
NEIGHBOURHOOD = 4
"""The part of the side of a volume that counts as the neighbourhood of a voxel."""

_Numbers = Mapping[str, Mapping[str, int]]


def draw(
    copies: Sequence[Copy],
    findings: Sequence[Finding],
    as_read: Mapping[str, ImageSet],
    maps: Maps,
) -> dict[str, bytes]:
    """All pictures of an audit: of its copies, of named images, and small ones for rows."""
    named = beside_nearest(findings)
    small = _small_ones(copies, named, related(copies, findings))
    made = [copy.generated for copy in copies[:DRAWN]]
    made += [one.evidence[0].generated for one in named]
    made += [id_ for role, id_ in small if role == "generated"]
    places = _numbers(as_read)
    bring_home(as_read["generated"].pixels, {places["generated"][id_] for id_ in made})
    pictures = draw_pairs(copies, as_read, maps) | _draw_named(named, as_read, maps)
    return pictures | {
        f"small:{role}:{id_}": as_jpeg(drawn(_shown(as_read, places, role, id_, large=False)))
        for role, id_ in small
    }


def draw_pairs(
    pairs: Sequence[Copy | Withheld], sets: Mapping[str, ImageSet], maps: Maps | None = None
) -> dict[str, bytes]:
    """Pictures by "copy:<number>:real", ":generated", ":difference" and ":map", of the first pairs.

    Of the first `LARGE` pairs also "network:<column>:copy:<number>:real" and ":generated": what a
    trained network sees in both images, not moved back.

    The generated image is turned back into the view of the real one, and moved back where it is
    shifted or cropped; what it does not show is black, also in the difference. The difference is
    black where the two agree, white where they differ by half the grey scale or more; in colour,
    channel by channel. The map (`vestige.features.explanation`) lies over the generated image;
    there is none without `maps`.

    Of volumes the planes through `best_voxel`; of the first pairs also "copy:<number>:slice:<z>",
    the axial slices z with real, generated and difference side by side. The first of them lies in
    the planes.
    """
    pictures: dict[str, bytes] = {}
    places = _numbers(sets)
    for number, copy in enumerate(pairs[:DRAWN]):
        large = number < LARGE
        real = _shown(sets, places, copy.role, copy.real, large)
        generated = _shown(sets, places, "generated", copy.generated, large)
        turned = _turned_back(generated, copy.view, copy.inverted)
        strength = None
        if maps is not None and (copy.shown is not None or not copy.moved):
            pair = copy.role, copy.real, copy.generated
            strength = maps.places(*pair, copy.view, copy.inverted, copy.shown)
        start = f"copy:{number}"
        trio, voxel = _trio(real, turned, copy.shown)
        pictures |= _pictures(start, trio, voxel, strength, large)
        if maps is not None and large:
            found = maps.of_networks(copy.role, copy.real, copy.generated)
            pictures |= _of_networks(start, real, generated, copy.view, found)
        if voxel is not None and number < LEAFED:
            for z in _slices(len(trio["real"]), voxel[0]):
                side_by_side = np.concatenate([image[z] for image in trio.values()], axis=1)
                pictures[f"{start}:slice:{z}"] = as_picture(side_by_side)
    return pictures


def _draw_named(
    named: Sequence[Finding], sets: Mapping[str, ImageSet], maps: Maps
) -> dict[str, bytes]:
    """Pictures by "named:<id>:real", ":generated", ":difference", ":map" and of networks.

    The nearest generated image is shown as it is or mirrored, as it is nearer. Of volumes the
    planes through `best_voxel`.
    """
    pictures: dict[str, bytes] = {}
    places = _numbers(sets)
    for number, one in enumerate(named):
        nearest, large = one.evidence[0].generated, number < LARGE
        view = maps.view(one.role, one.id, nearest)
        real = _shown(sets, places, one.role, one.id, large)
        generated = _shown(sets, places, "generated", nearest, large)
        trio, voxel = _trio(real, _turned_back(generated, view, False))
        strength = maps.places(one.role, one.id, nearest, view)
        start = f"named:{one.id}"
        pictures |= _pictures(start, trio, voxel, strength, large)
        if large:
            found = maps.of_networks(one.role, one.id, nearest)
            pictures |= _of_networks(start, real, generated, view, found)
    return pictures


def _small_ones(
    copies: Sequence[Copy], named: Sequence[Finding], found: Related
) -> list[tuple[str, str]]:
    """Role and id of the images in the rows below the first pairs of each gallery."""
    wanted: dict[tuple[str, str], None] = {}
    pairs = [(c.role, c.real, c.group, c.generated) for c in copies[:LARGE]]
    pairs += [(f.role, f.id, f.group, f.evidence[0].generated) for f in named[:LARGE]]
    for role, real, group, generated in pairs:
        made = (*found.nearest.get((role, real), ()), *found.of_patient.get(group, ()))
        wanted |= dict.fromkeys(("generated", id_) for id_ in made)
        wanted |= dict.fromkeys(found.of_generated.get(generated, ()))
    return list(wanted)


def _numbers(sets: Mapping[str, ImageSet]) -> _Numbers:
    return {role: {id_: k for k, id_ in enumerate(images.ids)} for role, images in sets.items()}


def _shown(
    sets: Mapping[str, ImageSet], places: _Numbers, role: str, id_: str, large: bool
) -> Float32s:
    """In full size, or small as it was compared, for which no file is read."""
    return shown(sets[role], places[role][id_], SIDE if large else SMALL, again=large)


def _trio(
    real: Float32s, generated: Float32s, part: Shown | None = None
) -> tuple[dict[str, Float32s], Voxel | None]:
    """Real and generated image in one size and their difference; of volumes the best voxel.

    part : of the real image, that the generated one shows; None for all of it
    """
    real, generated = _alike(real, generated)
    inside = None
    if part is not None:
        generated, inside = put_back(generated, part)
    difference = np.clip(2 * np.abs(real - generated), 0, 1)
    if inside is not None:
        difference[~inside] = 0
    trio = {"real": real, "generated": generated, "difference": difference}
    return trio, best_voxel(real, generated) if kind_of_one(real) == "volume" else None


def _pictures(
    start: str,
    trio: Mapping[str, Float32s],
    voxel: Voxel | None,
    strength: Float32s | None,
    large: bool,
) -> dict[str, bytes]:
    """The pictures of one pair, encoded; a small one may lose some of its detail."""
    pictures = {name: drawn(image, voxel) for name, image in trio.items()}
    if strength is not None:
        side = trio["generated"].shape[0]
        places = drawn(enlarged(strength, side), voxel)
        pictures["map"] = laid_over(pictures["generated"], places)
    encode = as_picture if large else as_jpeg
    return {f"{start}:{name}": encode(picture) for name, picture in pictures.items()}


def _of_networks(
    start: str,
    real: Float32s,
    generated: Float32s,
    view: Symmetry,
    found: Mapping[str, Float32s],
) -> dict[str, bytes]:
    """What networks see of a pair, over both images; the generated one in the view of the real."""
    pictures: dict[str, bytes] = {}
    for name, maps in found.items():
        sides = {
            "real": (real, maps[0]),
            "generated": (_turned_back(generated, view, False), _turned_back(maps[1], view, False)),
        }
        for side, (image, places) in sides.items():
            seen = laid_over(image, enlarged(places, image.shape[0]))
            pictures[f"network:{name}:{start}:{side}"] = as_picture(seen)
    return pictures


def best_voxel(real: Float32s, generated: Float32s) -> Voxel:
    """The voxel whose three planes hold most of the structure that two volumes [s, s, s] share.

    Structure is what is left of a voxel when the mean of its neighbourhood, a cube of a quarter of
    the side, is taken away. Its product is summed over each plane.
    """
    from scipy.ndimage import uniform_filter

    width = max(3, len(real) // NEIGHBOURHOOD)
    first, second = (
        one - uniform_filter(one, width) for one in (np.float64(real), np.float64(generated))
    )
    shared = first * second
    shared[(real <= 0) | (generated <= 0)] = 0  # padding beside a body looks like structure
    sums = shared.sum(axis=(1, 2)), shared.sum(axis=(0, 2)), shared.sum(axis=(0, 1))
    up, back, left = (int(np.argmax(one)) for one in sums)
    return up, back, left


def _slices(side: int, through: int) -> Iterator[int]:
    """Numbers of evenly spaced slices, at most `SLICES`, with `through` first."""
    step = -(-side // SLICES)
    yield through
    yield from (z for z in range(through % step, side, step) if z != through)


def _turned_back(generated: Float32s, view: Symmetry, inverted: bool) -> Float32s:
    """A generated image as it is seen where its copy is the real one."""
    seen = in_view(generated[np.newaxis], INVERSE[view])[0]
    return np.asarray(1 - seen if inverted else seen, np.float32)


def _alike(real: Float32s, generated: Float32s) -> tuple[Float32s, Float32s]:
    """Both in one size: a generated picture in that of the real one, volumes in the smaller."""
    if real.shape == generated.shape:
        return real, generated
    if kind_of_one(real) == "volume":
        side = min(len(real), len(generated))
        return shrink_cubes(real[np.newaxis], side)[0], shrink_cubes(generated[np.newaxis], side)[0]
    from PIL import Image

    size = real.shape[1::-1]
    planes = [
        Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(
            size, Image.Resampling.BILINEAR
        )
        for plane in np.atleast_3d(generated).transpose(2, 0, 1)
    ]
    resized = np.stack([np.asarray(plane, np.float32) for plane in planes], axis=2)
    return real, np.asarray(resized.reshape(real.shape), np.float32)
