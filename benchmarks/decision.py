"""Does the decision hold? Sets of real images with a known number of copies, audited whole.

    python benchmarks/decision.py [PART]... [--seeds N] [--data DIR] [--page]

Each part replaces its own rows in benchmarks/results/decision.json, and docs/decision.md is written
from all of them (its text stands in benchmarks/decision_page.md). No part is named: all run.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, rotate

import vestige
from vestige.copies.search import search_copies

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "decision.json"
PAGE = HERE.parent / "docs" / "decision.md"
TEXT = HERE / "decision_page.md"
GENERATED = 1000
COUNTS = (0, 1, 2, 5, 10, 15, 50)
SIDE = 64
Levels = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Source:
    """Real images with patients: a folder of shared data, its columns, patients a side."""

    folder: str
    file: str
    group: str
    patients: int
    images: int
    """Most images of a patient."""


SOURCES = {
    "X-ray": Source("cxr_kermany", "file", "person", 150, 1),
    "CT": Source("ct_iqoth", "file", "group", 22, 10),
    "skin (grey)": Source("skin_pad_ufes", "file", "group", 150, 1),
}


@dataclass(frozen=True)
class Cell:
    """Used, unused and strangers, uint8 [n, s, s], with the patients of the first two."""

    used: Levels
    unused: Levels
    strangers: Levels
    used_groups: list[str]
    unused_groups: list[str]


def draw_cell(data: Path, source: Source, seed: int, only: Collection[str] = ()) -> Cell:
    """Patients dealt at random into used, unused and strangers, who are in no role.

    `only` : the patients to be dealt to the first two; all, if it is empty.
    """
    rng = np.random.default_rng(seed)
    folder = data / source.folder
    with (folder / "index.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_group: dict[str, list[str]] = {}
    for row in rows:
        by_group.setdefault(row[source.group], []).append(row[source.file])
    names = rng.permutation(sorted(by_group))
    if only:
        names = np.array(sorted(names, key=lambda name: name not in only))
    parts: list[tuple[list[Levels], list[str]]] = []
    cuts = (0, source.patients, 2 * source.patients, min(len(names), 2 * source.patients + 400))
    for start, stop in pairwise(cuts):
        images, groups = [], []
        for name in names[start:stop]:
            files = rng.permutation(sorted(by_group[name]))[: source.images]
            images += [_read(folder / file) for file in files]
            groups += [str(name)] * len(files)
        parts.append((images, groups))
    stacks = [np.stack(images) for images, _ in parts]
    return Cell(stacks[0], stacks[1], stacks[2], parts[0][1], parts[1][1])


def _read(path: Path) -> Levels:
    with Image.open(path) as image:
        grey = image.convert("L")
        return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX))


def mixes(strangers: Levels, count: int, rng: np.random.Generator) -> Levels:
    """Blends of two strangers each, one third to two thirds of the first."""
    first, second = rng.integers(len(strangers), size=(2, count))
    share = rng.uniform(1 / 3, 2 / 3, size=(count, 1, 1))
    made = share * strangers[first] + (1 - share) * strangers[second]
    return np.rint(made).astype(np.uint8)


def turned(image: Levels, rng: np.random.Generator) -> Levels:
    """By 2 degrees, blurred by .5 px, with noise of 4 grey levels."""
    made = rotate(image.astype(float), 2, reshape=False, order=1, mode="nearest")
    return _levels(gaussian_filter(made, 0.5) + rng.normal(0, 4, image.shape))


def saved(image: Levels, rng: np.random.Generator) -> Levels:
    """As JPEG of quality 75."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


def mirrored(image: Levels, rng: np.random.Generator) -> Levels:
    """Left and right changed, with noise of 2 grey levels."""
    return _levels(image[:, ::-1] + rng.normal(0, 2, image.shape))


def brightened(image: Levels, rng: np.random.Generator) -> Levels:
    """Gamma .8 or 1.25."""
    gamma = (0.8, 1.25)[rng.integers(2)]
    return _levels(255 * (image / 255) ** gamma)


def _levels(image: Levels) -> Levels:
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


COPIES: dict[str, Callable[[Levels, np.random.Generator], Levels]] = {
    "2 degrees, blur .5 px, noise": turned,
    "JPEG 75": saved,
    "mirrored": mirrored,
    "gamma .8 or 1.25": brightened,
}


def audited(cell: Cell, generated: Levels, **options: Any) -> vestige.AuditResult:
    """A release audit with patients."""
    with TemporaryDirectory() as folder:
        table = Path(folder) / "groups.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "group"])
            for role, groups in (("used", cell.used_groups), ("unused", cell.unused_groups)):
                writer.writerows([f"{role}/{k:06d}", f"{role} {g}"] for k, g in enumerate(groups))
        return vestige.audit(
            generated, cell.used, cell.unused, groups=table, engine="local:1", **options
        )


QUICK: dict[str, Any] = {"detectors": ["nearest_distance_contrast"], "checks": False}
"""Copies are named by themselves, whatever detectors and checks say: one detector will do."""
WHOLE_SEEDS = 1
"""Seeds of sets with copies that are audited whole; of the others copies alone are searched."""


def copied(task: tuple[str, str, str, int, int]) -> dict[str, Any]:
    """One set with `count` copies: the gate, how many were named, and who else."""
    data, name, kind, count, seed = task
    cell = draw_cell(Path(data), SOURCES[name], seed)
    rng = np.random.default_rng([seed, count, sorted(COPIES).index(kind) if kind else 9])
    generated = mixes(cell.strangers, GENERATED, rng)
    sources = rng.permutation(len(cell.used))[:count]
    for g, k in enumerate(sources):
        generated[g] = COPIES[kind](cell.used[k], rng)
    row = {"set": name, "kind": kind, "copies": count, "seed": seed, "of": len(sources)}
    if count and seed >= WHOLE_SEEDS:
        pairs = searched(cell, generated)
        decided = {"gate": "closed" if pairs else "open", "state": "", "codes": []}
    else:
        result = audited(cell, generated, seed=seed, **(QUICK if count else {}))
        pairs = [
            (int(copy.generated), int(copy.real)) for copy in result.copies if copy.role == "used"
        ]
        decided = {
            "gate": result.decision.gate,
            "state": result.decision.state,
            "codes": list(result.decision.codes),
        }
    # another slice of the same patient may be nearer than the one that was copied
    right = {
        g
        for g, k in pairs
        if g < len(sources) and cell.used_groups[k] == cell.used_groups[sources[g]]
    }
    wrong = {g for g, _ in pairs} - right
    return row | decided | {"named": len(right), "innocent": len(wrong)}


def searched(cell: Cell, generated: Levels, move: bool = False) -> list[tuple[int, int]]:
    """Pairs (generated, used) that the search for near copies names."""
    reals = np.concatenate([cell.used, cell.unused]).astype(np.float32) / np.float32(255)
    names = [f"used {g}" for g in cell.used_groups] + [f"unused {g}" for g in cell.unused_groups]
    targets = np.arange(len(reals)) < len(cell.used)
    made = generated.astype(np.float32) / np.float32(255)
    found = search_copies(reals, np.array(names), ~targets, targets, made, move=move).targets
    return list(zip(found.generated.tolist(), found.real.tolist(), strict=True))


def table_of_copies(data: Path, seeds: int) -> list[dict[str, Any]]:
    """Sets with 0 to 50 near-copies, four kinds."""
    tasks = [
        (str(data), name, kind, count, seed)
        for name in SOURCES
        for count in COUNTS
        for kind in (COPIES if count else ("",))
        for seed in range(seeds)
    ]
    with ProcessPoolExecutor(os.cpu_count()) as executor:
        return list(_watched(executor.map(copied, tasks), len(tasks)))


VIEWED: dict[str, Callable[[Levels], Levels]] = {
    "mirrored": lambda x: x[:, :, ::-1],
    "quarter turn": lambda x: np.rot90(x, axes=(1, 2)),
    "shifted by 10 %": lambda x: np.pad(x, ((0, 0), (6, 0), (6, 0)), mode="edge")[:, :SIDE, :SIDE],
    "cropped to 80 %": lambda x: _enlarged(x[:, 6:-7, 6:-7]),
}


def _enlarged(images: Levels) -> Levels:
    return np.stack(
        [
            np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            for image in np.ascontiguousarray(images)
        ]
    )


def table_of_views(data: Path, seeds: int) -> list[dict[str, Any]]:
    """All training images in another view, among as many mixes as make 1,000."""
    rows = []
    for kind, view in VIEWED.items():
        cell = draw_cell(data, SOURCES["X-ray"], 0)
        rng = np.random.default_rng(0)
        copies = view(cell.used)
        others = mixes(cell.strangers, GENERATED - len(copies), rng)
        generated = np.concatenate([copies, others])
        for views in ("mirror", "all"):
            result = audited(cell, generated, views=views)
            rows.append(
                {
                    "kind": kind,
                    "views": views,
                    "effort": "normal",
                    "state": result.decision.state,
                    "gate": result.decision.gate,
                    "named": len({copy.generated for copy in result.copies}),
                    "missed": list(result.decision.missed),
                    "auc": result.set_test.auc.value if result.set_test else None,
                }
            )
        # at high effort the encoders take minutes and change nothing here: copies alone
        named = {g for g, _ in searched(cell, generated, move=True)}
        told = {"state": "copies found", "gate": "closed"} if named else {"state": "", "gate": ""}
        rows.append(
            {"kind": kind, "views": "mirror", "effort": "high", **told, "named": len(named),
             "missed": [], "auc": None}
        )  # fmt: skip
    return rows


CASES: dict[str, tuple[str, ...]] = {
    "1 unread copies": ("png/gen_copies_in_pgm", "png/used", "png/unused"),
    "2 inverted": ("png/gen_copies_inverted", "png/used", "png/unused"),
    "3 hold-out is synthetic": ("png/gen_clean", "png/used", "png/gen_clean_first_120"),
    "4 roles swapped": ("png/gen_copies", "png/unused", "png/used"),
    "5 volumes": ("png/gen_clean", "volumes/used", "volumes/unused", "--false-alarm-rate", "0.2"),
    "6 one lost id": ("png/gen_clean", "ids_one_missing/used", "ids_one_missing/unused"),
    "7 one placeholder id": ("png/gen_clean", "anon/used", "anon/unused"),
    "8 NFD names": ("png/gen_clean", "nfd/used", "nfd/unused", "--groups", "nfd/nfc.csv"),
}


def table_of_cases(data: Path, seeds: int) -> list[dict[str, Any]]:
    """The eight sets of cases/sets, by the command line."""
    make = data.parent / "cases" / "sets" / "make.py"
    rows = []
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(make), folder], check=True, capture_output=True)
        for name, (generated, used, unused, *more) in CASES.items():
            at = [f"{folder}/{place}" for place in (generated, used, unused)]
            more = [f"{folder}/{x}" if "/" in x else x for x in more]
            command = [
                *(sys.executable, "-m", "vestige", "audit", "--gate", "--out", f"{folder}/out"),
                *("--generated", at[0], "--used", at[1], "--unused", at[2], *more),
            ]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            line = (said.stdout or said.stderr).splitlines()[0].replace(folder + "/", "")
            rows.append({"case": name, "exit": said.returncode, "line": line})
    return rows


def table_of_null(data: Path, seeds: int) -> list[dict[str, Any]]:
    """How often the rule for near copies names anything in worlds without copies."""
    return [{"text": _copy_rule("null", data)}]


def table_of_recall(data: Path, seeds: int) -> list[dict[str, Any]]:
    """How many near copies the rule names."""
    return [{"text": _copy_rule("recall", data) + "\n" + _copy_rule("used", data)}]


def _copy_rule(part: str, data: Path) -> str:
    command = [sys.executable, str(HERE / "copy_rule.py"), part, "--data", str(data)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


PARTS: dict[str, Callable[[Path, int], list[dict[str, Any]]]] = {
    "copies": table_of_copies,
    "views": table_of_views,
    "cases": table_of_cases,
    "null": table_of_null,
    "recall": table_of_recall,
}


def _watched(rows: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    for done, row in enumerate(rows, 1):
        print(f"\r{done} of {total}", end="", file=sys.stderr, flush=True)
        yield row
    print(file=sys.stderr)


def write_page(found: dict[str, list[dict[str, Any]]]) -> None:
    """docs/decision.md from its text and all rows."""
    text = TEXT.read_text(encoding="utf-8")
    tables = {"copies": _copies, "views": _views, "cases": _cases, "null": _text, "recall": _text}
    for part, table in tables.items():
        text = text.replace(f"[[{part}]]", table(found[part]) if part in found else "(not run)")
    PAGE.write_text(text, encoding="utf-8")


def _text(rows: list[dict[str, Any]]) -> str:
    return str(rows[0]["text"]).strip()


def _head(*names: str) -> list[str]:
    return ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]


def _copies(rows: list[dict[str, Any]]) -> str:
    head = ("set", "copies", "kind", "seeds", "gate closed", "open", "undecided")
    lines = _head(*head, "copies named", "innocent")
    keys = list(dict.fromkeys((r["set"], r["copies"], r["kind"]) for r in rows))
    for key in keys:
        own = [r for r in rows if (r["set"], r["copies"], r["kind"]) == key]
        gates = [sum(r["gate"] == gate for r in own) for gate in ("closed", "open", "undecided")]
        named, of = sum(r["named"] for r in own), sum(r["of"] for r in own)
        recall = f"{named:,} of {of:,}" if of else "–"
        innocent = sum(r["innocent"] > 0 for r in own)
        cells = [
            key[0],
            key[1],
            key[2] or "–",
            len(own),
            *gates,
            recall,
            f"{innocent} of {len(own)}",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _views(rows: list[dict[str, Any]]) -> str:
    head = ("all used images", "views", "effort", "state", "gate", "named", "AUC")
    lines = _head(*head, "a single copy is missed if")
    for r in rows:
        auc = f"{r['auc']:.2f}" if r["auc"] is not None else "–"
        cells = [r["kind"], r["views"], r["effort"], r["state"], r["gate"], r["named"], auc]
        lines.append("| " + " | ".join(map(str, [*cells, ", ".join(r["missed"])])) + " |")
    return "\n".join(lines)


def _cases(rows: list[dict[str, Any]]) -> str:
    lines = _head("set", "exit", "first line")
    lines += [f"| {r['case']} | {r['exit']} | {r['line']} |" for r in rows]
    return "\n".join(lines)


def main() -> None:
    """Run parts, keep their rows, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in () if asked.page else asked.parts or PARTS:
        found[part] = PARTS[part](asked.data, asked.seeds)
        RESULTS.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")
    write_page(found)


if __name__ == "__main__":
    main()
