"""Audits of a small world on a cluster that keeps its images, for tests that disturb them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from story.world import FILES, call, names, release
from vestige.engine.kept import Kept
from vestige.images import reading

QUICK = ["--detector", "nearest_distance", "--no-checks", "--quiet"]
COLUMNS = ["--detector", "matched_filter_pool", "--detector", "calibrated_distance_5"]
COLUMNS += ["--detector", "reconstruction_ratio", "--no-checks", "--quiet"]


def audited(
    capsys: Any, folder: Path, out: Path, engine: str, options: Sequence[object] = QUICK
) -> bytes:
    """findings.csv of an audit that ends well."""
    said = call(capsys, "audit", *release(folder), *options, "--engine", engine, "--out", out)
    assert (said.code, said.err) == (0, ""), said.err
    assert names(out) == FILES
    return (out / "findings.csv").read_bytes()


def refused(
    capsys: Any, folder: Path, out: Path, engine: str, options: Sequence[object] = QUICK
) -> str:
    """The one line of an audit that writes nothing."""
    said = call(capsys, "audit", *release(folder), *options, "--engine", engine, "--out", out)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert not out.exists()
    return said.err


def keep_small_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small sets stay with the workers too, in several blocks."""
    for module in ("images.elsewhere", "images.passes", "features.rows"):
        monkeypatch.setattr(f"vestige.{module}.BLOCK", 16)
    monkeypatch.setattr("vestige.features.rows.MANY_BYTES", 0)
    monkeypatch.setattr("vestige.images.holding.AT_HOME_BYTES", 0)
    monkeypatch.setattr(reading, "SHARD_FILES", 8)


def passes(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object] = int) -> list[int]:
    """The passes that were sent to the workers; something happens before the fourth."""
    whole, seen = Kept.folded, list[int]()

    def counted(self: Kept, fold: Any, merge: Any, starts: Any) -> Any:
        seen.append(len(starts))
        if len(seen) == 4:
            act()
        return whole(self, fold, merge, starts)

    monkeypatch.setattr(Kept, "folded", counted)
    return seen
