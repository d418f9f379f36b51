"""What users ask: release or forensic, with labels or without, with groups or without."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from story.world import call, load, release, worlds, write
from vestige.decision.sentences import gate_line
from vestige.worlds.embedded import embedded_worlds

QUICK = ("--detector", "nearest_distance", "--no-checks")
HALF = 16  # of the 40 used images are queries when the others are known


def named(result: vestige.AuditResult, ids: set[str]) -> int:
    """How many of these images are judged used."""
    return sum(f.called for f in result.findings if f.id in ids)


# --- the three ways to ask
def test_release_finds_copies_and_leaves_a_clean_set_alone(
    leaking: Path, clean: Path, tmp_path: Path, capsys: Any
) -> None:
    for folder, gate, code in ((leaking, "closed", 3), (clean, "open", 0)):
        out = tmp_path / folder.name
        said = call(capsys, "audit", *release(folder), "--gate", "--out", out)
        result = load(out)
        assert (said.code, said.err) == (code, "")
        assert said.out.splitlines()[0] == gate_line(result.decision)
        assert result.decision.gate == gate
        assert result.question.mode == "release"
        assert {f.role for f in result.findings} == {"used"}
        states = {c.name: c.state for c in result.checks}
        qualify = "passed" if gate == "closed" else "not needed"
        assert states == {
            **dict.fromkeys(("blind", "preparation", "planted"), "passed"),
            **dict.fromkeys(("member_only", "swapped", "smooth"), qualify),
            "clean_calibration": "not possible",
        }  # fmt: skip
        assert {f"check {name}" for name in states} <= set(result.manifest.seconds)
        page = (out / "report.html").read_text(encoding="utf-8")
        assert "20 of 20 images with 1 copy" in page
        planted = next(
            calibration for calibration in result.checks if calibration.name == "planted"
        )
        for level, figure in planted.details.items():
            assert level in page
            assert figure.n == 20
        assert [one.sources for one in result.levels] == [20] * 11
        seen = {one.level for one in result.levels if one.named >= 18}
        assert {"verbatim", "jpeg_75", "mirrored"} <= seen
        assert (result.copies != ()) == (gate == "closed")
        assert not result.problems
        calls = sum(f.called for f in result.findings)
        # clean: 40 images at 5 %, P(more than 12) < 1e-6 were they independent
        assert calls >= 36 if gate == "closed" else calls <= 12


def test_forensic_without_labels(leaking: Path) -> None:
    world = worlds()[0]
    queries = np.concatenate([world.used[:20], world.unused[:15]])
    result = vestige.audit(world.generated, query=queries, unused=world.unused[15:])
    assert (result.question.mode, result.decision.gate) == ("forensic", "closed")
    assert {f.role for f in result.findings} == {"query"}
    ids = [f"{k:06d}" for k in range(35)]
    assert [f.id for f in result.findings] == ids
    assert named(result, set(ids[:20])) >= 18
    # 15 innocents, 25 unused: P(more than 6 of 15 at 5 %) < 1e-5
    assert named(result, set(ids[20:])) <= 6
    # 20 and more patients a side: queries against unused images are learned
    assert result.manifest.options["combination"] == "stack"
    assert result.set_test is not None
    weights = {test.name: test.weight for test in result.set_test.detectors}
    assert sum(weights.values()) == pytest.approx(1)


def test_forensic_with_labels_stacks() -> None:
    world = worlds()[0]
    queries = np.concatenate([world.used[:HALF], world.unused[:HALF]])
    known, checks = world.used[HALF:], world.unused[HALF:]
    result = vestige.audit(world.generated, used=known, unused=checks, query=queries)
    assert (result.question.mode, result.decision.gate) == ("forensic", "closed")
    assert result.question.counts["used"] == 40 - HALF
    assert result.manifest.options["combination"] == "stack"
    strongest = max(result.findings, key=lambda f: f.score)
    assert strongest.carried_by
    assert {part.column for part in strongest.carried_by} <= set(strongest.columns)
    assert sum(part.share for part in strongest.carried_by) <= 1 + 1e-9
    ids = [f"{k:06d}" for k in range(2 * HALF)]
    assert [f.id for f in result.findings] == ids  # knowns are not judged
    assert named(result, set(ids[:HALF])) >= HALF - 2
    assert named(result, set(ids[HALF:])) <= 6


@pytest.mark.slow
def test_effort_buys_columns_and_tells_their_cost(
    leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    columns = {}
    for effort in ("low", "normal"):
        asked = [*release(leaking), "--effort", effort, "--no-checks"]
        asked += ["--out", tmp_path / effort]
        assert call(capsys, "audit", *asked).code == 0
        result = load(tmp_path / effort)
        assert result.manifest.options["effort"] == effort
        columns[effort] = set(result.manifest.options["detectors"])
        timed = {name for name in result.manifest.seconds if name.startswith("detect ")}
        assert timed == {f"detect {name}" for name in columns[effort]}
        assert result.decision.gate == "closed"
    assert columns["low"] < columns["normal"]


def test_auto_takes_other_detectors_beside_it(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    beside = ["--detector", "mean_rank", "--detector", "auto", "--effort", "low", "--no-checks"]
    assert call(capsys, "audit", *release(leaking), *beside, "--out", tmp_path / "o").code == 0
    names = load(tmp_path / "o").manifest.options["detectors"]
    assert names[0] == "mean_rank"
    assert "matched_filter_pool_16" in names


def test_few_patients_do_not_stack() -> None:
    world = worlds()[0]
    result = vestige.audit(
        world.generated, used=world.used[-8:], query=world.used[:18], unused=world.unused,
        checks=False,
    )  # fmt: skip
    assert result.manifest.options["combination"] == "rank average"
    assert result.set_test is not None
    weights = {test.name: test.weight for test in result.set_test.detectors}
    fixed = [weights[f"matched_filter_pool_{size}"] for size in (8, 16, 32)]
    assert len(set(fixed)) == 1  # beforehand, by no score
    assert result.decision.gate == "closed"


# --- what it takes to give an answer
@pytest.mark.parametrize("gate", [False, True])
def test_without_unused_images_nothing_is_decided(
    clean: Path, tmp_path: Path, capsys: Any, gate: bool
) -> None:
    asked = ["--generated", clean / "generated", "--query", clean / "used"]
    said = call(capsys, "audit", *asked, *(["--gate"] if gate else []), "--out", tmp_path / "o")
    result = load(tmp_path / "o")
    assert said.code == (4 if gate else 0)
    assert result.decision.codes == ("uncalibrated",)
    assert "19 or more patients" in result.decision.text
    assert result.set_test is None
    assert result.checks == ()
    assert {(f.verdict, f.p_value, f.q_value) for f in result.findings} == {
        ("uncalibrated", None, None)
    }


def test_too_few_patients_do_not_open_the_gate(clean: Path, tmp_path: Path, capsys: Any) -> None:
    few = write(tmp_path / "few", worlds()[1].used[:2])
    asked = ["--generated", clean / "generated", "--used", few, "--unused", clean / "unused"]
    said = call(capsys, "audit", *asked, "--gate", "--out", tmp_path / "o")
    result = load(tmp_path / "o")
    assert (said.code, result.decision.gate) == (4, "undecided")
    assert "bound_above_limit" in result.decision.codes


def test_sets_that_differ_by_themselves_are_vetoed(tmp_path: Path, capsys: Any) -> None:
    world = worlds()[1]
    brighter = np.minimum(world.used.astype(int) + 40, 255).astype(np.uint8)
    roles = {"generated": world.generated, "used": brighter, "unused": world.unused}
    asked = [x for role, a in roles.items() for x in (f"--{role}", write(tmp_path / role, a))]
    said = call(capsys, "audit", *asked, "--gate", "--out", tmp_path / "o")
    result = load(tmp_path / "o")
    assert (said.code, result.decision.codes) == (4, ("check_failed",))
    assert [c.state for c in result.checks[:2]] == ["failed", "failed"]
    assert result.decision.facts.checks == ("preparation", "blind")
    assert {f.verdict for f in result.findings} == {"uncalibrated"}


@pytest.mark.slow
def test_controls_can_be_left_out_and_the_result_says_so(
    leaking: Path, clean: Path, tmp_path: Path, capsys: Any
) -> None:
    for folder, gate, code in ((leaking, "closed", 3), (clean, "undecided", 4)):
        out = tmp_path / folder.name
        said = call(capsys, "audit", *release(folder), "--no-checks", "--gate", "--out", out)
        result = load(out)
        assert (said.code, result.decision.gate) == (code, gate)
        assert [c.name for c in result.checks] == ["blind", "preparation"]
        assert [p.what for p in result.problems] == [
            "the validity checks were switched off, all but blind, preparation"
        ]
        off = "the validity checks were switched off" in said.out
        assert off == (gate == "undecided")
    assert "checks_off" in result.decision.codes
    assert "Audit again without --no-checks." in result.decision.text


def test_a_detector_that_sees_no_copies_cannot_say_not_found(
    clean: Path, tmp_path: Path, capsys: Any
) -> None:
    asked = [*release(clean), "--detector", "two_sample_classifier", "--gate"]
    assert call(capsys, "audit", *asked, "--out", tmp_path / "o").code == 4
    result = load(tmp_path / "o")
    assert "planted_missed" in result.decision.codes
    assert "all_detectors" in result.decision.remedy
    planted = next(calibration for calibration in result.checks if calibration.name == "planted")
    assert planted.state == "failed"
    assert planted.details["unchanged"].value < 0.9
    assert "only" in planted.vetoes
    assert {f.verdict for f in result.findings} <= {"used", "no evidence"}  # p-values still hold


@pytest.mark.slow
def test_a_reference_replaces_the_bag() -> None:
    world = worlds()[0]
    asked: dict[str, Any] = {"used": world.used, "unused": world.unused[10:], "checks": False}
    without = vestige.audit(world.generated, **asked)
    # strangers of the same source: neither targets nor calibration images
    strangers = embedded_worlds(8, n_used=30, n_unused=1, n_generated=1, size=64)[0].used
    given = vestige.audit(world.generated, **asked, reference=strangers)
    assert given.question.counts["reference"] == 30
    assert "density_ratio" in set(without.manifest.options["pool"])
    assert "density_ratio" not in given.manifest.options["pool"]
    assert given.decision.gate == "closed"
    assert set(given.manifest.inputs_sha256) == {"generated", "used", "unused", "reference"}


# --- detectors
@pytest.mark.slow
def test_named_detectors_are_the_only_ones(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    def columns(*detectors: str) -> list[str]:
        out = tmp_path / "-".join(detectors)
        asked = [x for name in detectors for x in ("--detector", name)]
        assert call(capsys, "audit", *release(leaking), *asked, "--out", out).code == 0
        result = load(out)
        assert result.decision.gate == "closed"
        shown = [name for name in result.findings[0].columns if name != "stack"]
        assert shown == result.manifest.options["detectors"]
        assert result.set_test is not None
        found = [d.name for d in result.set_test.detectors]
        assert found == result.manifest.options["detectors"]
        return found

    assert columns("nearest_distance") == ["nearest_distance"]
    assert columns("nearest_distance", "density_ratio") == ["nearest_distance", "density_ratio"]


# --- groups
def test_groups_come_from_a_csv_a_regex_or_clusters(
    leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    plain = release(leaking)[:-2]
    table, regex = ["--groups", leaking / "groups.csv"], ["--group-regex", r"(patient\d+)"]
    csv_said = "the CSV file groups.csv: 80 images in 80 groups"
    for name, more, said, group in (
        ("csv", table, csv_said, "patient0000"),
        ("regex", regex, "the regular expression", "patient0000"),
        ("clusters", [], "near-duplicate clustering", "cluster-0001"),
    ):
        assert call(capsys, "audit", *plain, *more, *QUICK, "--out", tmp_path / name).code == 0
        result = load(tmp_path / name)
        assert result.question.groups_from.startswith(said)
        assert result.findings[0].group == group
        assert result.question.groups == 80
        page = (tmp_path / name / "report.html").read_text(encoding="utf-8")
        assert said in page
    same = [(tmp_path / n / "findings.csv").read_bytes() for n in ("csv", "regex")]
    assert same[0] == same[1]


def test_an_unused_image_of_a_suspect_calibrates_others_only(
    leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    rows = (leaking / "groups.csv").read_text(encoding="utf-8")
    table = tmp_path / "shared.csv"
    # patient 40 is the first unused one; give it to the patient of a used image
    table.write_text(rows.replace("patient0040.png,patient0040", "patient0040.png,patient0003"))
    asked = [*release(leaking)[:-1], table]
    assert call(capsys, "audit", *asked, "--out", tmp_path / "o").code == 0
    result = load(tmp_path / "o")
    assert "patient0040.png" in result.calibration.ids
    assert len(result.calibration.ids) == 40
    by_patient = {f.group: f for f in result.findings}
    smallest = {g: 1 / (40 if g == "patient0003" else 41) for g in by_patient}
    assert all(f.p_value >= smallest[g] - 1e-9 for g, f in by_patient.items() if f.p_value)
    assert by_patient["patient0003"].p_value == pytest.approx(1 / 40)
    [problem] = result.problems
    assert problem.path == "unused"
    assert problem.what.startswith("1 unused image(s) belong to a group")
    assert result.decision.gate == "closed"


def test_a_query_that_is_a_known_image_is_answered_from_its_label(
    leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    world = worlds()[0]
    query = write(tmp_path / "query", [*world.used[:12], *world.unused[:6]])
    # number 12 is among the known unused, number 2 among the known used
    known = write(tmp_path / "known", [world.used[2], *world.used[20:]])
    unused = write(tmp_path / "unused", [world.unused[0], *world.unused[6:]])
    asked = ["--generated", leaking / "generated", "--query", query, "--used", known]
    said = call(capsys, "audit", *asked, "--unused", unused, "--out", tmp_path / "o")
    assert said.code == 0
    result = load(tmp_path / "o")
    by_id = {f.id: f for f in result.findings}
    assert len(by_id) == 18
    twin, innocent = by_id["002.png"], by_id["012.png"]
    assert (twin.verdict, twin.p_value, twin.q_value) == ("used", None, None)
    assert (innocent.verdict, innocent.p_value) == ("no evidence", None)
    assert [p.path for p in result.problems[:2]] == ["query/002.png", "query/012.png"]
    assert "status is known to be used" in result.problems[0].what
    # the unused twin has the group of a query, and calibrates the other queries
    assert "000.png" in result.calibration.ids
    assert result.set_test is not None
    assert result.set_test.candidates == "query"
    rest = [f for f in result.findings if f.id not in ("002.png", "012.png")]
    assert all(f.p_value is not None for f in rest)
    assert result.decision.gate == "closed"


# --- what is printed
@pytest.mark.slow
def test_json_quiet_and_plain_output(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    asked = [*release(leaking), *QUICK]
    said = call(capsys, "audit", *asked, "--json", "--out", tmp_path / "a")
    answer = json.loads(said.out)
    result = load(tmp_path / "a")
    assert answer == {
        "decision": json.loads(result.to_json())["decision"],
        "used": sum(f.verdict == "used" for f in result.findings),
        "stand_out": sum(f.stands_out for f in result.findings),
        "report": str(tmp_path / "a" / "report.html"),
    }
    quiet = call(capsys, "audit", *asked, "--quiet", "--out", tmp_path / "b")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    gate = call(capsys, "audit", *asked, "--quiet", "--gate", "--out", tmp_path / "b")
    assert (gate.code, gate.out, gate.err) == (3, "", "")  # again into the same folder
    load(tmp_path / "b")


def test_the_gate_goes_by_the_corrected_p_value(
    leaking: Path, clean: Path, tmp_path: Path, capsys: Any
) -> None:
    """A leak that one run found is not asked away by another: undecided, never "not found"."""
    cache = tmp_path / "c"
    asked = [*release(leaking), "--gate", "--quiet", "--cache", cache]
    assert call(capsys, "audit", *asked, "--out", tmp_path / "a").code == 3
    blind = ["--detector", "two_sample_classifier", "--false-alarm-rate", "0.03"]
    said = call(capsys, "audit", *asked, *blind, "--out", tmp_path / "b")
    result = load(tmp_path / "b")
    assert result.run_history is not None and result.run_history.runs_before == 1
    assert result.decision.gate != "open"
    assert said.code == result.decision.exit_code
