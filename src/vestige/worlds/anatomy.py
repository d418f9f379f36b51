"""What a slice of a chest holds: outline, wall, bones, mediastinum and lungs, in HU.

Every organ draws its individual measures from the generator it is given, so that calling it again
with the same stream at another level paints the same patient. `level` runs from the top of the
lungs (0) to the diaphragm (1). The measures are plausible, not fitted to any data.
"""

import math
from dataclasses import dataclass

import numpy as np

from vestige.types import Float32s
from vestige.worlds.shapes import (
    Canvas,
    capsule,
    cover,
    ellipse,
    join_ellipse,
    paint,
    paint_capsule,
    paint_ellipse,
    union,
)

AIR, FAT, MUSCLE, CARTILAGE = -1000.0, -95.0, 45.0, 110.0
SIDES = (-1, 1)


@dataclass(frozen=True)
class Thorax:
    """A patient's measures; lengths in mm, `blood` and `lung` in HU."""

    width: float
    depth: float
    height: float
    front: float
    side: float
    back: float
    muscle: float
    spine: float
    carina: float
    heart: float
    blood: float
    lung: float


def draw_thorax(rng: np.random.Generator) -> Thorax:
    """Draw a patient: half width and depth of the chest cavity, wall, and so on."""
    width = rng.uniform(112, 142)
    depth = width * rng.uniform(0.6, 0.76)
    stout = rng.uniform(0.0, 1.0)
    return Thorax(
        width=width,
        depth=depth,
        height=rng.uniform(210, 260),
        front=17 + 22 * stout + rng.uniform(-3, 3),
        side=16 + 26 * stout + rng.uniform(-3, 3),
        back=28 + 18 * stout + rng.uniform(-3, 3),
        muscle=rng.uniform(9, 14),
        spine=depth * rng.uniform(0.56, 0.68),
        carina=rng.uniform(0.42, 0.48),
        heart=rng.uniform(0.85, 1.15),
        # some of the patients were given contrast medium
        blood=rng.uniform(110, 230) if rng.random() < 0.4 else rng.uniform(35, 55),
        lung=rng.uniform(-885, -815),
    )


def cavity(canvas: Canvas, body: Thorax, level: float) -> tuple[Float32s, Float32s]:
    """Distance to the chest cavity, and the share of front or back (0..1) in its direction."""
    width = body.width * (1 - 1.1 * max(0.0, 0.55 - level) ** 1.5)
    depth = body.depth * (1 - 0.5 * max(0.0, 0.5 - level) ** 1.5)
    v = canvas.y / depth
    u = canvas.x / (width * (1 + 0.09 * v))
    u2, v2 = u * u, v * v
    # between an ellipse and a rounded box
    scaled = 0.7 * np.sqrt(u2 + v2) + 0.3 * np.sqrt(np.sqrt(u2 * u2 + v2 * v2)) + 1e-4
    radius = np.sqrt(canvas.x**2 + canvas.y**2)
    return radius - radius / scaled, v2 / (u2 + v2 + 1e-6)


def outline(
    canvas: Canvas,
    body: Thorax,
    level: float,
    inner: Float32s,
    upright: Float32s,
    rng: np.random.Generator,
) -> Float32s:
    """Distance to the skin: the cavity and its wall, shoulders high up, breasts at times."""
    toward = np.where(canvas.y > 0, np.float32(body.back), np.float32(body.front))
    wall = body.side + (toward - body.side) * upright
    groove = (
        rng.uniform(3, 9)
        * np.exp(-((canvas.x / 16) ** 2))
        * np.where(canvas.y > 0, np.float32(1), np.float32(0.4))
    )
    skin = np.asarray(inner - wall + groove, np.float32)
    shoulder = rng.uniform(0.8, 1.2) * 90 * max(0.0, 0.5 - level)
    breast = rng.uniform(10, 26) if rng.random() < 0.45 else 0.0
    breast *= max(0.0, 1 - abs(level - 0.6) / 0.25)
    for side in SIDES:
        at = (side * (body.width - 4), rng.uniform(5, 25))
        blob = ellipse(canvas.x, canvas.y, at, (body.side + 4 + shoulder, body.depth * 0.62))
        skin = union(skin, blob, 34)
        where = (side * body.width * rng.uniform(0.5, 0.6), -body.depth * 0.82)
        if breast > 2:
            reach = (body.width * 0.42, body.front + breast)
            skin = union(skin, ellipse(canvas.x, canvas.y, where, reach, side * 0.35), 14)
    return skin


def wall(
    canvas: Canvas,
    body: Thorax,
    level: float,
    skin: Float32s,
    inner: Float32s,
    rng: np.random.Generator,
) -> None:
    """Skin, fat and muscles."""
    paint(canvas.hu, skin, 5.0, canvas.pixel)
    paint(canvas.hu, skin + 2.0, FAT, canvas.pixel)
    deep = skin + 5.0  # muscles stay this far under the skin
    muscles = inner - body.muscle
    high = max(0.0, min(1.0, (0.62 - level) / 0.2))
    for side in SIDES:
        jitter = rng.uniform(-5, 5, 8)
        chest = (
            side * (body.width * 0.52 + jitter[0]),
            -body.depth * 0.86 - 8 + jitter[1] / 2,
        )
        flank = (side * (body.width + 10 + jitter[2]), 14 + jitter[3])
        shoulder = (
            side * (body.width * 0.86 + jitter[4]),
            body.depth * 0.62 + jitter[5],
        )
        along_spine = (side * (23 + jitter[6] / 2), body.spine + 40)
        shapes = [
            (flank, (9.0, body.depth * 0.6), 0.0),
            (along_spine, (17 + jitter[7] / 2, 13.0), 0.0),
        ]
        if high:
            shapes += [(chest, (body.width * 0.36, 4 + 7 * high), side * 0.42)]
            shapes += [(shoulder, (32 + 14 * high, 8 + 13 * high), -side * 0.75)]
        for at, radii, tilt in shapes:
            join_ellipse(canvas, muscles, at, radii, tilt, blend=3)
    paint(canvas.hu, np.maximum(muscles, deep), MUSCLE, canvas.pixel)
    # a thin layer of fat between chest wall and outer muscles
    seam = np.abs(inner - body.muscle + 1.0) - 0.8
    paint(canvas.hu, np.maximum(seam, deep), -35.0, canvas.pixel)


def bones(
    canvas: Canvas,
    body: Thorax,
    level: float,
    inner: Float32s,
    rng: np.random.Generator,
) -> None:
    """Ribs around the cavity, breast bone, and shoulder blades high up."""
    hard = rng.uniform(260, 480)
    angle = np.arctan2(canvas.y / body.depth, np.abs(canvas.x) / body.width)
    spacing = rng.uniform(0.46, 0.6)
    begin = np.where(canvas.x > 0, np.float32(rng.uniform(0, 1)), np.float32(rng.uniform(0, 1)))
    # ribs slope: lower slices meet each rib farther to the front
    phase = angle / spacing + begin + level * body.height / 24
    phase -= np.rint(phase)
    along = (np.abs(phase) - rng.uniform(0.24, 0.34)) * spacing * body.width
    across = np.abs(inner - 5.5 - 5 * phase) - (4.2 - 5 * phase * phase)
    front = cover((angle + rng.uniform(0.9, 1.1)) * 60, 6.0)
    rib = hard + (CARTILAGE - hard) * front
    paint(canvas.hu, np.maximum(along, across), rib, canvas.pixel)
    top = -body.depth * (1 - 0.5 * max(0.0, 0.5 - level) ** 1.5) - 7
    wide = rng.uniform(15, 22) * (1.2 - 0.5 * level)
    paint_ellipse(canvas, hard, (rng.uniform(-3, 3), top), (wide, 6.5))
    paint_ellipse(canvas, 120, (0, top), (wide - 5, 3.5))
    for side in SIDES:
        lean, far = rng.uniform(0.6, 1.0), rng.uniform(0.9, 1.0)
        if level < 0.58:
            x = side * (body.width * far + 6)
            y = body.depth * 0.5
            start = (x, y - 4)
            end = (x - side * 42 * lean * (1 - level), y + 34)
            paint_capsule(canvas, hard, start, end, 2.6)
            if level < 0.4:
                paint_capsule(canvas, hard, start, (x + side * 14, y - 26), 4.5)


def spine(canvas: Canvas, body: Thorax, level: float, rng: np.random.Generator) -> None:
    """A vertebra with its canal, arch and processes."""
    hard = rng.uniform(230, 380)
    wide, deep = rng.uniform(15, 19), rng.uniform(13, 16)
    y = body.spine
    # discs (softer) and vertebrae alternate down the spine
    disc = 0.5 + 0.5 * math.sin(level * body.height / 24 * 2 * math.pi + rng.uniform(0, 6.28))
    marrow = float(hard - 60 - 130 * max(0.0, disc - 0.7))
    for side in SIDES:
        paint_capsule(canvas, hard, (side * 11, y + 8), (side * 14, y + 24), 4.2)
        tip = (side * rng.uniform(30, 40), y + rng.uniform(24, 32))
        paint_capsule(canvas, hard, (side * 13, y + 24), tip, 4.0)
        paint_capsule(canvas, hard, (side * 13, y + 25), (0, y + 36), 3.6)
        if disc < 0.55:
            head = (side * (wide + 6), y + 9)
            paint_capsule(canvas, hard, head, (head[0] + side * 22, y + 20), 3.6)
    # the spinous process stays well under the skin
    tip_y = min(y + 34 + 22 * (1 - disc / 2), body.depth + body.back - 16)
    paint_capsule(canvas, hard, (0, min(y + 34, tip_y)), (rng.uniform(-2, 2), tip_y), 3.2)
    paint_ellipse(canvas, hard, (0, y), (wide, deep))
    paint_ellipse(canvas, marrow, (0, y), (wide - 3, deep - 3))
    paint_ellipse(canvas, 30, (0, y + deep + 6.5), (9, 7.5))


def mediastinum(
    canvas: Canvas,
    body: Thorax,
    level: float,
    inner: Float32s,
    rng: np.random.Generator,
) -> Float32s:
    """Paint heart and great vessels; return the distance to all that is not lung."""
    x, y, d = canvas.x, canvas.y, body.depth
    lean = rng.uniform(-5, 5)
    waist = rng.uniform(22, 30) + 8 * max(0.0, 0.4 - level) * 10 / 4
    rest = ellipse(x, y, (2 + lean, -d * 0.12), (waist, d * 0.66))
    rest = union(rest, np.abs(x - lean) - rng.uniform(1.5, 4) - 0.05 * np.abs(y), 14)
    join_ellipse(canvas, rest, (0, body.spine + 2), (23, 20), blend=12)
    rest = union(rest, capsule(x, y, (0, body.spine + 30), (0, 2 * d), 24), 14)
    aorta, root = rng.uniform(10.5, 14.5), rng.uniform(14, 18)
    shapes: list[tuple[tuple[float, float], tuple[float, float], float]] = []
    if level > body.carina - 0.07:
        at = (aorta + rng.uniform(8, 13), body.spine - 13 + rng.uniform(-4, 4))
        shapes.append((at, (aorta, aorta), 0.0))
    if body.carina - 0.1 < level < body.carina - 0.02:  # the arch
        shapes.append(((10 + lean, -d * 0.02), (14, d * 0.46), -0.42))
    if body.carina - 0.03 < level < body.carina + 0.2:
        shapes.append(((-10 + lean, -d * 0.36), (root, root), 0.0))
        shapes.append(((-30 + lean, -d * 0.25), (9, 10), 0.0))
    else:
        shapes.append(((-22 + lean, -d * 0.3), (8, 9), 0.0))
    lung_artery = 1 - abs(level - body.carina - 0.08) / 0.07
    if lung_artery > 0:
        shapes.append(((18 + lean, -d * 0.38), (15, 13), 0.3))
        shapes.append(((-16, -d * 0.06), (26 * lung_artery + 6, 9), -0.15))
        shapes.append(((26, -d * 0.12), (9, 20 * lung_artery + 6), 0.2))
    swell = min(1.0, max(0.0, (level - body.carina - 0.1) / 0.2)) * body.heart
    if swell > 0:
        at = (20 * swell + lean, -d * (0.38 + 0.08 * swell))
        shapes.append((at, (28 + 32 * swell, 24 + 0.26 * d * swell), 0.45))
        shapes.append(((-12 + lean, -d * 0.22), (22 + 14 * swell, 18 + 18 * swell), 0.2))
    hila = max(0.0, 1 - abs(level - body.carina - 0.06) / 0.16)
    for side in SIDES:
        reach = 8 + 8 * hila
        at = (side * (30 + 8 * hila) + lean, rng.uniform(-6, 8))
        join_ellipse(canvas, rest, at, (reach, reach + rng.uniform(0, 5)), blend=8)
    dome = level - rng.uniform(0.76, 0.92)
    if dome > 0:  # the liver bulges into the right lung from below
        at = (-body.width * 0.5, -d * 0.1)
        size = min(1.0, (dome / 0.14) ** 0.5)
        join_ellipse(canvas, rest, at, (body.width * 0.42 * size, d * 0.8 * size), blend=9)
    for at, radii, tilt in shapes:
        join_ellipse(canvas, rest, at, radii, tilt, grow=2.5)
    paint(canvas.hu, np.maximum(rest, inner), -25.0, canvas.pixel)
    if dome > 0:
        radii = (body.width * 0.42 * size - 1, d * 0.8 * size - 1)
        paint_ellipse(canvas, 65, (-body.width * 0.5, -d * 0.1), radii)
    for at, radii, tilt in reversed(shapes):
        paint_ellipse(canvas, body.blood, at, radii, tilt)
    paint_ellipse(canvas, 35, (5 + lean, body.spine - 22), (8, 6))  # gullet
    return rest


def airways(canvas: Canvas, body: Thorax, level: float, rng: np.random.Generator) -> None:
    """Windpipe, then the two main bronchi moving apart below it; thin walls, air inside."""
    y = body.spine - 36 + rng.uniform(-4, 4)
    wide = rng.uniform(7.5, 10)
    apart = (level - body.carina) * body.height
    if apart < 0:
        tubes = [((rng.uniform(-3, 3), y), (wide, wide * rng.uniform(0.85, 1.15)), 0.0)]
    elif apart < 55:
        shrink = 1 - apart / 90
        tubes = [
            (
                (side * (6 + 0.62 * apart), y + 0.18 * apart),
                (wide * 0.85 * shrink,) * 2,
                0.0,
            )
            for side in SIDES
        ]
        if apart < 8:  # the fork itself
            tubes.append(((0, y), (wide * 1.7, wide * 0.75), 0.0))
    else:
        tubes = []
    for at, radii, tilt in tubes:
        paint_ellipse(canvas, 20, at, (radii[0] + 1.6, radii[1] + 1.6), tilt)
    for at, radii, tilt in tubes:
        paint_ellipse(canvas, -985, at, radii, tilt)
