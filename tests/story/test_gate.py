"""`vestige audit --gate`: which way, which exit code, and the one line that says why."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from story.world import call, load, names, release, worlds, write
from vestige.decision.sentences import gate_line

QUICK = ("--detector", "matched_filter_pool", "--detector", "nearest_distance_contrast")


def audited(capsys: Any, out: Path, *asked: object) -> tuple[int, str, vestige.AuditResult]:
    """Exit code, the line of the gate, and the result, which agree."""
    said = call(capsys, "audit", *asked, *QUICK, "--gate", "--out", out)
    assert said.err == ""
    result = load(out)
    line, report = said.out.splitlines()
    assert line == gate_line(result.decision)
    assert report == f"Report: {out / 'report.html'}"
    assert said.code == result.decision.exit_code
    return said.code, line, result


# --- the three ways
def test_closed(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    code, line, result = audited(capsys, tmp_path / "o", *release(leaking))
    assert (code, result.decision.gate) == (3, "closed")
    assert line.startswith("Gate closed (exit 3): ")


def test_open(clean: Path, tmp_path: Path, capsys: Any) -> None:
    code, line, result = audited(capsys, tmp_path / "o", *release(clean))
    assert (code, result.decision.gate) == (0, "open")
    assert line.startswith("Gate open (exit 0): Nothing found: ")
    assert "This does not prove that the set is private" in line


def test_uncalibrated_says_how_many_would_do(clean: Path, tmp_path: Path, capsys: Any) -> None:
    # the generated set of the clean world holds no copy of a used image
    asked = ["--generated", clean / "generated", "--used", clean / "used"]
    for rate, needed in ((0.05, 19), (0.01, 99)):
        more = (*asked, "--false-alarm-rate", rate)
        code, line, result = audited(capsys, tmp_path / f"o{needed}", *more)
        assert (code, result.decision.codes) == (4, ("uncalibrated",))
        assert f"Give unused images (--unused) of {needed} or more patients" in line


def test_sets_that_differ(clean: Path, tmp_path: Path, capsys: Any) -> None:
    # the used images come from a brighter scanner
    brighter = [np.minimum(image.astype(int) + 40, 255).astype(np.uint8) for image in
                worlds()[1].used]  # fmt: skip
    used = write(tmp_path / "used", brighter)
    asked = ["--generated", clean / "generated", "--used", used, "--unused", clean / "unused"]
    code, line, result = audited(capsys, tmp_path / "o", *asked)
    assert (code, result.decision.codes) == (4, ("check_failed",))
    assert "(failed check: blind)" in line
    assert "(failed check: preparation)" in line


def test_checks_that_were_switched_off_never_open(
    leaking: Path, clean: Path, tmp_path: Path, capsys: Any
) -> None:
    for folder, code in ((leaking, 3), (clean, 4)):
        out = tmp_path / folder.name
        found, line, result = audited(capsys, out, *release(folder), "--no-checks")
        assert found == code
        assert ("Audit again without --no-checks." in line) == (code == 4)
    assert "checks_off" in result.decision.codes


# --- too little to decide by
def test_too_few_patients_say_how_many_would_do(clean: Path, tmp_path: Path, capsys: Any) -> None:
    few = write(tmp_path / "few", worlds()[1].used[:2])
    asked = ["--generated", clean / "generated", "--used", few, "--unused", clean / "unused"]
    code, line, result = audited(capsys, tmp_path / "o", *asked)
    assert (code, result.decision.gate) == (4, "undecided")
    assert "bound_above_limit" in result.decision.codes
    assert "patients on each side" in line
    assert result.decision.remedy[0] == "give_patient_ids"


def test_all_used_slices_of_one_patient(clean: Path, tmp_path: Path, capsys: Any) -> None:
    table = tmp_path / "groups.csv"
    rows = (clean / "groups.csv").read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(
        row.split(",")[0] + ",one" if row.startswith("used/") else row for row in rows
    ))  # fmt: skip
    code, _, result = audited(capsys, tmp_path / "o", *release(clean)[:-1], table)
    assert (code, result.decision.gate) == (4, "undecided")
    assert "bound_above_limit" in result.decision.codes


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
    assert (code, result.decision.state) == (3, "copies found")
    assert "1 generated image is a copy of 1 training image of 1 patient" in line


# --- the limit of the upper bound
def test_the_earlier_name_of_the_limit_still_works_and_says_so(
    clean: Path, tmp_path: Path, capsys: Any
) -> None:
    asked = [*release(clean), *QUICK, "--no-checks", "--out", tmp_path / "o"]
    said = call(capsys, "audit", *asked, "--limit-auc", 0.72)
    assert said.err == "vestige: --limit-auc is now --max-auc and will go in 0.3.\n"
    assert load(tmp_path / "o").question.max_auc == 0.72
    assert "--limit-auc" not in call(capsys, "audit", "--help").out
    said = call(capsys, "audit", *asked, "--max-auc", 0.8, "--assigned-by-lot", "--force")
    assert (said.code, said.err) == (0, "")
    assert load(tmp_path / "o").decision.facts.max_auc == 0.8
    said = call(capsys, "audit", *asked, "--max-auc", 0.5)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("vestige: the largest accepted AUC lies above .5 up to 1")


# --- how it is told
@pytest.mark.slow
def test_json_and_quiet(clean: Path, tmp_path: Path, capsys: Any) -> None:
    asked = [*release(clean), *QUICK, "--gate", "--out", tmp_path / "o"]
    said = call(capsys, "audit", *asked, "--json")
    answer = json.loads(said.out)
    written = json.loads((tmp_path / "o" / "result.json").read_text(encoding="utf-8"))
    assert answer["decision"] == written["decision"]
    assert (said.code, answer["decision"]["gate"]) == (0, "open")
    said = call(capsys, "audit", *asked, "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    said = call(capsys, "audit", *release(clean), *QUICK, "--out", tmp_path / "o")
    assert "Gate" not in said.out
    assert said.out.startswith("Nothing found: ")


@pytest.mark.parametrize("text", ['{"schema": 1}', '{"schema": 1, "verdict": {"leak": "found"}}'])
def test_results_of_an_earlier_version_are_refused_with_one_line(
    clean: Path, tmp_path: Path, capsys: Any, text: str
) -> None:
    old = tmp_path / "result.json"
    old.write_text(text)
    for asked in (
        ["report", old, "--out", tmp_path / "x.html"],
        ["scrub", old, *release(clean), "--out", tmp_path / "keep.txt"],
    ):
        said = call(capsys, *asked)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert "vestige 0.1 (schema 1)" in said.err
        assert "audit the same folders again" in said.err
    assert names(tmp_path) == ["result.json"]
