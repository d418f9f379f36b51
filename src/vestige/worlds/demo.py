"""The demo: a leaking and a clean world over the same reals, and an audit of each."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeAlias

from vestige.auditing.audit import audit
from vestige.engine.shards import map_shards
from vestige.result import AuditResult
from vestige.worlds.embedded import embedded_worlds, write_world

Asked: TypeAlias = tuple[str, dict[str, Path]]
"""The name of a world, and the folders and the groups file of its release audit."""


def write_demo(
    folder: str | os.PathLike[str], seed: int = 0, executor: Executor | None = None
) -> list[Asked]:
    """Write a leaking and a clean world over the same reals, as an audit would be given them."""
    images = Path(folder) / "images"
    asked = []
    for name, world in zip(
        ("leaking", "clean"), embedded_worlds(seed, executor=executor), strict=True
    ):
        write_world(world, images, f"generated_{name}")
        inputs = {
            "generated": images / f"generated_{name}",
            "used": images / "used",
            "unused": images / "unused",
            "groups": images / "groups.csv",
        }
        asked.append((name, inputs))
    return asked


def audit_demo(
    asked: list[Asked], folder: Path, seed: int = 0, executor: Executor | None = None
) -> Iterator[tuple[AuditResult, Path]]:
    """Audit each world, side by side where there are workers: the result and its report."""
    return map_shards(executor, _audited, asked, folder, seed, name=lambda one: one[0])


def _audited(asked: Asked, folder: Path, seed: int) -> tuple[AuditResult, Path]:
    name, inputs = asked
    result = audit(
        inputs["generated"],
        inputs["used"],
        inputs["unused"],
        groups=inputs["groups"],
        engine="local:1",  # the other audit has the other core
        seed=seed,
    )
    return result, result.save(folder / name, overwrite=True)  # of images that were drawn anew
