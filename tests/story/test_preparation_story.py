"""Sets that were prepared in two ways: vetoed, named, and put on one footing."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from story.world import call, load, release
from vestige.decision import decide
from vestige.worlds.embedded import embedded_worlds, write_world


@pytest.fixture(scope="module")
def recompressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training images were once JPEG files and are PNG files now."""
    world = embedded_worlds(3, n_used=40, n_unused=40, n_generated=120, size=128, share=0.4)[0]
    folder = write_world(world, tmp_path_factory.mktemp("recompressed"))
    for path in sorted((folder / "used").rglob("*.png")):
        packed = io.BytesIO()
        with Image.open(path) as picture:
            picture.convert("L").save(packed, "JPEG", quality=75)
        with Image.open(packed) as picture:
            picture.save(path)
    return folder


def test_a_jpeg_past_is_vetoed_named_and_washed_out(
    recompressed: Path, tmp_path: Path, capsys: Any
) -> None:
    asked = ["audit", *release(recompressed), "--detector", "nearest_distance", "--gate"]
    said = call(capsys, *asked, "--out", tmp_path / "plain")
    result = load(tmp_path / "plain")
    # copies are facts, whatever the check says
    assert (said.code, result.decision.codes) == (3, ("copies",))
    assert result.decision.facts.checks[0] == "preparation"
    without = decide(replace(result.evidence, copies=()))
    assert (without.gate, without.codes) == ("undecided", ("check_failed",))
    assert "not prepared alike (failed check: preparation)" in without.text
    assert "--harmonize" in without.text
    calibration = next(c for c in result.checks if c.name == "preparation")
    assert "blockiness" in calibration.vetoes
    assert "JPEG" in calibration.vetoes
    assert result.manifest.options["harmonize"] is None
    page = (tmp_path / "plain" / "report.html").read_text(encoding="utf-8")
    assert "Were the sets prepared alike?" in page
    assert "JPEG compression, of this file or of one it was made from" in page

    said = call(capsys, *asked, "--harmonize", "--out", tmp_path / "conformed")
    result = load(tmp_path / "conformed")
    rule = result.manifest.options["harmonize"]
    assert rule["sigma"] == 0.7
    ends = {"top", "bottom", "left", "right", "first", "last"}
    assert set(rule) == {"low", "high", "levels", "sigma"} | ends
    assert rule["first"] == rule["last"] == 0
    stages = [(one.first, one.second, one.stage) for one in result.preparation]
    assert stages[0] == ("used", "unused", "prepared")
    assert ("used", "unused", "as stored") in stages
    after = result.preparation[0]
    before = next(one for one in result.preparation if one.stage == "as stored")
    assert not before.passed
    assert after.p_value is not None
    assert before.p_value is not None
    assert after.p_value > before.p_value
    calibration = next(c for c in result.checks if c.name == "preparation")
    assert (calibration.passed, calibration.p_value) == (after.passed, after.p_value)
