"""`vestige audit --gate`: which way, which exit code, and the one line that says why."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import vestige
from story.world import call, load, names, release, worlds, write
from vestige.gate import called_used, explained_by_chance, gate
from vestige.records import Calibration, Finding

QUICK = ("--detector", "matched_filter_pool", "--detector", "nearest_distance_contrast")


def gate_line(said: Any) -> str:
    """The last line, which is the gate's, and the only one of its kind."""
    [line] = [line for line in said.out.splitlines() if line.startswith("Gate ")]
    assert said.out.splitlines()[-1] == line
    return line


def audited(capsys: Any, out: Path, *asked: object) -> tuple[int, str, vestige.AuditResult]:
    said = call(capsys, "audit", *asked, *QUICK, "--gate", "--out", out)
    assert said.err == ""
    return said.code, gate_line(said), load(out)


# --- every reason word
def test_found(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    code, line, result = audited(capsys, tmp_path / "o", *release(leaking))
    assert (code, result.verdict.reason) == (3, "found")
    assert line.startswith("Gate closed (exit 3): leakage was found in the whole set (p = 0.0")


def test_not_found(clean: Path, tmp_path: Path, capsys: Any) -> None:
    code, line, result = audited(capsys, tmp_path / "o", *release(clean))
    assert (code, result.verdict.reason) == (0, "nothing found")
    assert result.set_test is not None
    seen = f"{result.set_test.minimum_detectable_auc:.2f}"
    assert line == (
        f"Gate open (exit 0): nothing was found, and an AUC of {seen} or more would have been seen."
    )


def test_underpowered_says_how_many_would_do(clean: Path, tmp_path: Path, capsys: Any) -> None:
    few = write(tmp_path / "few", worlds()[1].used[:2])
    asked = ["--generated", clean / "generated", "--used", few, "--unused", clean / "unused"]
    code, line, result = audited(capsys, tmp_path / "o", *asked)
    assert (code, result.verdict.reason) == (4, "underpowered")
    assert line.startswith("Gate undecided (exit 4): underpowered, ")
    assert line.endswith("about 6 judged and 6 unused ones would do.")


def test_uncalibrated_says_how_many_would_do(clean: Path, tmp_path: Path, capsys: Any) -> None:
    asked = ["--generated", clean / "generated", "--used", clean / "used"]
    for rate, needed in ((0.05, 19), (0.01, 99)):
        more = (*asked, "--false-alarm-rate", rate)
        code, line, result = audited(capsys, tmp_path / f"o{needed}", *more)
        assert (code, result.verdict.reason) == (4, "uncalibrated")
        assert line.endswith(f"a false-alarm rate of {rate:g} needs {needed} unused patients.")


def test_confounded(clean: Path, tmp_path: Path, capsys: Any) -> None:
    # the used images come from a brighter scanner
    brighter = [np.minimum(image.astype(int) + 40, 255).astype(np.uint8) for image in
                worlds()[1].used]  # fmt: skip
    used = write(tmp_path / "used", brighter)
    asked = ["--generated", clean / "generated", "--used", used, "--unused", clean / "unused"]
    code, line, result = audited(capsys, tmp_path / "o", *asked)
    assert (code, result.verdict.reason) == (4, "confounded")
    assert line == (
        "Gate undecided (exit 4): confounded, the real sets differ by themselves (control "
        "blind, conformity)."
    )


@pytest.mark.parametrize("reason", ["insensitive", "underpowered", "confounded", "uncalibrated"])
def test_no_undecided_reason_opens(clean_result: vestige.AuditResult, reason: Any) -> None:
    verdict = replace(clean_result.verdict, leak="undecided", reason=reason)
    decided = gate(replace(clean_result, verdict=verdict))
    assert (decided.decided, decided.code) == ("undecided", 4)
    assert reason in decided.why


# --- too little to decide by
def test_all_used_slices_of_one_patient(clean: Path, tmp_path: Path, capsys: Any) -> None:
    table = tmp_path / "groups.csv"
    rows = (clean / "groups.csv").read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(
        row.split(",")[0] + ",one" if row.startswith("used/") else row for row in rows
    ))  # fmt: skip
    code, line, result = audited(capsys, tmp_path / "o", *release(clean)[:-1], table)
    assert (code, result.verdict.reason) == (4, "underpowered")
    assert "about 6 judged" in line


def test_one_patient_on_both_sides(clean: Path, tmp_path: Path, capsys: Any) -> None:
    table = tmp_path / "groups.csv"
    rows = (clean / "groups.csv").read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([rows[0], *(row.split(",")[0] + ",one" for row in rows[1:])]))
    asked = [*release(clean)[:-1], table, *QUICK, "--gate", "--out", tmp_path / "o"]
    said = call(capsys, "audit", *asked)
    assert (said.code, said.out) == (2, "")
    assert "every unused image shares its group" in said.err
    assert "19 such patients" in said.err
    assert names(tmp_path) == ["groups.csv"]


def test_fewer_controls_than_the_rate_needs(clean: Path, tmp_path: Path, capsys: Any) -> None:
    few = write(tmp_path / "few", worlds()[1].unused[:12])
    asked = ["--generated", clean / "generated", "--used", clean / "used", "--unused", few]
    said = call(capsys, "audit", *asked, *QUICK, "--gate", "--out", tmp_path / "o")
    assert (said.code, said.out) == (2, "")
    assert "a false-alarm rate of 0.05 needs 19 unused images, 12 were given" in said.err
    assert not (tmp_path / "o").exists()


# --- what the test of the whole set may overlook
def test_one_verbatim_copy_closes_the_gate(clean: Path, tmp_path: Path, capsys: Any) -> None:
    generated = tmp_path / "generated"
    shutil.copytree(clean / "generated", generated)
    shutil.copy(clean / "used" / "patient0007.png", generated / "g9999.png")
    asked = release(clean)
    asked[1] = generated
    code, line, result = audited(capsys, tmp_path / "o", *asked)
    assert result.verdict.leak == "not found"
    assert code == 3
    assert line == (
        "Gate closed (exit 3): generated images have exactly the pixels of judged real images."
    )


def test_many_single_findings_close_the_gate(clean_result: vestige.AuditResult) -> None:
    def calling(count: int) -> vestige.AuditResult:
        low: tuple[Finding, ...] = tuple(
            replace(f, p_value=0.02 if k < count else 0.6,
                    verdict="used" if k < count else "no evidence")
            for k, f in enumerate(clean_result.findings)
        )  # fmt: skip
        return replace(clean_result, findings=low)

    limit = explained_by_chance(clean_result)
    assert called_used(calling(limit + 1)) == limit + 1
    assert gate(calling(limit)).code == 0
    decided = gate(calling(limit + 1))
    assert (decided.decided, decided.code) == ("closed", 3)
    assert f"{limit + 1} images are called used and chance explains at most {limit}" in decided.why


def test_the_limit_holds_when_nothing_is_used(clean_result: vestige.AuditResult) -> None:
    """P(beyond the limit) <= .01 with 40 queries and 40 controls that share one law.

    20,000 draws: the observed share exceeds .0131 with probability < 1e-5; a binomial limit at the
    same level would be passed in more than 2 % of audits.
    """
    rng = np.random.default_rng(0)
    queries, controls = rng.random((20000, 40)), np.sort(rng.random((20000, 40)), axis=1)
    called = (queries > controls[:, -2, None]).sum(axis=1)  # p <= .05: at most one control above
    assert (called > explained_by_chance(clean_result)).mean() < 0.0131
    assert (called > stats.binom.ppf(0.99, 40, 0.05)).mean() > 0.02


def test_the_limit_counts_patients_not_slices(clean_result: vestige.AuditResult) -> None:
    twice = clean_result.findings + tuple(replace(f, id=f"b/{f.id}") for f in clean_result.findings)
    assert explained_by_chance(replace(clean_result, findings=twice)) == 2 * explained_by_chance(
        clean_result
    )
    none = replace(clean_result, calibration=Calibration((), (), ()))
    assert explained_by_chance(none) == 0


# --- how it is told
def test_json_and_quiet(clean: Path, tmp_path: Path, capsys: Any) -> None:
    asked = [*release(clean), *QUICK, "--gate", "--out", tmp_path / "o"]
    said = call(capsys, "audit", *asked, "--json")
    answer = json.loads(said.out)
    assert answer["gate"]["decided"] == "open"
    assert (said.code, answer["gate"]["code"]) == (0, 0)
    said = call(capsys, "audit", *asked, "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    said = call(capsys, "audit", *release(clean), *QUICK, "--out", tmp_path / "o")
    assert "Gate" not in said.out


@pytest.fixture(scope="module")
def clean_result() -> vestige.AuditResult:
    world = worlds()[1]
    quick = [name for name in QUICK if not name.startswith("-")]
    return vestige.audit(world.generated, world.used, world.unused, detectors=quick)
