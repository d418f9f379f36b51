"""A generated set that does not fit: the same findings, without the set in memory."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from story.world import call, release
from vestige.detectors import cosine_search
from vestige.images import spool
from vestige.images.spool import spooled
from vestige.scoring.columns import Reals, score_columns
from vestige.scoring.plan import plan_columns

SIDE, STEP = 32, 1024
IMAGE_BYTES = SIDE * SIDE * 4


@pytest.mark.parametrize(
    "more",
    [
        pytest.param([], marks=pytest.mark.slow),
        pytest.param(["--release-curve"], marks=pytest.mark.slow),
        ["--harmonize"],
    ],
)
def test_in_a_file_the_findings_are_the_same_bytes(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    asked = ["audit", *release(leaking), *more, "--quiet", "--out", tmp_path / "out"]
    written = []
    for held in (spool.HELD_BYTES, 10 * 64 * 64 * 4):
        monkeypatch.setattr(spool, "HELD_BYTES", held)
        assert call(capsys, *asked).code == 0
        result = (tmp_path / "out" / "result.json").read_text()
        findings = (tmp_path / "out" / "findings.csv").read_bytes()
        written.append((findings, result[: result.index('"manifest"')]))
    assert written[0] == written[1]


def peak_bytes(m: int, columns: list[str]) -> int:
    """Peak of scoring a cohort of 60 beside m generated images in a file, as NumPy reports it."""
    rng = np.random.default_rng(0)
    parts = (rng.random((STEP, SIDE, SIDE), dtype=np.float32) for _ in range(m // STEP))
    generated = spooled(parts, (SIDE, SIDE))
    assert isinstance(generated, np.memmap)
    cohort = rng.random((60, SIDE, SIDE), dtype=np.float32)
    plan = [c for c in plan_columns(None, has_reference=False) if c.name in columns]
    tracemalloc.start()
    try:
        score_columns(plan, generated, None, Reals(cohort, np.arange(60)))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("column", [c.name for c in plan_columns(None, has_reference=False)])
def test_no_column_of_auto_holds_the_generated_set(
    column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "HELD_BYTES", STEP * IMAGE_BYTES)
    monkeypatch.setattr(cosine_search, "BLOCK_BYTES", STEP * 60 * 4)
    few, many = (peak_bytes(m, [column]) for m in (2 * STEP, 6 * STEP))
    # what may grow are rows of up to 64 components and numbers per image: a tenth of the pixels
    assert many - few < 0.1 * 4 * STEP * IMAGE_BYTES
