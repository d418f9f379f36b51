"""benchmarks/costs.py measures, and docs/costs.md is the page of what it measured."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.detectors import DETECTORS

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "costs.py"


@pytest.fixture(scope="module")
def costs() -> Any:
    spec = importlib.util.spec_from_file_location("costs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_from_the_figures(costs: Any) -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "costs.json").read_text())
    assert (ROOT / "docs" / "costs.md").read_text(encoding="utf-8") == costs.page(found)
    assert all(costs.growth(rows) < costs.FLAT for rows in found["searches"].values())


def test_every_detector_has_a_row_and_a_reason_if_it_is_not_measured(costs: Any) -> None:
    rows = costs.planned([])
    assert {row["detector"] for row in rows} == set(DETECTORS)
    left_out = {row["detector"]: row["not_measured"] for row in rows if "not_measured" in row}
    assert set(left_out) == {name for name, choice in DETECTORS.items() if choice.weights}
    assert "needs weights" in left_out["vit_canet"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_detector_is_measured_in_a_fresh_process(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sets = {role: rng.random((60, 16, 16), np.float32) for role in ("generated", "query")}
    sets |= dict.fromkeys(("reference", "used", "unused"), sets["query"])
    np.savez(tmp_path / "images.npz", **sets)
    command = [sys.executable, str(SCRIPT), "--measure", "matched_filter_pool", '{"size": 16}']
    done = subprocess.run(
        [*command, str(tmp_path / "images.npz")], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert 0 < found["seconds"] < 60
    assert 0 <= found["peak_mib"] < 1000
