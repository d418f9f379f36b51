"""A researcher: detectors on two worlds, killed on the way and started again."""

import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from benchmark_worlds import write_worlds
from story.world import call
from vestige.benchmark.result import load_benchmark

FILES = ["benchmark.json", "cells", "table.csv", "table.html", "table.md", "table.tex"]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(write_worlds(tmp_path_factory.mktemp("worlds")).values())


@pytest.mark.slow
def test_killed_and_started_again_the_leak_is_found_and_only_the_leak(
    worlds: list[Path], tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    command = ["benchmark", *worlds, "--detector", "nearest_distance", "--null-seeds", 1]
    command += ["--workers", 2, "--out", out]
    with subprocess.Popen(
        [sys.executable, "-m", "vestige", *map(str, command)], stderr=subprocess.PIPE
    ) as process:
        end = monotonic() + 120
        while not list(out.glob("cells/*.json")):
            assert monotonic() < end
            assert process.poll() is None
            sleep(0.02)
        process.kill()
    assert not (out / "benchmark.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("cells/*.json")}
    assert 0 < len(kept) < 12
    said = call(capsys, *command)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"12 cells over 2 worlds: {out / 'table.html'}\n"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert sorted(p.name for p in out.iterdir()) == FILES
    found = load_benchmark(out / "benchmark.json")
    p = {(c.world, c.row): c.release.p_value for c in found.cells if c.release and not c.null}
    leaking = [p["leaking", row] for row in ("auto", "auto_unlabelled", "nearest_distance")]
    assert leaking == [0.001] * 3  # 999 relabellings
    assert min(p["clean", "auto"], p["clean", "nearest_distance"], p["leaking", "random"]) > 0.01
    assert all(cell.forensic for cell in found.cells if not cell.null)
    assert all(cell.seconds > 0 for cell in found.cells)
    assert all(cell.peak_rss_bytes > 5e7 for cell in found.cells if cell.row != "random")
