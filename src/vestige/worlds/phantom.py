"""Procedural axial slices of the chest that look like a CT in a lung window.

Nothing here comes from a patient: every measure is drawn from a plausible range. The pictures
serve to show and to test vestige, not to stand for any population.
"""

import math
from concurrent.futures import Executor

import numpy as np
from scipy import ndimage

from vestige.engine.shards import map_shards
from vestige.registry.entries import InputError
from vestige.types import Float32s, Images, Ints
from vestige.worlds import anatomy
from vestige.worlds.grain import reconstruction_noise, streaks
from vestige.worlds.lungs import draw_lesions, grow_vessels, paint_lungs
from vestige.worlds.shapes import Canvas, paint, union

WINDOW_CENTRE, WINDOW_WIDTH = -600.0, 1500.0
SLICE_SPACING = 5.0
TOP, BOTTOM = 0.22, 0.88  # levels between which slices are taken
TOGETHER = 10  # patients painted by one worker at a time
BEND = 2.0  # mm by which outlines are bent, per wave


def chest_phantoms(
    n: int,
    size: int = 128,
    seed: int = 0,
    slices_per_patient: int = 1,
    executor: Executor | None = None,
) -> tuple[Images, Ints]:
    """Paint axial chest slices of `n // slices_per_patient` invented patients.

    A patient depends only on `seed` and on its number, not on `n`, and its first slice not on the
    number of slices either.

    Parameters
    ----------
    n : int
        Number of images; the last patient has fewer slices when `n` is not a multiple.
    size : int
        Height and width in pixels, 32 or more.
    seed : int
        0 or more.
    slices_per_patient : int
        Neighbouring slices, 5 mm apart (closer when they would not fit into the chest).
    executor : Executor, optional
        Paints some patients each (`vestige.engine.engines.open_executor`); the same images.

    Returns
    -------
    images : float32 [n, size, size]
        0..1, as the lung window of centre -600 HU and width 1500 HU shows them.
    groups : int64 [n]
        Number of the patient, from 0.

    Raises
    ------
    InputError
        When an argument is below its smallest value.
    """
    for name, value, least in (
        ("n", n, 1),
        ("size", size, 32),
        ("seed", seed, 0),
        ("slices_per_patient", slices_per_patient, 1),
    ):
        if value < least:
            raise InputError(f"{name} must be {least} or more, {value} was given.")
    groups = np.arange(n, dtype=np.int64) // slices_per_patient
    counts = np.bincount(groups).tolist()
    patients = [range(k, min(k + TOGETHER, len(counts))) for k in range(0, len(counts), TOGETHER)]
    parts = map_shards(executor, _patients, patients, size, seed, counts, slices_per_patient)
    return np.concatenate(list(parts)), groups


def window(hu: Float32s, centre: float = WINDOW_CENTRE, width: float = WINDOW_WIDTH) -> Float32s:
    """Map HU to grey 0..1."""
    return np.asarray(np.clip((hu - (centre - width / 2)) / width, 0.0, 1.0), np.float32)


def _patients(numbers: range, size: int, seed: int, counts: list[int], planned: int) -> Images:
    """Some patients, with so many slices each."""
    return np.concatenate(
        [_patient(size, (seed, number), counts[number], planned) for number in numbers]
    )


def _patient(size: int, key: tuple[int, int], count: int, planned: int) -> Images:
    """The first `count` of `planned` slices of one patient."""

    def stream(*organ: int) -> np.random.Generator:
        # every organ has its own stream: the same in all slices
        return np.random.default_rng((*key, *organ))

    draw = stream(0)
    body = anatomy.draw_thorax(draw)
    first = draw.uniform(TOP, BOTTOM)
    step = min(SLICE_SPACING / body.height, 0.5 * (BOTTOM - TOP) / max(planned - 1, 1))
    if first > (TOP + BOTTOM) / 2:
        step = -step
    branches = grow_vessels(stream(1), body)
    lesions = draw_lesions(stream(2), body, first)
    images = np.empty((count, size, size), np.float32)
    for k in range(count):
        level = first + k * step
        canvas = _canvas(size, body, level, stream(3))
        _table(canvas, body, stream(4))
        inner, upright = anatomy.cavity(canvas, body, level)
        skin = anatomy.outline(canvas, body, level, inner, upright, stream(5))
        anatomy.wall(canvas, body, level, skin, inner, stream(6))
        anatomy.bones(canvas, body, level, inner, stream(7))
        rest = anatomy.mediastinum(canvas, body, level, inner, stream(8))
        anatomy.spine(canvas, body, level, stream(9))
        lung = -union(-inner, rest, 9.0)
        paint_lungs(canvas, body, level, lung, branches, lesions, stream(10))
        anatomy.airways(canvas, body, level, stream(11))
        images[k] = _scan(canvas, level, stream(12), stream(13, k))
    return images


def _canvas(size: int, body: anatomy.Thorax, level: float, rng: np.random.Generator) -> Canvas:
    """An empty field of view around the body: zoom, place and turn differ between patients."""
    reach = body.width + body.side + 12
    pixel = 2 * reach * rng.uniform(0.98, 1.2) / size
    turn = math.radians(rng.normal(0.0, 2.0))
    right, down = rng.uniform(-7, 7), rng.uniform(-14, 4)
    axis = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * pixel
    across, along = axis[None, :] - right, axis[:, None] - down
    x = math.cos(turn) * across + math.sin(turn) * along
    y = math.cos(turn) * along - math.sin(turn) * across
    bent = [x.copy(), y.copy()]
    for axis_bent in bent:
        for _ in range(3):
            angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(90, 260)
            begin, drift, size_of = (
                rng.uniform(0, 6.28),
                rng.uniform(-2, 2),
                rng.normal(0, BEND),
            )
            wave = (math.cos(angle) * x + math.sin(angle) * y) * (2 * math.pi / length)
            axis_bent += min(max(size_of, -2 * BEND), 2 * BEND) * np.sin(
                wave + begin + drift * level
            )
    hu = np.full((size, size), anatomy.AIR, np.float32)
    return Canvas(bent[0], bent[1], hu, pixel, turn, right, down, slack=3 * 2 * BEND)


def _table(canvas: Canvas, body: anatomy.Thorax, rng: np.random.Generator) -> None:
    """The couch below the patient: one or two curved shells, foam between; at times out of view."""
    size = canvas.hu.shape[0]
    axis = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * canvas.pixel
    x, y = axis[None, :] - rng.uniform(-12, 12), axis[:, None]
    top = canvas.down + body.depth + body.back + rng.uniform(-4, 10)
    half, curve, thick = (
        rng.uniform(170, 215),
        rng.uniform(0.0, 1.3e-3),
        rng.uniform(16, 42),
    )
    kind, hard = rng.random(), rng.uniform(-250, 150)
    upper = y - top + curve * x * x
    lower = y - top - thick * np.sqrt(np.clip(1 - (x / half) ** 2, 0, 1)) + curve * x * x
    ends = np.abs(x) - half
    if kind < 0.12:
        return
    paint(canvas.hu, np.maximum(np.maximum(-upper, lower), ends), -940.0, canvas.pixel)
    paint(canvas.hu, np.maximum(np.abs(upper) - 1.3, ends), hard, canvas.pixel)
    if kind < 0.8:
        paint(canvas.hu, np.maximum(np.abs(lower) - 1.3, ends), hard, canvas.pixel)


def _scan(
    canvas: Canvas, level: float, scanner: np.random.Generator, rng: np.random.Generator
) -> Float32s:
    """What the scanner makes of the body: blur, noise, streaks, a round field of view, a window."""
    size = canvas.hu.shape[0]
    blur, softness = scanner.uniform(0.35, 0.6), scanner.uniform(0.35, 0.8)
    amount = scanner.uniform(6, 16) if scanner.random() < 0.8 else scanner.uniform(16, 38)
    round_view, outside = scanner.random() < 0.35, scanner.uniform(-1100, -1024)
    hu = ndimage.gaussian_filter(canvas.hu, blur, truncate=3.0)
    hu += amount * reconstruction_noise(rng, size, softness)
    if level < 0.5:  # the shoulders lie in the beam
        hu += np.exp(-((canvas.y / 45) ** 2)) * (3 * amount * (0.5 - level)) * streaks(rng, size)
    if round_view:
        axis = np.arange(size, dtype=np.float32) - (size - 1) / 2
        beyond = axis[None, :] ** 2 + axis[:, None] ** 2 > (size / 2) ** 2
        hu[beyond] = np.minimum(hu[beyond], outside)
    return window(hu)
