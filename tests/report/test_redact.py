"""Redaction: hashes and aggregates only, and no way back from a hash to a guessed name."""

import json
from dataclasses import replace
from hashlib import blake2b, sha256
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from report.conftest import STATES
from report.test_page import without_script
from vestige.decision.audited import schema
from vestige.report import redact, render_html
from vestige.result import AuditResult
from vestige.schema.records import Calibration, Evidence, Finding, Problem


def secrets_of(result: AuditResult) -> set[str]:
    """Every name in a result, whole and in pieces of some length."""
    names = {f.id for f in result.findings} | {f.group for f in result.findings}
    names |= {e.generated for f in result.findings for e in f.evidence}
    names |= {*result.calibration.ids, *result.calibration.groups}
    names |= {p.path for p in result.problems}
    pieces = {piece for name in names for piece in name.split("/")}
    stems = {piece.rsplit(".", 1)[0] for piece in pieces}
    return {s for s in names | pieces | stems if len(s) >= 5}


def talkative(result: AuditResult) -> AuditResult:
    """The result with names in every sentence."""
    gossip = (
        f"group pat-003 of ward_07, see {result.findings[9].id} and patient_007; "
        r"D:\scans\Meier\x.dcm, /home/ann/new scans/slice_0011.png, slice_0012, holdout/person_004"
    )
    quoted = "cannot read 'Anna Maria Schmidt 1961' or \"Erika Muster\""
    return replace(
        result,
        question=replace(result.question, groups_from=f"regular expression on {gossip}"),
        checks=tuple(replace(c, vetoes=gossip) for c in result.checks),
        set_measures=tuple(replace(m, says=gossip) for m in result.set_measures),
        problems=(*result.problems, Problem("ward_07/x y.png", f"{quoted}: {gossip}", "error")),
        manifest=replace(
            result.manifest,
            options=result.manifest.options
            | {
                "window": [40, 400.0],
                "group_regex": "(pat-[0-9]+)",
                "nested": {"/data/secret clinic": ["ward_07"], "kept": 3},
                "/data/secret clinic": 1,
            },
            inputs_sha256={"generated": "ab" * 32, "ward_07/slice_0011.png": "12" * 32},
        ),
    )


def paired(result: AuditResult, hidden: AuditResult) -> list[tuple[Finding, Finding]]:
    """Findings before and after; their order changes, their scores do not."""
    both = (sorted(r.findings, key=lambda f: f.score) for r in (result, hidden))
    return list(zip(*both, strict=True))


FORBIDDEN = (
    "Schmidt", "Erika", "Meier", "ann/", "pat-0", "ward_07", "slice_0", "patient_0", "person_0",
    "secret clinic", "node17", "clinic_net", "fakes/", "holdout", "12" * 32, "data:image",
)  # fmt: skip


@pytest.mark.parametrize("state", ["leak found", "copies found"])
def test_no_name_path_or_group_is_left(make_result: Any, state: str) -> None:
    result = talkative(make_result(state))
    hidden = redact(result)
    for text in (
        without_script(render_html(result, redact=True)),
        hidden.to_json(),
        hidden.to_csv(),
    ):
        left = [s for s in (*FORBIDDEN, *secrets_of(result)) if s in text]
        assert left == []
    original = result.to_json()
    assert all(word in original for word in FORBIDDEN[:-1])  # the test looks for what was there
    assert hidden.thumbnails == {} and result.thumbnails != {}


@pytest.mark.parametrize("state", STATES)
def test_the_decision_stays(make_result: Any, state: str) -> None:
    result = talkative(make_result(state))
    hidden = redact(result)
    assert hidden.decision == result.decision
    assert hidden.decision.state == state
    kept = ("copy_search", "levels", "chance", "bounds", "epsilon", "unlike", "run_history")
    assert [getattr(hidden, name) for name in kept] == [getattr(result, name) for name in kept]
    assert [u.unread for u in hidden.unread] == [u.unread for u in result.unread]
    strength = [sorted((c.value, c.by, c.view, c.role) for c in r.copies) for r in (result, hidden)]
    assert strength[0] == strength[1]
    ids = {f.id for f in hidden.findings}
    assert all(c.real in ids and len(c.generated) == 12 for c in hidden.copies)


def test_numbers_verdicts_and_words_stay(make_result: Any) -> None:
    result = talkative(make_result("leak found"))
    hidden = redact(result)
    assert hidden.set_test == result.set_test
    assert hidden.question.counts == result.question.counts
    assert sorted(hidden.calibration.scores) == sorted(result.calibration.scores)
    for before, after in paired(result, hidden):
        assert (before.score, before.p_value, before.q_value) == (
            after.score, after.p_value, after.q_value
        )  # fmt: skip
        assert (before.verdict, before.columns, before.carried_by) == (
            after.verdict, after.columns, after.carried_by
        )  # fmt: skip
    assert len(hidden.problems) == len(result.problems)
    options = hidden.manifest.options
    assert options["false_alarm_rate"] == 0.05 and options["window"] == [40, 400.0]
    assert options["detectors"] == result.manifest.options["detectors"]
    assert options["generated"] == options["engine"] == options["group_regex"] == "[removed]"
    assert hidden.manifest.inputs_sha256["generated"] == "ab" * 32
    plain = make_result("leak found", hostile=False)
    assert redact(plain).decision == plain.decision
    assert redact(plain).question == plain.question
    assert redact(plain).checks == plain.checks
    assert redact(plain).set_measures == plain.set_measures
    assert redact(plain).preparation == plain.preparation
    jsonschema.validate(json.loads(hidden.to_json()), schema())
    assert AuditResult.from_json(hidden.to_json()) == hidden


def test_hashes_hold_within_a_report_and_not_beyond(make_result: Any) -> None:
    result = make_result("leak found")
    first, second = redact(result), redact(result)
    for before, after in paired(result, first):
        assert len(after.id) == 12 and set(after.id) <= set("0123456789abcdef")
        data = before.id.encode("utf-8", "surrogatepass")
        assert after.id != sha256(data).hexdigest()[:12]
        assert after.id != blake2b(data, digest_size=6).hexdigest()
    assert len({f.id for f in first.findings}) == len(result.findings)
    pairs = {(b.group, a.group) for b, a in paired(result, first)}
    assert len(pairs) == len({f.group for f in result.findings})  # same group, same hash
    assert not {f.id for f in first.findings} & {f.id for f in second.findings}
    assert redact(result, b"key") == redact(result, b"key")
    problem = replace(result, problems=(Problem(result.findings[7].id, "broken", "error"),))
    hidden = redact(problem)
    new = {before.id: after.id for before, after in paired(result, hidden)}
    assert hidden.problems[0].path == new[result.findings[7].id]
    row = replace(result.set_measures[0], says=f"See {result.findings[9].id}!")
    told = replace(result, set_measures=(row,))
    hidden = redact(told)
    new = {before.id: after.id for before, after in paired(told, hidden)}
    assert hidden.set_measures[0].says == f"See {new[result.findings[9].id]}!"


def test_roles_are_nobodys_name(make_result: Any) -> None:
    result = replace(
        make_result("leak found"), problems=(Problem("unused", "3 images", "warning"),)
    )
    assert redact(result).problems == result.problems


def test_the_page_says_that_it_is_redacted(make_result: Any) -> None:
    result = make_result("leak found")
    html = render_html(result, redact=True)
    assert "Redacted: no picture, path, file or patient name" in html
    assert "<img" not in html and 'id="pairs"' not in html
    assert "Redacted: no picture" not in render_html(result)
    assert "Redacted: no picture" in render_html(redact(result))


# letters that no sentence, hash or number of vestige's own holds in a row
odd = st.text("qxzjwvQXZJWVäß ", min_size=6, max_size=14).map(str.strip).filter(
    lambda name: len(name) >= 6
)  # fmt: skip
glue = st.sampled_from([" ", "/", ", ", "(", "'", ": ", "-", "#", "\\"])


@given(st.lists(odd, min_size=1, max_size=4, unique=True), st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_names_in_sentences_are_found_whatever_stands_around_them(
    make_result: Any, names: list[str], data: st.DataObject
) -> None:
    sentence = "of".join(data.draw(glue) + name + data.draw(glue) for name in names)
    result = make_result("leak found", n=4, hostile=False, thumbnails=False)
    finding = replace(
        result.findings[0], id=f"{names[0]}/a.png", group=names[-1], evidence=(Evidence("s", 0.5),)
    )
    told = replace(
        result,
        findings=(finding,),
        calibration=Calibration(tuple(names), tuple(names), (0.0,) * len(names)),
        set_measures=(replace(result.set_measures[0], says=sentence),),
        question=replace(result.question, groups_from=sentence),
        problems=(Problem(names[0], sentence, "error"),),
    )
    text = redact(told).to_json()
    for name in names:
        assert name not in text


def test_words_of_files_are_searched_for_names_and_the_preparation_stays(make_result: Any) -> None:
    result = make_result("leak found")
    name = result.findings[0].group
    (one, *others) = result.preparation
    told = replace(one.differences[0], statistic="mode", first=f"mode of {name}", second="L")
    rule = {"levels": 64, "sigma": 0.7, "low": 0.0, "note": "/home/me"}
    options = result.manifest.options | {"harmonize": rule}
    hidden = redact(
        replace(
            result,
            preparation=(replace(one, differences=(told,)), *others),
            manifest=replace(result.manifest, options=options),
        )
    )
    word = hidden.preparation[0].differences[0]
    assert name not in word.first
    assert (word.second, word.distance) == ("L", told.distance)
    assert hidden.preparation[1] == others[0]
    assert hidden.manifest.options["harmonize"] == rule | {"note": "[removed]"}
