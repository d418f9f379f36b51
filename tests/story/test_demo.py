"""`vestige demo`: two reports from nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from story.world import call, load
from vestige.worlds import demo
from vestige.worlds.embedded import embedded_worlds

GATES = {"leaking": "closed", "clean": "open"}


def check(out: Path) -> None:
    for name, gate in GATES.items():
        result = load(out / name)
        assert result.decision.gate == gate
        page = (out / name / "report.html").read_text(encoding="utf-8")
        assert "data:image/png" in page
    assert sorted(p.name for p in out.iterdir()) == ["clean", "images", "leaking"]


def test_the_demo_finds_the_leak_and_only_the_leak(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = embedded_worlds(1, n_used=50, n_unused=50, n_generated=150, size=64, share=0.3)
    monkeypatch.setattr(demo, "embedded_worlds", lambda seed, executor: small)
    out = tmp_path / "demo"
    said = call(capsys, "demo", "--out", out, "--seed", 1)
    assert (said.code, said.err) == (0, "")
    shown = said.out.splitlines()
    assert shown[0] == "The leaking set:"
    assert shown[1] == load(out / "leaking").decision.text
    assert shown[3] == "The clean set:"
    assert shown[4] == load(out / "clean").decision.text
    check(out)
    # again into the same folder: the same findings
    before = (out / "leaking" / "findings.csv").read_bytes()
    again = call(capsys, "demo", "--out", out, "--seed", 1, "--json")
    told = [json.loads(line)["decision"]["gate"] for line in again.out.splitlines()]
    assert told == list(GATES.values())
    assert (out / "leaking" / "findings.csv").read_bytes() == before


@pytest.mark.slow
def test_the_demo_as_shipped(tmp_path: Path, capsys: Any) -> None:
    assert call(capsys, "demo", "--out", tmp_path / "demo", "--quiet").code == 0
    check(tmp_path / "demo")
