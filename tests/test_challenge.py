"""run.csv: written, checked as strictly as the organisers do, read back and scored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, roc_auc_score

from vestige.imageclef.challenge import (
    FORMATS,
    export_run,
    group_truth,
    natural_key,
    read_run,
    score_run,
    top_half,
    validate_run,
)
from vestige.imageclef.runfile import bare_name
from vestige.registry.entries import InputError
from vestige.result import AuditResult
from vestige.schema.records import Check, Finding, Manifest, Question, RunHistory

CHECK = settings(deadline=None, derandomize=True)


def finding(name: str, score: float, word: str) -> Finding:
    """A query of which this is said."""
    fields: dict[str, Any] = {
        "copy": {"copied": True, "verdict": "used", "q_value": 0.9},
        "known used": {"verdict": "used", "q_value": None},
        "named": {"verdict": "used", "q_value": 0.1, "p_value": 0.06},
        "stands out": {"stands_out": True, "p_value": 0.05},
        "uncalibrated": {"verdict": "uncalibrated"},
    }.get(word, {})
    told = {"p_value": 0.5, "q_value": 0.5, "verdict": "no evidence", **fields}
    made = Finding(id=name, group=name, role="query", score=score, columns={}, **told)
    assert made.word == word
    return made


def audit_of(*rows: tuple[str, float, str]) -> AuditResult:
    """An audit whose queries have these ids, scores and words, and one used image."""
    findings = [finding(*row) for row in rows]
    known = Finding("train/known.png", "k", "used", 9.0, 0.01, 0.01, "used", {})
    return AuditResult(
        question=Question("forensic", {"query": len(rows)}, len(rows), "each image", 0.05),
        findings=(*findings, known),
        set_test=None,
        checks=(),
        problems=(),
        manifest=Manifest("0", "3", {}, 0, {}, {}, {}, "", {}, 0),
    )


RESULT = audit_of(
    ("real_unknown/img_10.png", 0.1, "stands out"),
    ("real_unknown/img_9.png", 0.3, "no evidence"),
    ("real_unknown/img_1.png", 0.2, "stands out"),
)


def test_formats_are_written_from_the_verdicts_in_natural_order() -> None:
    assert export_run(RESULT) == "img_1.png,1\nimg_9.png,0\nimg_10.png,1\n"
    assert export_run(RESULT, "imageclef2023") == "img_1,1\nimg_9,0\nimg_10,1\n"
    assert export_run(RESULT, header=True).startswith("original_image,label\nimg_1.png,1\n")
    with pytest.raises(InputError, match="imageclef2023 takes no header"):
        export_run(RESULT, "imageclef2023", header=True)
    with pytest.raises(InputError, match="unknown format 'imageclef2024'.*Did you mean"):
        export_run(RESULT, "imageclef2024")


def test_top_half_takes_the_upper_half_of_the_scores() -> None:
    assert export_run(RESULT, by="top half") == "img_1.png,0\nimg_9.png,1\nimg_10.png,0\n"
    rows = [(f"d/{i}.png", 0.5, "uncalibrated") for i in (10, 2, 1, 3)]
    assert export_run(audit_of(*rows), by="top half") == "1.png,1\n2.png,1\n3.png,0\n10.png,0\n"
    assert top_half({"a": 1.0}) == set()


def test_what_counts_as_used_in_each_kind_of_run() -> None:
    words = ("copy", "known used", "named", "stands out", "no evidence", "no evidence")
    result = audit_of(*((f"{k}.png", float(k), word) for k, word in enumerate(words)))

    def used(by: Any) -> list[str]:
        rows = (line.split(",") for line in export_run(result, by=by).split())
        return [words[int(name[0])] for name, label in rows if label == "1"]

    assert used("stands out") == ["copy", "known used", "stands out"]
    assert used("named") == ["copy", "known used", "named"]
    # facts first, although their scores are the lowest; then by score
    assert used("top half") == ["copy", "known used", "no evidence"]
    assert export_run(result, by="top half").endswith("5.png,1\n")
    copies = audit_of(*((f"{k}.png", 0.0, "copy") for k in range(3)), ("3.png", 9.0, "no evidence"))
    assert export_run(copies, by="top half") == "0.png,1\n1.png,1\n2.png,1\n3.png,0\n"


def test_uncalibrated_verdicts_are_not_handed_in_as_zeros() -> None:
    result = audit_of(("a.png", 1.0, "copy"), ("b.png", 0.0, "uncalibrated"))
    with pytest.raises(
        InputError, match="1 of 2 query images .*no unused images.*--named.*--top-half"
    ):
        export_run(result)
    reasons = {
        "a part of the images of an earlier audit": replace(
            result, run_history=RunHistory(1, 1, 1, 0.5, 0.5, part_of=9)
        ),
        r"a validity check failed \(blind\)": replace(
            result, checks=(Check("blind", None, 0.001, False, "all", "failed"),)
        ),
        "there are no unused images": result,
    }
    for reason, one in reasons.items():
        with pytest.raises(InputError, match=f"verdict: (they are )?{reason}.* Use --named"):
            export_run(one)
    assert export_run(result, by="named") == "a.png,1\nb.png,0\n"
    assert export_run(result, by="top half") == "a.png,1\nb.png,0\n"


def test_nothing_to_export_and_names_that_cannot_be_written() -> None:
    with pytest.raises(InputError, match="no query images"):
        export_run(replace(RESULT, findings=()))
    twice = audit_of(("a/x.png", 1.0, "copy"), ("b/x.png", 0.0, "copy"))
    for name in FORMATS:
        with pytest.raises(InputError, match=r"x.*\(a/x.png, b/x.png\)"):
            export_run(twice, name)
    stems = audit_of(("x.png", 1.0, "copy"), ("x.jpg", 0.0, "copy"))
    assert export_run(stems).count("x.") == 2
    with pytest.raises(InputError, match=r"x \(x.jpg, x.png\)"):
        export_run(stems, "imageclef2023")
    with pytest.raises(InputError, match="3 fields"):
        export_run(audit_of(("a,b.png", 1.0, "copy")))


IDS = ["q/a_1.png", "q/a_2.png", "q/a_10.png"]
GOOD = "a_2,1\na_1,0\na_10,1"


@pytest.mark.parametrize("text", [GOOD, GOOD + "\n", GOOD.replace("\n", "\r\n") + "\r\n"])
def test_good_runs(text: str) -> None:
    assert validate_run(text, IDS, "imageclef2023") == []


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["the file holds no row", *(f"missing id 'a_{k}'" for k in (1, 2, 10))]),
        ("\ufeff" + GOOD, ["the file starts with a byte-order mark"]),
        (GOOD + "\n\n", ["line 4 is blank"]),
        (GOOD + "\na_1,0", ["line 4: repeated id 'a_1'"]),
        ("a_1,0\na_1,1\nb,1", ["line 2: repeated id 'a_1'", "line 3: unknown id 'b'"]
         + ["missing id 'a_2'", "missing id 'a_10'"]),
        (GOOD.replace("a_1,0", "a_1.png,0"), ["line 2: unknown id 'a_1.png'", "missing id 'a_1'"]),
        (GOOD.replace("a_1,0", "a_1,1.0"), ["line 2: label of 'a_1' is '1.0', not 0 or 1"]),
        (GOOD.replace("a_1,0", "a_1, 1"), ["line 2: label of 'a_1' is ' 1', not 0 or 1"]),
        (GOOD.replace("a_1,0", "a_1;0"),
         ["line 2 has 1 fields, not 2: 'a_1;0'", "missing id 'a_1'"]),
        (GOOD.replace("a_1,0", '"a_1",0'), ["line 2: unknown id '\"a_1\"'", "missing id 'a_1'"]),
    ],
)  # fmt: skip
def test_every_fault_is_named(text: str, faults: list[str]) -> None:
    assert validate_run(text, IDS, "imageclef2023") == faults


def test_header_only_where_the_format_has_one() -> None:
    rows = "a_1.png,0\na_2.png,1\na_10.png,1\n"
    assert validate_run(rows, IDS) == validate_run("original_image,label\n" + rows, IDS) == []
    assert len(validate_run("original_image,label\n" + GOOD, IDS, "imageclef2023")) == 2
    assert "the file holds no row" in validate_run("original_image,label\n", IDS)


def official_2023(text: str, ids: set[str]) -> bool:
    """What the organisers' validator of 2023 is known to accept (LANDSCAPE.md, section 4)."""
    seen = set()
    for line in text.removesuffix("\n").replace("\r\n", "\n").split("\n"):
        tokens = [token.strip() for token in line.split(",")]
        if len(tokens) != 2 or tokens[0] not in ids or tokens[0] in seen:
            return False
        try:
            if int(tokens[1]) not in (0, 1):
                return False
        except ValueError:
            return False
        seen.add(tokens[0])
    return seen == ids


@CHECK
@given(
    st.lists(
        st.sampled_from(["a_1,0", "a_2,1", "a_10,1", "a_1,1", "a_1, 1", "a_2,01", "a_2.png,1", "",
                         "a_10,2", '"a_10",1', "a_1,0,0", "original_image,label"]),
        max_size=4,
    ).flatmap(lambda lines: st.permutations([*lines, "a_1,0", "a_2,1", "a_10,0"])),
    st.sampled_from(["\n", "\r\n", ";"]),
    st.booleans(),
    st.integers(3, 7),
)  # fmt: skip
def test_at_least_as_strict_as_the_official_validator(
    lines: list[str], end: str, final: bool, take: int
) -> None:
    text = end.join(lines[:take]) + (end if final else "")
    if not validate_run(text, IDS, "imageclef2023"):
        assert official_2023(text, {"a_1", "a_2", "a_10"})


def test_natural_order_and_bare_names() -> None:
    names = ["img_10", "img_2", "img_02", "b", "img_2b", "img", "9" * 5000, "1"]
    expected = ["1", "9" * 5000, "b", "img", "img_02", "img_2", "img_2b", "img_10"]
    assert sorted(names, key=natural_key) == expected
    assert [bare_name(i) for i in ("a/b/x.PNG", "v.nii.gz#3", "scan.1", ".png", "x.y.dcm")] == [
        "x", "v#3", "scan.1", ".png", "x.y",
    ]  # fmt: skip


def write(folder: Path, text: str) -> Path:
    path = folder / "run.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a.png,1\nb.png,0\n",
        "original_image,label\na.png,1\nb.png,0",
        '"a.png", 1\r\n"b.png",0.0\r\n',
    ]
    + ["\ufeffa.png,1\nb.png,0\n", "id,score\na.png,1e0\nb.png,-0\n"],
)
def test_variants_that_are_read(tmp_path: Path, text: str) -> None:
    assert read_run(write(tmp_path, text)) == {"a.png": 1.0, "b.png": 0.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png,1\nb.png,0\na.png,0\n", "repeats 1 ids: a.png"),
        ("a.png,1\nb.png\n", "row 2: expected id,number, found 'b.png'"),
        ("a.png,x\nb.png,0\n", "row 1: expected"),
        ("id,label\na,nan\n", "row 2: expected"),
        ("a,1\n\nb,0\n", "row 2: expected"),
        ("a,1,0\n", "row 1: expected"),
        ("", "holds no row"),
        ("id,label\n", "holds no row"),
        ('"a,1\n', "quotation mark is never closed"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_run(write(tmp_path, text))


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_run(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot read"):
        read_run(tmp_path / "binary.csv")


def test_an_exported_run_comes_back(tmp_path: Path) -> None:
    expected = {"img_1.png": 1.0, "img_9.png": 0.0, "img_10.png": 1.0}
    assert read_run(write(tmp_path, export_run(RESULT, header=True))) == expected


def test_score_of_decisions() -> None:
    rng = np.random.default_rng(0)
    truth = {f"real/i{k}.png": float(k % 2) for k in range(60)}
    run = {f"i{k}": float(rng.uniform() < 0.35 + 0.3 * (k % 2)) for k in range(60)}
    card = score_run(run, truth, runs=3)
    t = np.array([k % 2 for k in range(60)])
    d = np.array([run[f"i{k}"] for k in range(60)])
    assert card.n == 60
    assert card.kappa is not None
    assert card.kappa.value == pytest.approx(cohen_kappa_score(t, d))
    assert card.auc.value == pytest.approx(balanced_accuracy_score(t, d))
    assert (card.auc_from, card.decided_by) == ("decisions", "run")
    assert card.baselines.all_used_f1 == pytest.approx(2 / 3)
    assert card.p_adjusted == pytest.approx(1 - (1 - card.p_value) ** 3)
    assert card.runs == 3


def test_score_of_scores() -> None:
    rng = np.random.default_rng(1)
    truth = {f"{k}.png": float(k < 20) for k in range(40)}
    run = {i: rng.normal() + t for i, t in truth.items()}
    card = score_run(run, truth)
    assert card.auc.value == pytest.approx(roc_auc_score(list(truth.values()), list(run.values())))
    assert (card.auc_from, card.decided_by) == ("scores", "top half")
    decisions = [i in top_half(run) for i in truth]
    assert card.accuracy.value == np.mean(np.array(decisions) == np.array(list(truth.values())))


def clustered(patients: int, images: int, seed: int) -> tuple[dict[str, float], ...]:
    """A run that follows the patient and knows nothing of the truth, and that truth."""
    rng = np.random.default_rng(seed)
    used = rng.permutation(np.arange(patients) % 2)
    guess = rng.integers(0, 2, patients)
    names = [(f"q/p{k}_{j}.png", k) for k in range(patients) for j in range(images)]
    return {i: float(guess[k]) for i, k in names}, {i: float(used[k]) for i, k in names}


def test_intervals_are_of_patients(tmp_path: Path) -> None:
    run, truth = clustered(24, 10, 0)
    flat = score_run(run, truth)
    by_regex = group_truth(truth, regex=r"(p\d+)_")
    card = score_run(run, truth, groups=by_regex)
    assert (flat.patients, card.patients) == (None, 24)
    for name in ("kappa", "accuracy", "recall", "specificity", "auc"):
        one, other = getattr(flat, name), getattr(card, name)
        assert one.value == other.value
        # ten images a patient that agree: the interval is about sqrt(10) times as wide
        assert 2 < (other.high - other.low) / (one.high - one.low) < 5, name
    table = tmp_path / "patients.csv"
    rows = [f"{i.removeprefix('q/').removesuffix('.png')},{i.split('_')[0]}" for i in truth]
    table.write_text("\n".join(["id,patient", *reversed(rows)]) + "\n")
    assert score_run(run, truth, groups=group_truth(truth, table)) == card
    bare = {i.removeprefix("q/").removesuffix(".png"): value for i, value in run.items()}
    assert score_run(bare, truth, groups=by_regex) == card
    alone = {i: i for i in truth}  # one image each: as if nothing was given
    assert score_run(run, truth, groups=alone).kappa == flat.kappa


@pytest.mark.slow
def test_the_p_value_of_a_run_counts_patients() -> None:
    """Runs that guess by patient: p <= .05 in at most 5 %; by image it is most of them.

    200 runs: more than 25 at .05 happen with P = 1e-5 at most (the p-value is exact).
    """
    called = np.zeros(2, int)
    for seed in range(200):
        run, truth = clustered(20, 10, seed)
        groups = group_truth(truth, regex=r"(p\d+)_")
        called += [score_run(run, truth, groups=g).p_value <= 0.05 for g in (groups, None)]
    assert called[0] <= 25
    assert called[1] > 40


def test_patients_that_cannot_be_told(tmp_path: Path) -> None:
    run, truth = clustered(4, 2, 0)
    table = tmp_path / "t.csv"
    with pytest.raises(InputError, match="given twice"):
        group_truth(truth, table, "p")
    with pytest.raises(InputError, match=r"finds no group in q/p0_0.png"):
        group_truth(truth, regex="x")
    with pytest.raises(InputError, match="not valid"):
        group_truth(truth, regex="(")
    table.write_text("id,patient\np0_0,a\nx/p0_1.png,a\ny/p0_1.png,b\n")
    with pytest.raises(InputError, match=r"t.csv has several patients for 1 ids .*q/p0_1.png"):
        group_truth(truth, table)
    table.write_text("id,patient\np0_0,a\n")
    with pytest.raises(InputError, match=r"7 of 8 images have no patient: q/p0_1.png"):
        score_run(run, truth, groups=group_truth(truth, table))
    with pytest.raises(InputError, match=r"1 groups have images both used and unused \(a\)"):
        score_run(run, truth, groups=dict.fromkeys(truth, "a"))
    assert group_truth(truth) is None


def test_ids_that_do_not_match_are_listed() -> None:
    truth = {"a.png": 1.0, "b.png": 0.0, "c.png": 0.0}
    with pytest.raises(
        InputError, match="2 ids are missing from the run: b, c; 1 ids are not in the truth: d"
    ):
        score_run({"a": 1.0, "d": 0.0}, truth)
    with pytest.raises(InputError, match=r"names in the run stand for several .*a \(x/a, y/a\)"):
        score_run({"x/a": 1.0, "y/a": 0.0, "b": 1.0}, truth)
    same_stem = {"a.png": 1.0, "a.jpg": 0.0}
    assert score_run(same_stem, same_stem).accuracy.value == 1.0  # full ids match: no stripping


def test_a_truth_that_cannot_score() -> None:
    with pytest.raises(InputError, match="must be 0 or 1, 1 ids have another value: a"):
        score_run({"a": 1.0}, {"a": 0.5})
    with pytest.raises(InputError, match="one kind only"):
        score_run({"a": 1.0}, {"a": 1.0})
