"""A small world as folders, and the command line in process: shared by stories and faults."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vestige.cli.main import main
from vestige.result import AuditResult
from vestige.worlds.embedded import World, embedded_worlds

N = 40
FILES = ["findings.csv", "report.html", "result.json"]


@cache
def worlds() -> tuple[World, World]:
    """Leaking (48 of 120 generated images are near-copies, one or two of each used) and clean."""
    return embedded_worlds(3, n_used=N, n_unused=N, n_generated=120, size=64, share=0.4)


def write(folder: Path, images: Any, name: str = "{:03d}.png") -> Path:
    """Images as PNG files (8 or 16 bit) of one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, image in enumerate(images):
        Image.fromarray(image).save(folder / name.format(k), compress_level=1)
    return folder


@dataclass(frozen=True)
class Called:
    """What one command line did."""

    code: int
    out: str
    err: str


def call(capsys: Any, *arguments: object) -> Called:
    """Run the command line in this process."""
    capsys.readouterr()
    try:
        main([str(argument) for argument in arguments])
        code: Any = 0
    except SystemExit as end:
        code = end.code
    shown = capsys.readouterr()
    return Called(int(code or 0), shown.out, shown.err)


def release(folder: Path) -> list[object]:
    """Options of a release audit of a folder written by `worlds.embedded.write_world`."""
    return [
        *("--generated", folder / "generated", "--used", folder / "used"),
        *("--unused", folder / "unused", "--groups", folder / "groups.csv"),
    ]


def names(folder: Path) -> list[str]:
    """Everything below a folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def load(out: Path) -> AuditResult:
    """The saved result of a folder that holds the three files and nothing else."""
    assert names(out) == FILES
    return AuditResult.load(out / "result.json")


def told(result: AuditResult) -> dict[str, Any]:
    """What a result says, without problems and without what differs from run to run."""
    raw: dict[str, Any] = json.loads(result.to_json())
    manifest = raw.pop("manifest")
    raw.pop("problems")
    manifest["options"].pop("engine")
    return raw | {k: manifest[k] for k in ("options", "inputs_sha256", "seed")}


def sixteen(images: Any) -> np.ndarray[Any, Any]:
    """Pictures in 0..1 as 16-bit levels."""
    return np.rint(np.clip(images, 0, 1) * 65535).astype(np.uint16)
