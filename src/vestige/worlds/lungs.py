"""The inside of the lungs: tissue, vessels, airways, fissures, and lesions at times."""

import math
from dataclasses import dataclass

import numpy as np

from vestige.types import Float32s
from vestige.worlds.anatomy import SIDES, Thorax
from vestige.worlds.grain import field
from vestige.worlds.shapes import Canvas, cover, ellipse
from vestige.worlds.vessels import Branches, cut, grow

TARGETS = 1024  # ends of each vessel tree
SLICE_THICKNESS = 5.0


@dataclass(frozen=True)
class Lesion:
    """A nodule or mass: centre (mm, z down from the top of the lungs), radius, HU, outline."""

    x: float
    y: float
    z: float
    radius: float
    hu: float
    spikes: int
    roughness: float
    turn: float


def grow_vessels(rng: np.random.Generator, body: Thorax) -> Branches:
    """Arteries and veins of both lungs, rooted at the hila."""
    trees = 4
    side = np.array([-1, 1, -1, 1], np.float32)
    vein = np.array([0, 0, 1, 1], np.float32)
    hilum = np.stack(
        [
            side * rng.uniform(26, 38, trees),
            -2 + 10 * vein + rng.uniform(-6, 6, trees),
            body.height * (body.carina + 0.06 + 0.07 * vein) + rng.uniform(-8, 8, trees),
        ],
        axis=1,
    )
    ball = rng.standard_normal((trees, TARGETS, 3), np.float32)
    far = rng.random((trees, TARGETS, 1), np.float32) ** 0.4  # a little denser near the middle
    ball *= far / np.linalg.norm(ball, axis=2, keepdims=True)
    middle = np.stack(
        [side * body.width * 0.5, np.zeros(trees), np.full(trees, body.height * 0.55)],
        axis=1,
    )
    reach = np.array([body.width * 0.52, body.depth * 0.98, body.height * 0.55])
    targets = middle[:, None, :] + ball * reach
    radius = rng.uniform(5.5, 8.0, trees).astype(np.float32)
    return grow(rng, hilum.astype(np.float32), targets.astype(np.float32), radius)


def draw_lesions(rng: np.random.Generator, body: Thorax, level: float) -> tuple[Lesion, ...]:
    """None to three nodules near the patient's first slice; a large mass in a few patients."""
    lesions = []
    count = int(rng.choice(4, p=[0.5, 0.3, 0.15, 0.05]))
    for _ in range(count):
        side, angle = rng.choice(SIDES), rng.uniform(0, 2 * math.pi)
        far = rng.uniform(0.2, 0.85)
        radius = float(
            rng.choice(
                [rng.uniform(2.5, 6), rng.uniform(6, 13), rng.uniform(14, 26)],
                p=[0.6, 0.3, 0.1],
            )
        )
        lesions.append(
            Lesion(
                x=float(side) * body.width * (0.55 + 0.36 * far * math.cos(angle)),
                y=body.depth * 0.8 * far * math.sin(angle),
                z=level * body.height + rng.uniform(-0.6, 0.6) * radius,
                radius=radius,
                hu=float(rng.choice([rng.uniform(-20, 60), rng.uniform(-650, -350)], p=[0.8, 0.2])),
                spikes=int(rng.integers(5, 12)),
                roughness=rng.uniform(0.02, 0.16) / max(1.0, radius / 8),
                turn=rng.uniform(0, 6.28),
            )
        )
    return tuple(lesions)


def paint_lungs(
    canvas: Canvas,
    body: Thorax,
    level: float,
    lung: Float32s,
    branches: Branches,
    lesions: tuple[Lesion, ...],
    rng: np.random.Generator,
) -> None:
    """Paint everything inside the lungs (`lung`: distance to them, mm)."""
    z = level * body.height
    tissue = _tissue(canvas, body, z, lung, rng)
    inside = cover(lung, canvas.pixel)
    deep = np.clip(-lung / 5.0, 0.0, 1.0)  # vessels end some mm below the surface
    share = cut(branches, z, SLICE_THICKNESS, canvas) * deep
    tissue += (35 + 0.35 * (body.blood - 35) - tissue) * share
    for lesion in lesions:
        _add_lesion(canvas, tissue, lesion, z)
    canvas.hu[:] += (tissue - canvas.hu) * inside


def _tissue(
    canvas: Canvas, body: Thorax, z: float, lung: Float32s, rng: np.random.Generator
) -> Float32s:
    """Air and unresolved tissue: darker in front, mottled, with fissures."""
    size, pixel = canvas.hu.shape[0], canvas.pixel
    fine = field(rng, size, pixel, 2.6, z / 9)
    coarse = field(rng, size, pixel, 16.0, z / 40)
    slope = rng.uniform(25, 90)
    tissue = body.lung + slope * (canvas.y / body.depth) + rng.uniform(14, 26) * fine
    tissue += rng.uniform(8, 22) * coarse
    kind = rng.random()
    severity, cut_off = rng.uniform(0.3, 1.0), rng.uniform(0.6, 1.3)
    if kind < 0.12:  # emphysema: holes
        tissue -= 110 * severity * np.clip(fine - 0.4 + 0.5 * coarse, 0, 1)
    elif kind < 0.3:  # ground glass or consolidation in patches
        patch = np.clip((coarse - cut_off) * 2.2, 0, 1)
        tissue += patch * (430 * severity + 80 * fine)
    elif kind < 0.5:  # lung compressed by its own weight at the back
        patch = np.clip((canvas.y / body.depth - 0.55) * 3, 0, 1) * np.clip(1 + lung / 22, 0, 1)
        tissue += patch * severity * (260 + 60 * coarse)
    for side in SIDES:
        place, lean = rng.uniform(-0.9, 0.5), rng.uniform(-0.5, 0.3)
        bow, faint = rng.uniform(-0.004, 0.004), rng.uniform(0, 130)
        out = np.abs(canvas.x) - 60
        line = canvas.y + body.depth * place - z * 0.25 + 20 - lean * out - bow * out * out
        sheet = np.clip(1 - np.abs(line) / (0.6 * pixel + 0.8), 0, 1)
        tissue += np.where(canvas.x * side > 0, sheet, 0) * faint
    return tissue.astype(np.float32)


def _add_lesion(canvas: Canvas, tissue: Float32s, lesion: Lesion, z: float) -> None:
    flat = lesion.radius**2 - max(abs(z - lesion.z) - SLICE_THICKNESS / 2, 0.0) ** 2
    if flat <= 0:
        return
    radius = math.sqrt(flat)
    box = canvas.box(lesion.x, lesion.y, radius * 1.5)
    x, y = canvas.x[box], canvas.y[box]
    distance = ellipse(x, y, (lesion.x, lesion.y), (radius, radius * 0.88), lesion.turn)
    angle = np.arctan2(y - lesion.y, x - lesion.x)
    rough = np.sin(lesion.spikes * angle + lesion.turn) + 0.6 * np.sin(3 * angle - lesion.turn)
    share = cover(distance - radius * lesion.roughness * rough, canvas.pixel)
    tissue[box] += (lesion.hu - tissue[box]) * share
