"""Three sites audit one generated set with their own images, and their results become one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from report.test_page import Page
from story.world import call, write
from vestige.report import redact
from vestige.result import AuditResult
from vestige.sites.combine import CombinedResult
from vestige.stats.sites import combined_p
from vestige.worlds.embedded import World, embedded_world

QUICK = ["matched_filter_pool", "nearest_distance_contrast"]
SITES = ("north", "south", "west")


def part(world: World, k: int, n: int = 24) -> tuple[Any, Any]:
    """The real images of site k."""
    own = slice(k * n, k * n + n)
    return world.used[own], world.unused[own]


@pytest.fixture(scope="module")
def leaking() -> World:
    return embedded_world(True, 7, n_used=72, n_unused=72, n_generated=120, size=32, share=0.05)


def test_three_sites_find_copies_without_giving_an_image_away(
    leaking: World, tmp_path: Path, capsys: Any
) -> None:
    """The commands of docs/sites.md; the south gives hashes in place of names."""
    write(tmp_path / "synthetic", leaking.generated)
    for k, name in enumerate(SITES):
        used, unused = part(leaking, k)
        given = [tmp_path / name / "used", tmp_path / name / "unused"]
        write(given[0], used, name + "_used_{:03d}.png")
        write(given[1], unused, name + "_unused_{:03d}.png")
        said = call(
            capsys, "audit", "--generated", tmp_path / "synthetic", "--used", given[0],
            "--unused", given[1], "--group-regex", "([a-z]+_[a-z]+_[0-9]+)", "--no-checks",
            "--detector", QUICK[0], "--quiet", "--out", tmp_path / name / "audit",
        )  # fmt: skip
        assert said.code == 0
    results = [tmp_path / name / "audit" / "result.json" for name in SITES]
    hidden = tmp_path / "south" / "redacted.json"
    assert call(capsys, "report", results[1], "--redact", "--out", hidden).code == 0
    assert "south_used" not in hidden.read_text(encoding="utf-8")
    out = tmp_path / "together"
    said = call(
        capsys, "combine", "--site", f"north={results[0]}", "--site", f"south={hidden}",
        "--site", f"west={results[2]}", "--gate", "--out", out,
    )  # fmt: skip
    assert said.code == 3 and said.out.startswith("Gate closed (exit 3): 3 sites together: Copies")
    found = CombinedResult.load(out / "combined.json")
    alone = [AuditResult.load(path) for path in results]
    assert found.test is not None
    assert found.test.p_value == combined_p([one.set_test.p_value for one in alone], [1, 1, 1])
    assert sum(one.copies for one in found.sites) == found.decision.facts.copies == 6
    truth = leaking.truth.copied
    guilty = {f"{SITES[i // 24]}_used_{i % 24:03d}" for i in truth[truth >= 0]}
    copied = [one for one in found.patients if one.finding.word == "copy"]
    told = {one.finding.patient for one in copied}
    assert {name for name in guilty if "south" not in name} <= told
    assert len(told) == len(guilty)
    assert {one.site for one in copied} == {name.partition("_")[0] for name in guilty}
    text = Page((out / "combined.html").read_text(encoding="utf-8")).text
    assert all(name in text for name in told)
    assert "south_used" not in (out / "combined.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_sites_that_are_too_small_alone_open_the_gate_together() -> None:
    """With all checks, on a set that copies nobody."""
    world = embedded_world(False, 11, n_used=90, n_unused=90, n_generated=150, size=32)
    results = {
        name: vestige.audit(world.generated, *part(world, k, 30), detectors=QUICK, max_auc=0.6)
        for k, name in enumerate(SITES)
    }
    told = [one.decision.codes for one in results.values()]
    assert told.count(("bound_above_limit",)) == 2
    found = vestige.combine(results)
    assert (found.state, found.gate, found.because) == ("not found", "open", "all sites")
    bounds = [one.bounds.auc_upper for one in results.values() if one.bounds is not None]
    assert (found.decision.facts.auc_upper or 1) < np.mean(bounds)
    again = vestige.combine({name: redact(one) for name, one in results.items()})
    assert (found.state, found.gate) == (again.state, again.gate)
