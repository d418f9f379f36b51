"""False alarms of whole audits at the edges of DECISION: worlds in which nothing was used.

A part of benchmarks/calibration.py. Small smooth random images stand for slices: what is tested is
how patients, files, references and earlier runs enter, which no anatomy changes.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

RATES = (0.01, 0.05, 0.1)
BAND = 0.99
SIDE = 24
LIKENESS = 0.7
"""Correlation of two images of a patient."""
QUICK: dict[str, Any] = {
    "detectors": ["nearest_distance_contrast", "matched_filter_pool"],
    "engine": "local:1",
    "checks": False,
}
Pixels = np.ndarray[Any, Any]


def smooth(n: int, rng: np.random.Generator) -> Pixels:
    """Random fields [n, s, s] of mean 0 and standard deviation 1."""
    fields = gaussian_filter(rng.normal(size=(n, SIDE, SIDE)), (0, 2, 2), mode="wrap")
    return np.asarray(fields / fields.std(axis=(1, 2), keepdims=True))


def patients(sizes: Any, rng: np.random.Generator, alike: float = LIKENESS) -> tuple[Pixels, Any]:
    """Images of so many patients of these sizes, and the number of the patient of each."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    base, own = smooth(len(sizes), rng)[groups], smooth(len(groups), rng)
    return grey(np.sqrt(alike) * base + np.sqrt(1 - alike) * own), groups


def grey(fields: Pixels) -> Pixels:
    """Fields as images, 0..1."""
    return np.asarray(np.clip(0.5 + fields / 6, 0, 1), np.float32)


@dataclass(frozen=True)
class Said:
    """p of the set, of a random image, and whether the decision says that something was found."""

    p_set: float
    p_image: float
    found: bool


def said(result: Any, seed: int) -> Said:
    """What one audit says."""
    tested = [f.p_value for f in result.findings if f.p_value is not None]
    lot = np.random.default_rng([71, seed]).integers(len(tested)) if tested else 0
    return Said(
        1.0 if result.set_test is None else result.set_test.p_value,
        tested[lot] if tested else 1.0,
        result.decision.gate == "closed",
    )


def audited(given: dict[str, Pixels], groups: dict[str, Any] | None, seed: int, **more: Any) -> Any:
    """An audit of these sets, with patients if they are known."""
    import vestige

    with TemporaryDirectory() as folder:
        table = None
        if groups is not None:
            table = Path(folder) / "groups.csv"
            rows = [f"{r}/{k:06d},{g}" for r, own in groups.items() for k, g in enumerate(own)]
            table.write_text("\n".join(["id,group", *rows]), encoding="utf-8")
        return vestige.audit(**given, groups=table, seed=seed, **(QUICK | more))


def queries(seed: int, edge: int, n: int = 30) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Queried and unused patients of 1 to 4 images, and a generated set that knows none."""
    rng = np.random.default_rng([72, edge, seed])
    images, owner = patients(rng.integers(1, 5, 2 * n), rng)
    mine = owner < n
    given = {"generated": grey(smooth(60, rng)), "query": images[mine], "unused": images[~mine]}
    return given, {"query": owner[mine], "unused": owner[~mine]}, rng


def plain(seed: int) -> Said:
    """Nothing special."""
    given, groups, _ = queries(seed, 0)
    return said(audited(given, groups, seed), seed)


def asked_again(seed: int) -> Said:
    """A2: the half of the queries that scored highest is asked about again, with the same cache."""
    given, groups, _ = queries(seed, 2)
    with TemporaryDirectory() as cache:
        first = audited(given, groups, seed, cache=cache)
        order = np.argsort([-f.score for f in first.findings])
        chosen = np.sort(order[: len(order) // 2])
        again = given | {"query": given["query"][chosen]}
        part = groups | {"query": groups["query"][chosen]}
        return said(audited(again, part, seed, cache=cache), seed)


def shared_reference(seed: int) -> Said:
    """A4: most reference images are of unused patients."""
    given, groups, rng = queries(seed, 4)
    theirs, owner = given["unused"], groups["unused"]
    noise = smooth(len(theirs), rng)
    given["reference"] = grey(np.sqrt(LIKENESS) * 6 * (theirs - 0.5) + 0.5 * noise)
    groups["reference"] = owner
    others, numbers = patients(np.ones(15, int), rng)
    given["reference"] = np.concatenate([given["reference"], others])
    groups["reference"] = np.concatenate([owner, 1000 + numbers])
    return said(audited(given, groups, seed), seed)


def twins(seed: int) -> Said:
    """A6: eight images stand under a second patient's name, half of these on the other side."""
    given, groups, rng = queries(seed, 6)
    for role, other in (("query", "unused"), ("unused", "query")):
        n = len(given[role])
        copied = rng.choice(n, 4, replace=False)
        for place in (role, other):
            given[place] = np.concatenate([given[place], given[role][copied]])
            names = np.array([f"twin {role} {place} {k}" for k in copied])
            groups[place] = np.concatenate([np.asarray(groups[place]).astype(str), names])
    # an image of known status answers itself: what is left is tested
    return said(audited(given, groups, seed), seed)


def volumes(seed: int) -> Said:
    """A7: slices of volumes in files of several pages, without patient ids."""
    import tifffile

    import vestige

    rng = np.random.default_rng([72, 7, seed])
    with TemporaryDirectory() as folder:
        for role, n in (("query", 24), ("unused", 24)):
            (Path(folder) / role).mkdir()
            for k in range(n):
                pages = np.uint8(255 * patients([6], rng, 0.4)[0])
                tifffile.imwrite(Path(folder) / role / f"{k:03d}.tif", pages)
        result = vestige.audit(
            grey(smooth(60, rng)), query=Path(folder) / "query", unused=Path(folder) / "unused",
            seed=seed, **QUICK,
        )  # fmt: skip
    return said(result, seed)


def lost_id(seed: int) -> Said:
    """A8: DICOM files of patients of 1 to 4 images, one of them without a PatientID."""
    import vestige
    from small_dicom import write_dicom

    rng = np.random.default_rng([72, 8, seed])
    with TemporaryDirectory() as folder:
        for role in ("query", "unused"):
            (Path(folder) / role).mkdir()
            images, owner = patients(rng.integers(1, 5, 24), rng)
            for k, image in enumerate(images):
                name = "" if role == "query" and k == 0 else f"{role}{owner[k]}"
                place = Path(folder) / role / f"{k:03d}.dcm"
                write_dicom(
                    place, np.uint8(255 * image), name, f"2.25.9{seed}{owner[k]}{len(role)}"
                )
        result = vestige.audit(
            grey(smooth(60, rng)), query=Path(folder) / "query", unused=Path(folder) / "unused",
            seed=seed, **QUICK,
        )  # fmt: skip
    return said(result, seed)


def unequal(seed: int) -> Said:
    """A10: patients of 1 to 10 images on one side, of 1 on the other."""
    rng = np.random.default_rng([72, 10, seed])
    images, owner = patients(np.concatenate([rng.integers(1, 11, 20), np.ones(40, int)]), rng)
    mine = owner < 20
    given = {"generated": grey(smooth(60, rng)), "query": images[mine], "unused": images[~mine]}
    return said(audited(given, {"query": owner[mine], "unused": owner[~mine]}, seed), seed)


EDGES: dict[str, Callable[[int], Said]] = {
    "patients of 1 to 4 images": plain,
    "the better half asked again (A2)": asked_again,
    "reference of unused patients (A4)": shared_reference,
    "images under two names (A6)": twins,
    "volumes without ids (A7)": volumes,
    "a DICOM file without id (A8)": lost_id,
    "1 to 10 images against 1 (A10)": unequal,
}


def one(task: tuple[str, int]) -> Said:
    """One world of one edge."""
    return EDGES[task[0]](task[1])


def whole_edges(worlds: int = 1000) -> list[dict[str, Any]]:
    """Counts of worlds with a false alarm, per edge."""
    rows = []
    with ProcessPoolExecutor(2) as executor:
        for edge in EDGES:
            found = list(executor.map(one, [(edge, seed) for seed in range(worlds)], chunksize=10))
            row: dict[str, Any] = {"edge": edge}
            for what in ("set", "image"):
                p = np.array([getattr(each, f"p_{what}") for each in found])
                row |= {f"{what} {rate:g}": int((p <= rate + 1e-12).sum()) for rate in RATES}
            row["decision: found"] = sum(each.found for each in found)
            rows.append(row | {"worlds": worlds})
            print(rows[-1], flush=True)
    return rows


def whole_edges_page(rows: list[dict[str, Any]]) -> str:
    """The part of docs/calibration.md about whole audits at the edges."""
    n = rows[0]["worlds"]
    limits = {f"{rate:g}": binom.interval(BAND, n, rate) for rate in RATES}
    head = [key for key in rows[0] if key != "worlds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        shown = []
        for key in head:
            limit = limits.get(key.split()[-1])
            high = limit is not None and row[key] > limit[1]
            shown.append(f"**{row[key]}**" if high else str(row[key]))
        lines.append("| " + " | ".join(shown) + " |")
    bands = ", ".join(f"{low:.0f} to {high:.0f} at {r}" for r, (low, high) in limits.items())
    return f"""## Whole audits at the edges

{n:,} worlds a row in which nothing was used, 24 to 30 patients a side, two detectors, validity
checks off: worlds in which p of the set, or of a random image, is at most the rate, and in which
the decision says that something was found (set test at .05, patients named, or more patients stand
out than chance explains). 99 % binomial band: {bands}. Bold: above it. The better half of the
queries, asked again, always has a small p; the decision knows it for a selection and says nothing.

{chr(10).join(lines)}
"""
