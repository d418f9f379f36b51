"""One sentence, byte for byte the same wherever a decision is told, in plain English."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from hypothesis import given

from decision.evidence import CASES, FEW, LOW, MANY, PART, cases, checks, copy, evidence, set_test
from decision.test_decide import evidences
from report.conftest import STATES, make_result
from report.test_page import Page
from vestige.auditing import audit as cli
from vestige.cli.main import main
from vestige.cli.terminal import tell
from vestige.decision import Evidence, decide
from vestige.decision.records import Code, Remedy, State
from vestige.decision.sentences import (
    GATES,
    HEADINGS,
    gate_line,
    missed_text,
    percent,
    plural,
)
from vestige.decision.sentences_next import remedy_text
from vestige.report import redact, render_html
from vestige.result import AuditResult
from vestige.schema.records import LevelCode, PlantedLevel, RunHistory

GOLDEN = {
    "copies, release": (
        "Copies found: 3 generated images are copies of 3 training images of 2 patients, 1 of them "
        "with exactly the same pixels. Withhold every copy: `vestige scrub` lists them and audits "
        "the rest."
    ),
    "one copy, forensic, no ids": (
        "Copies found: 1 generated image is a copy of 1 real image; by statistics, beyond the "
        "copies, 0 of 40 query images can be named as used for training. Report every pair: the "
        "real image was used for training, or a near copy of it was."
    ),
    "copies of reference, release": (
        "Undecided: 1 generated image is a copy of a reference image, so either the generator was "
        "trained on images that were given as not used, or those are synthetic themselves. Give "
        "unused and reference images that are real and that the generator never saw, and check "
        "that no roles are swapped, so that one folder stands for another."
    ),
    "not prepared alike, forensic": (
        "Undecided: the queried images and the unused images were not prepared alike (failed "
        "check: preparation); the queried images and the unused images can be told apart without "
        "the generated images (failed check: blind). Export all real images by the same steps, or "
        "let --harmonize prepare them alike, and audit again. Report no conclusion from this audit."
    ),
    "leak of runs, release": (
        "Leak found: the generated images are closer to the training images than to unused images "
        "of the same source: all are closer (AUC 0.52, 95 % interval 0.45 to 0.59, p = 0.0048 "
        "after correction for 4 runs). Do not release this set: withhold the images that `vestige "
        "scrub` lists, or train the generator anew (stop earlier, with more images or a smaller "
        "model)."
    ),
    "distribution, release": (
        "Leak found: the generated images are closer to the training images than to unused images "
        "of the same source: all are closer (AUC 0.52, 95 % interval 0.45 to 0.59, p = 0.001); a "
        "smooth set with the distribution of the generated images separates them as well, so this "
        "may be a difference of distribution, not of single images. Do not release this set: "
        "withhold the images that `vestige scrub` lists, or train the generator anew (stop "
        "earlier, with more images or a smaller model)."
    ),
    "calibration used, release": (
        "Undecided: nothing was found, but the unused images are closer to the generated images "
        "than the reference images are, so some of them may have been used for training, which can "
        "hide a leak. Give unused images that the generator never saw, and reference images of the "
        "same source, and audit again."
    ),
    "selected part, release": (
        "Undecided: an earlier audit asked about some of these images together with others (100 "
        "images in all), so they may have been chosen by its answer, and chance alone can make "
        "chosen images stand out. Audit all images of both questions together: only that answer "
        "counts."
    ),
    "leak, forensic": (
        "Leak found: 2 of 40 query patients can be named as used for training, and 7 patients "
        "stand out where chance explains at most 4; the generated images are closer to the "
        "queried images than to unused images of the same source: all are closer (AUC 0.52, 95 % "
        "interval 0.45 to 0.59, p < 0.0001). Report this finding with its false-alarm rate: other "
        "images of the same patient may explain it."
    ),
    "beyond chance, release": (
        "Individuals stand out: 1 of 40 training patients stands out, and chance explains none. Do "
        "not release this set: withhold the images that `vestige scrub` lists, or train the "
        "generator anew (stop earlier, with more images or a smaller model)."
    ),
    "uncalibrated, release, no ids": (
        "Undecided: there are no unused real images to compare with. No patient ids were given, so "
        "images that do not look alike count as patients of their own: give --groups or "
        "--group-regex. Give unused images (--unused) of 19 or more patients of the same source, "
        "and audit again."
    ),
    "bound above limit, release": (
        "Undecided: nothing was found, but the AUC may be as high as 0.71 (95 % confidence; 0.5 is "
        "guessing), and the limit is 0.65. Give 212 or more patients on each side, or state a "
        "higher limit (--max-auc) before you see the answer, and audit again."
    ),
    "not found, release": (
        "Nothing found: no generated image is a copy of a training image, no patient can be named, "
        "and the AUC is at most 0.62 (95 % confidence; 0.5 is guessing, the limit is 0.65). The "
        "set test would have seen an AUC of 0.60, and copies of 15 % of the patients in four of "
        "five such audits. A single copy could be missed if it was mirrored or cropped to 80 %. At "
        "most 3.4 % of the patients have an unchanged copy in the generated set (95 % confidence). "
        "Up to 20 % of the patients could be exposed in another way, and this audit would not have "
        "seen it. This does not prove that the set is private: whether it is released stays the "
        "decision of the board."
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_sentences(case: str) -> None:
    assert decide(cases()[case]).text == GOLDEN[case]


# --- plain English, whatever the evidence
def check_english(text: str, mode: str) -> None:
    assert text == text.strip()
    assert text.isprintable(), text  # so it is one line
    for bad in ("None", "unknown", "no AUC", "no p-value", "  ", "..", " ;", "()", "( ", "{", "}",
                "[", "'", '"', "_test", "nan", "e-0"):  # fmt: skip
        assert bad not in text, (bad, text)
    assert not re.search(r"(?<![\d,.])1 (?:\w+ ){0,2}(?:images|patients|files|runs|times)\b(?! of)",
                         re.sub(r"\b[\d,]+ of 1 ", "", text)), text  # fmt: skip
    assert not re.search(r"\b1 (generated image )?(are|stand)\b", text), text
    assert text.endswith(".")
    for sentence in re.split(r"(?<=\.) ", text):
        assert sentence[0].isupper(), sentence
        assert sentence.endswith("."), sentence
    other = "queried" if mode == "release" else "training image"
    assert other not in text, text


@pytest.mark.parametrize("case", cases())
def test_every_case_is_said_in_plain_english(case: str) -> None:
    one = cases()[case]
    made = decide(one)
    check_english(made.text, one.mode)
    assert made.text.startswith(f"{HEADINGS[made.state]}: ")
    assert gate_line(made) == f"{GATES[made.gate]} (exit {made.exit_code}): {made.text}"
    for remedy in made.remedy:
        assert remedy_text(remedy, made.facts) in made.text
    if made.gate == "open":
        assert missed_text(made) in made.text


@given(evidences)
def test_any_evidence_is_said_in_plain_english(one: Evidence) -> None:
    check_english(decide(one).text, one.mode)


def test_every_code_of_a_decision_is_told() -> None:
    both = decide(CASES["copies of all roles"]).text
    assert both.count("1 generated image is a copy of") == 2
    together = decide(CASES["copies of both"]).text
    assert together.count("copies of unused and reference images") == 1
    unread, unlike = CASES["unread both"].unread, CASES["inverted"].unlike
    everything = decide(evidence(copies=(copy(0),), unread=unread, unlike=unlike))
    assert everything.text.count(";") == 3
    assert "12 of 240 generated files" in everything.text and "inverted" in everything.text
    said = {code: decide(one).text for one in CASES.values() for code in decide(one).codes[:1]}
    assert set(said) == set(get_args(Code)) - {"distribution"}  # which qualifies another one
    assert len(set(said.values())) == len(said)


def test_words_for_every_code_that_can_be_named() -> None:
    assert set(HEADINGS) == set(get_args(State))
    facts = decide(CASES["not found"]).facts
    told = {remedy_text(remedy, facts) for remedy in get_args(Remedy)}
    assert len(told) == len(get_args(Remedy))
    for level in get_args(LevelCode):
        text = missed_text(decide(evidence(levels=(PlantedLevel(level, 20, 0, 0),))))
        assert re.fullmatch(r"A single copy could be missed if it was [a-z0-9 .%()A-Z]+\.", text)


def test_of_volumes_the_sentence_says_voxels_and_no_slices() -> None:
    copied = evidence(copies=(copy(0, same=True),), kind="volume")
    assert "exactly the same voxels" in decide(copied).text
    shifted = evidence(levels=(PlantedLevel("shift_2_px", 20, 0, 0),), kind="volume")
    assert "shifted by 2 voxels" in decide(shifted).text
    for one in cases().values():
        flat, whole = (decide(replace(one, kind=kind)).text for kind in ("colour", "volume"))
        assert flat == decide(one).text
        assert not re.search("pixel|slice", whole), whole


def test_guessed_patients_are_called_so() -> None:
    told = evidence(patient_ids=False, joined=0.4, named_patients=0, chance=FEW, mode="forensic")
    assert "guessed query patients can be named" in decide(replace(told, copies=(copy(0),))).text


@pytest.mark.parametrize(
    ("carried_by", "said"),
    [
        ("mean", "the same source: all are closer (AUC"),
        ("tail", "the same source: a few stand out (AUC"),
        ("stack", "a learned combination of the detectors tells them apart (AUC"),
    ],
)
@pytest.mark.parametrize("mode", ["release", "forensic"])
def test_a_leak_says_what_it_rests_on(carried_by: Any, said: str, mode: Any) -> None:
    found = replace(set_test(0.002), carried_by=carried_by)
    text = decide(evidence(test=found, mode=mode)).text
    assert said in text
    check_english(text, mode)


def test_an_open_gate_says_what_the_set_test_would_have_seen() -> None:
    few = replace(set_test(), minimum_detectable_auc=0.623, minimum_detectable_share=0.05)
    text = decide(evidence(test=few, patient_ids=False)).text
    assert "seen an AUC of 0.63, and copies of 5 % of the images in four of five" in text
    blind = replace(few, minimum_detectable_share=1.0)  # not even copies of all
    assert "seen an AUC of 0.63 in four of five such audits." in decide(evidence(test=blind)).text


@pytest.mark.parametrize(
    ("p", "run_history", "said"),
    [
        (0.00005, None, "p < 0.0001)"),
        (0.0001, None, "p = 0.0001)"),
        (0.01234, None, "p = 0.012)"),
        (0.01234, RunHistory(0, 1, 1, 0.01234, None), "p = 0.012)"),
        (0.01, RunHistory(1, 2, 1, 0.0199, 0.5), "p = 0.02 after correction for 2 runs)"),
    ],
)
def test_p_values(p: float, run_history: RunHistory | None, said: str) -> None:
    assert said in decide(evidence(test=set_test(p), run_history=run_history)).text


def test_an_upper_bound_never_looks_smaller_than_it_is() -> None:
    for upper, said in ((0.6101, "0.62"), (0.61, "0.61"), (0.6485, "0.649"), (0.6499, "0.6499")):
        text = decide(evidence(bounds=replace(LOW, auc_upper=upper))).text
        assert f"at most {said} (" in text
    assert "(failed check: blind)" in decide(evidence(checks=checks("ok no ok ok ok"))).text


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "0 %"), (1e-7, "0.01 %"), (0.034, "3.4 %"), (0.0996, "10 %"), (0.2, "20 %")],
)
def test_percent(share: float, said: str) -> None:
    assert percent(share) == said


def test_plural() -> None:
    assert [plural(n, "image") for n in (0, 1, 2, 1200)] == [
        "0 images", "1 image", "2 images", "1,200 images"
    ]  # fmt: skip


# --- the same sentence everywhere
WAYS = [(state, mode, ids) for state in STATES for mode in ("release", "forensic")
        for ids in (True, False)]  # fmt: skip


@pytest.mark.parametrize(("state", "mode", "ids"), WAYS, ids=str)
def test_the_same_sentence_everywhere(
    state: str, mode: Literal["release", "forensic"], ids: bool, capsys: Any
) -> None:
    result = make_result(state, mode, hostile=False, thumbnails=False, patient_ids=ids)
    made = result.decision
    assert made.state == state
    check_english(made.text, mode)

    tell(result, Path("report.html"), quiet=False, as_json=False)
    assert capsys.readouterr().out == f"{made.text}\nReport: report.html\n"
    tell(result, Path("report.html"), quiet=False, as_json=False, gate=True)
    assert capsys.readouterr().out == f"{gate_line(made)}\nReport: report.html\n"
    tell(result, Path("report.html"), quiet=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["decision"]["text"] == made.text
    tell(result, Path("report.html"), quiet=True, as_json=False, gate=True)
    assert capsys.readouterr().out == ""

    for page in (render_html(result), render_html(result, redact=True)):
        told = re.search(r'<p class="why">(.*?)</p>', page, re.DOTALL)
        assert told is not None
        assert html.unescape(re.sub("</?b>", "", re.sub("</?code>", "`", told[1]))) == made.text
        assert made.text.replace("`", "") in Page(page).text
        assert f"<h1>{HEADINGS[made.state]}</h1>" in page
        assert GATES[made.gate] in Page(page).text
    assert json.loads(result.to_json())["decision"]["text"] == made.text
    assert redact(result).decision == made


@pytest.mark.parametrize("state", STATES)
def test_the_command_line_prints_it_too(
    state: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = make_result(state, hostile=False, thumbnails=False)
    monkeypatch.setattr(cli, "run_audit", lambda *given, **options: result)
    for more, code in (([], 0), (["--gate"], result.decision.exit_code), (["--json"], 0)):
        with pytest.raises(SystemExit) as end:
            main(["audit", "--generated", "g", "--out", str(tmp_path / "o"), "--force", *more])
        assert int(end.value.code or 0) == code
        said = capsys.readouterr().out
        if "--json" in more:
            assert json.loads(said)["decision"]["text"] == result.decision.text
        else:
            first = gate_line(result.decision) if more else result.decision.text
            assert said.splitlines()[0] == first
        saved = AuditResult.load(tmp_path / "o" / "result.json")
        assert saved.decision == result.decision


def test_nobody_is_counted_in_a_selected_part_or_after_a_failed_check() -> None:
    asked = replace(CASES["one copy"], mode="forensic", chance=replace(MANY, patients=6.2))
    told = "by statistics, beyond the copies, 0 of 40 query patients can be named as used for "
    told += "training"
    assert f"{told}, and 7 patients stand out where chance explains at most 4" in decide(asked).text
    for less in (replace(asked, run_history=PART), replace(asked, checks=checks("ok no .. .. ok"))):
        made = decide(less)
        assert made.state == "copies found"
        assert "stand out" not in made.text and "can be named" not in made.text


def test_a_patient_on_both_sides_is_told_in_the_terminal(capsys: Any) -> None:
    result = make_result("leak found", hostile=False, thumbnails=False)
    groups = ("pat-000", "pat-000", "pat-007", *result.calibration.groups[3:])
    both = replace(result, calibration=replace(result.calibration, groups=groups))
    tell(both, Path("report.html"), quiet=False, as_json=False)
    line = "2 patients have target and unused images and no part in the test of the set."
    assert line in capsys.readouterr().out.splitlines()
