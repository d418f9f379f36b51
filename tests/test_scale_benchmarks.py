"""The benchmarks of scale and peers run, small, and their peers agree with vestige."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_peers_give_the_same_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    peers = load("peers", monkeypatch)
    monkeypatch.setattr(peers, "REALS", 300)
    monkeypatch.setattr(peers, "RELABELLINGS", 19)
    peers.write_arrays(tmp_path, 900)
    x: dict[str, Any] = {n: np.load(tmp_path / f"{n}.npy") for n in ("reals", "generated")}
    from vestige.measures.cells import k_means

    x["centroids"] = k_means(x["reals"].astype(np.float64), 5)
    for ours, others, (relative, absolute) in peers.TASKS.values():
        answer = ours(x)
        for other in others.values():
            np.testing.assert_allclose(answer, other(x), rtol=relative, atol=absolute)


def test_the_kept_results_hold_what_the_page_promises() -> None:
    scale, peers = (
        json.loads((BENCHMARKS / "results" / f"{name}.json").read_text())
        for name in ("scale", "peers")
    )
    assert scale["peak_gib"] < 1.5
    assert scale["ratio"] < 1.3
    assert max(r["generated"] for r in scale["rows"]) == 1_000_000
    assert all(r["recall"] == r["same_rows"] == 1 for r in scale["rows"] if r["work"] == "flat")
    full = [r for r in peers["rows"] if "full matri" in r["peer"] and "peer_seconds" in r]
    assert full
    assert all(r["times_faster"] > 1 and r["times_smaller"] > 1 for r in full)
