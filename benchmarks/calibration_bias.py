"""Two scanners: is an audit vetoed when used and unused differ by themselves, and only then?

A part of benchmarks/calibration.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

SIDE, EACH, GENERATED = 64, 100, 200
EFFORT = "low"


def faces(n: int, rng: np.random.Generator) -> Any:
    """Bodies on black with smooth texture and fine grain, float [n, 64, 64] in 0..1."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    wide, high = rng.uniform(0.3, 0.45, (2, n, 1, 1))
    body = gaussian_filter(((rows / high) ** 2 + (columns / wide) ** 2 < 1) * 1.0, (0, 0.7, 0.7))
    texture = gaussian_filter(rng.normal(size=(n, SIDE, SIDE)), (0, 3, 3))
    grain = gaussian_filter(rng.normal(size=(n, SIDE, SIDE)), (0, 0.6, 0.6))
    grey = 0.5 + 0.12 * texture / texture.std() + 0.02 * grain / grain.std()
    return (body * grey).clip(0, 1)


def resized(images: Any, kernel: Image.Resampling) -> Any:
    """Down to three quarters and back, as another export does."""
    small = SIDE * 3 // 4
    shrunk = [
        Image.fromarray((255 * x).astype(np.uint8)).resize((small, small), kernel).resize(
            (SIDE, SIDE), kernel
        )
        for x in images
    ]  # fmt: skip
    return np.stack([np.asarray(x) for x in shrunk]) / 255


SCANNERS: dict[str, Callable[[Any], Any]] = {
    "none": lambda images: images,
    "brightness (+6 of 255 inside the body)": lambda images: np.where(
        images > 0.1, images + 6 / 255, images
    ).clip(0, 1),
    "sharpness (unsharp mask, .5)": lambda images: (
        images + 0.5 * (images - gaussian_filter(images, (0, 1, 1)))
    ).clip(0, 1),
    "kernel (bicubic against box)": lambda images: resized(images, Image.Resampling.BICUBIC),
}


def bias(worlds: int = 1000) -> list[dict[str, Any]]:
    """Vetoed audits per kind of difference; a tenth of `worlds` audits each, they take seconds."""
    import vestige

    rows = []
    for name, scanner in SCANNERS.items():
        told: dict[str, int] = {}
        vetoed = audits = 0
        for seed in range(max(1, worlds // 10)):
            rng = np.random.default_rng([23, seed])
            used, unused, generated = (faces(n, rng) for n in (EACH, EACH, GENERATED))
            if name.startswith("kernel"):
                unused = resized(unused, Image.Resampling.BOX)
            grey = [np.round(255 * x).astype(np.uint8) for x in (generated, scanner(used), unused)]
            result = vestige.audit(*grey, effort=EFFORT, seed=seed)
            failed = [
                calibration.name for calibration in result.checks if calibration.state == "failed"
            ]
            for calibration in failed:
                told[calibration] = told.get(calibration, 0) + 1
            vetoed += bool({"blind", "preparation", "member_only", "swapped"} & set(failed))
            audits += 1
        rows.append(
            {
                "difference": name,
                "vetoed": vetoed,
                "audits": audits,
                "failed": ", ".join(f"{k} {v}" for k, v in sorted(told.items())) or "none",
            }
        )
        print(rows[-1], flush=True)
    return rows


def bias_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about vetoes."""
    lines = ["| difference | vetoed | checks that failed |", "|---|---|---|"]
    lines += [
        f"| {r['difference']} | {r['vetoed']} of {r['audits']} | {r['failed']} |" for r in rows
    ]
    return f"""## Split bias

Whole audits, {EACH} used and {EACH} unused images of 64 px beside {GENERATED} generated ones that
know neither; the used ones come from another scanner. Asked: vetoed in at least 95 % where they
differ, in at most 5 % where they do not.

{chr(10).join(lines)}
"""
