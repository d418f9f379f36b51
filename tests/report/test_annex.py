"""The document for a board: every field is there, and nobody is named unless asked for."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from report.annexes import context_of, filled, without_files
from report.conftest import HOSTILE, STATES
from report.test_page import Page
from story.world import call
from vestige.decision.records import Epsilon
from vestige.registry.entries import InputError
from vestige.report import annex_words as said
from vestige.report import redact
from vestige.report.annex import render_annex
from vestige.report.annex_context import Context
from vestige.report.annex_measures import read_scrub_log
from vestige.report.annex_patients import LEAST_SHOWN, subgroups, target_patients
from vestige.report.annex_words import SECTIONS, day, day_of
from vestige.stats.bounds import copied_share_bound

CASES = [(state, mode) for state in STATES for mode in ("release", "forensic")]


@pytest.fixture
def full(tmp_path: Path) -> Context:
    return context_of(tmp_path, without_files(filled()))


@pytest.mark.parametrize(("state", "mode"), CASES)
def test_every_field_is_there(make_result: Any, full: Context, state: Any, mode: Any) -> None:
    result = make_result(state, mode)
    page = Page(render_annex(result, full))
    for title in SECTIONS.values():
        assert title in page.text
    assert " ".join(result.decision.text.replace("`", "").split()) in page.text
    for stated in ("University Hospital Example", "30 November 2026", "30 November 2027",
                   "10.1234/example", "epsilon 8, delta 1e-05, unit: patient", "Not tested.",
                   "1 October 2026", "Study protocol, section 4", "B. Example"):  # fmt: skip
        assert stated in page.text
    assert said.NOT_DECIDING in page.text


@pytest.mark.parametrize(("state", "mode"), CASES)
def test_what_is_not_stated_says_so(make_result: Any, state: Any, mode: Any) -> None:
    page = Page(render_annex(make_result(state, mode), Context()))
    rows = [text for text in page.texts if text == said.NOT_STATED]
    assert len(rows) == len(said.LABELS) + len(said.SIGN_ROLES)
    assert said.SUBGROUPS_NONE in page.text and said.SCRUB_NONE in page.text


@pytest.mark.parametrize(("state", "mode"), CASES)
def test_nobody_and_nothing_is_named(
    make_result: Any, full: Context, state: Any, mode: Any
) -> None:
    result = make_result(state, mode)
    html = render_annex(result, full)
    known = {f.id for f in result.findings} | {f.group for f in result.findings}
    known |= {e.generated for f in result.findings for e in f.evidence}
    known |= {*result.calibration.ids, *result.calibration.groups, *result.manifest.weights_sha256}
    known |= {p.path for p in result.problems} | {u.example for u in result.unread if u.example}
    known |= {"secret", "clinic", "node17", "ward_07", "alert("}
    assert [name for name in known if name in html] == []
    assert "<img" not in html and "data:" not in html
    shown = render_annex(result, full, names=True)
    first = target_patients(result)[0].name
    assert first in shown and said.WITH_NAMES in shown and said.REDACTED not in shown


def test_the_page_runs_and_loads_nothing(make_result: Any, tmp_path: Path) -> None:
    text = "\n".join(
        f'[{table}]\n{key} = """{value}"""'
        for (table, key), value in zip(
            (("document", "title"), ("release", "recipients"), ("split", "dates"),
             ("attacker", "holds"), ("sign_off", "controller")),
            [name.replace("\x00", "")[:150] for name in HOSTILE],
            strict=True,
        )
    )  # fmt: skip
    html = render_annex(make_result("leak found"), context_of(tmp_path, text), names=True)
    page = Page(html)
    assert not re.search(r"<script|(?:src|href)\s*=|@import|https?:", html)
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "div"),
        *("h1", "h2", "p", "bdi", "table", "thead", "tbody", "tr", "th", "td", "code"),
    }
    assert "<script>alert(1)</script>.png" in page.text  # as text


def section(html: str, key: str) -> str:
    """The text of one section."""
    return Page(re.search(rf'<section id="{key}">.*?</section>', html, re.DOTALL)[0]).text  # type: ignore[index]


def test_the_numbers_are_those_of_the_result(make_result: Any) -> None:
    result = make_result("not found", hostile=False)
    html = render_annex(replace(result, epsilon=Epsilon(0.31, 0.22, 50, 30, 1e-5)), Context())
    risk = section(html, "risk").replace("\N{NO-BREAK SPACE}", " ")
    assert "0.61 (95 % confidence), below the limit of 0.65" in risk
    assert "at most 3.4 % of the patients" in risk and "up to 20 % of the patients" in risk
    assert "cropped to 80 %" in risk
    assert "at least 0.31 by the AUC and 0.22 by pairs" in risk and said.NO_UPPER_EPSILON in risk
    assert "Earlier audits that the cache folder knows 2" in section(html, "rule")
    checks = section(html, "checks")
    for check in result.checks:
        assert f"{check.name} {check.state}" in checks


def test_a_failed_check_voids_bounds_and_p_values(make_result: Any) -> None:
    html = render_annex(make_result("undecided", hostile=False), Context())
    assert said.RISK_VOID.format(why=said.WHY_CHECK) in section(html, "risk")
    assert "Upper bound of the AUC" not in section(html, "risk")
    assert said.WORST_NO_P in section(html, "worst")
    assert re.search(r"1 of 50 \w[\w ]* – – 2", section(html, "worst"))
    assert "blind FAILED" in section(html, "checks")


def test_copies_and_what_is_not_covered(make_result: Any) -> None:
    told = section(render_annex(make_result("copies found"), Context()), "criteria")
    assert "4 generated images are copies of 4 real images." in told
    assert "4 of 50 patients with several images are copied, named or known to be used" in told
    assert said.INFERENCE_EVIDENCE in told and said.LINKABILITY_LEFT in told


def test_a_rule_that_was_fixed_late_and_a_part_of_the_set_are_said(
    make_result: Any, tmp_path: Path
) -> None:
    text = "[rule]\nfixed_on = 2026-11-23\n[data_set]\nimages = 10000"
    html = render_annex(make_result("not found"), context_of(tmp_path, text))
    assert said.RULE_LATE.format(day="23 November 2026") in section(html, "rule")
    assert "600 (the controller states 10,000" in section(html, "data_set")


@pytest.mark.parametrize("n", [0, 1, 1_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_results_of_any_size(make_result: Any, n: int) -> None:
    result = make_result("not found", hostile=False, thumbnails=False)
    one = result.findings[0]
    findings = tuple(replace(one, id=f"{k}.png", group=f"p{k}") for k in range(n))
    html = render_annex(replace(result, findings=findings, patients=()), Context())
    told = section(html, "worst")
    assert (said.WORST_NONE in told) == (n == 0)
    assert (f"1 of {n:,} " in told) == (n > 0)
    assert told.count(f" of {n:,} ") == min(n, 8)
    assert len(html) < 100_000


def table(folder: Path, text: str) -> Context:
    (folder / "patients.csv").write_text(text, encoding="utf-8")
    return context_of(folder, '[subgroups]\ntable = "patients.csv"')


SEXES = "patient,sex,device\n" + "".join(
    f"PAT-{i:03d},{'fm'[i % 2]},{'old' if i < 3 else 'new'}\n" for i in range(48)
)


def test_subgroups_are_counted_and_bounded_by_patient(make_result: Any, tmp_path: Path) -> None:
    result = make_result("copies found", hostile=False)
    context = table(tmp_path, SEXES)
    patients = target_patients(result)
    found = subgroups(result, patients, context.subgroups, tmp_path)
    shown = {(one.column, one.value): one for one in found}
    assert [one.patients for one in found] == [24, 24, 2, 45, 3, 2]
    small = said.SMALL.format(least=LEAST_SHOWN)
    values = {"sex": ["f", "m", said.UNLISTED], "device": ["new", small, said.UNLISTED]}
    assert list(shown) == [(name, value) for name, own in values.items() for value in own]
    assert shown["sex", "f"].copied == 1 and shown["device", small].copied == 2
    assert shown["sex", "f"].at_most == copied_share_bound(1, 24, 0, 100, 20, 20)
    everything = subgroups(result, patients, context.subgroups, tmp_path, small=True)
    assert ("device", "old", 3) in [(o.column, o.value, o.patients) for o in everything]
    told = section(render_annex(result, context), "worst")
    assert "sex: f 24 1 0" in told and "old" not in told


def test_subgroups_by_image(make_result: Any, tmp_path: Path) -> None:
    result = make_result("not found", hostile=False)
    rows = "".join(f"{f.id},{'a' if k != 1 else 'b'}\n" for k, f in enumerate(result.findings))
    context = table(tmp_path, f"id;rare label\n{rows}".replace(",", ";"))
    found = subgroups(result, target_patients(result), context.subgroups, tmp_path)
    assert [(o.column, o.value, o.patients) for o in found] == [
        ("rare label", "a", 49), ("rare label", said.SEVERAL, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("sex,age\nf,3\n", "", "patients.csv has no column for patients (patient) or images (id)"),
        ("patient\npat-001\n", "", "has no column beside that of the names"),
        ("patient,sex\nnobody,f\n", "", "lists none of the 50 target patients"),
        (SEXES, 'columns = ["sexes"]', "has no column sexes (did you mean sex?). It has: sex, dev"),
        ("patient,n\n" + "".join(f"pat-{i:03d},{i}\n" for i in range(50)), "",
         "the column n has 50 different values"),
        ("", "", "has no column for patients"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_one_line(
    make_result: Any, tmp_path: Path, text: str, more: str, message: str
) -> None:
    (tmp_path / "patients.csv").write_text(text, encoding="utf-8")
    context = context_of(tmp_path, f'[subgroups]\ntable = "patients.csv"\n{more}')
    result = make_result("not found", hostile=False)
    with pytest.raises(InputError) as refused:
        render_annex(result, context)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_redacted_result_has_no_names_to_show(make_result: Any, tmp_path: Path) -> None:
    hidden = redact(make_result("leak found"))
    assert said.REDACTED in render_annex(hidden, Context())
    with pytest.raises(InputError, match="redacted"):
        render_annex(hidden, Context(), names=True)
    with pytest.raises(InputError, match="redacted"):
        render_annex(hidden, table(tmp_path, SEXES))


def log(folder: Path, keep: int, reasons: list[str]) -> Context:
    withheld = [{"generated": f"g{k}", "real": "secret", "by": by} for k, by in enumerate(reasons)]
    told = {"decision": {"state": "not found"}, "keep": ["g"] * keep, "withheld": withheld}
    (folder / "scrub.json").write_text(json.dumps(told), encoding="utf-8")
    return context_of(folder, '[measures]\nscrub_log = "scrub.json"')


@pytest.mark.parametrize(("keep", "sentence"), [(597, said.SCRUB_BEFORE), (600, said.SCRUB_AFTER)])
def test_what_was_withheld_and_why(
    make_result: Any, tmp_path: Path, keep: int, sentence: str
) -> None:
    context = log(tmp_path, keep, ["near copy", "same pixels", "near copy"])
    html = render_annex(make_result("not found"), context)
    told = section(html, "measures")
    assert f"3 of {keep + 3:,} generated images were withheld: 2 as near copies of a real" in told
    assert sentence in told and "secret" not in html


def test_a_log_of_another_set_or_another_file_is_refused(make_result: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="and this result is about 600"):
        render_annex(make_result("not found"), log(tmp_path, 10, ["nearest"]))
    for text in ("[]", "{}", "x", '{"keep": [], "withheld": [3], "decision": {}}'):
        (tmp_path / "scrub.json").write_text(text)
        with pytest.raises(InputError, match=r"scrub\.json is not the log of a scrub"):
            read_scrub_log(tmp_path / "scrub.json")


def test_dates_are_words() -> None:
    from datetime import date

    assert day(date(2026, 11, 30)) == "30 November 2026"
    assert day_of("2026-01-02T10:00:00+00:00") == "2 January 2026"
    assert day_of("yesterday") == "yesterday"


def test_the_command_and_its_refusals(make_result: Any, tmp_path: Path, capsys: Any) -> None:
    result, context = tmp_path / "result.json", tmp_path / "context.toml"
    result.write_text(make_result("not found").to_json(), encoding="utf-8")
    context.write_text(without_files(filled()), encoding="utf-8")
    out = tmp_path / "annex.html"
    assert call(capsys, "report", result, "--annex", context, "--out", out).code == 0
    assert "13. Sign-off" in out.read_text(encoding="utf-8")
    old = tmp_path / "old.json"
    old.write_text(json.dumps(json.loads(result.read_text()) | {"schema": 1}))
    for arguments, message in (
        ((result, "--annex", context, "--redact"), "--redact and --annex exclude each other"),
        ((result, "--with-names"), "--with-names belongs to --annex"),
        ((old, "--annex", context), "written by vestige 0.1 (schema 1)"),
        ((result, "--annex", tmp_path / "none.toml"), "cannot read"),
    ):
        said_ = call(capsys, "report", *arguments, "--out", tmp_path / "x.html")
        assert said_.code == 2 and message in said_.err
        assert len(said_.err.strip().splitlines()) == 1
    assert call(capsys, "report", result, "--annex", context, "--out", context).code == 2
    assert not (tmp_path / "x.html").exists()


def test_no_document_takes_the_place_of_another_file(
    make_result: Any, tmp_path: Path, capsys: Any
) -> None:
    result, context = tmp_path / "result.json", tmp_path / "context.toml"
    result.write_text(make_result("not found").to_json(), encoding="utf-8")
    table = tmp_path / "sex.html"
    table.write_text("id,sex\n", encoding="utf-8")
    context.write_text('[subgroups]\ntable = "sex.html"\n', encoding="utf-8")
    for arguments, out, message in (
        (["--annex", context], table, "which is read as subgroups.table"),
        (["--annex-template"], context, "is there already"),
        (["--annex-template"], tmp_path / "new.html", "does not end in .toml"),
        (["--annex", context], tmp_path / "new.toml", "does not end in .html"),
        ([], tmp_path / "new.txt", "does not end in .html"),
        ([], tmp_path / "new.pdf", "can be a PDF"),
    ):
        said_ = call(capsys, "report", result, *arguments, "--out", out)
        assert said_.code == 2 and message in said_.err
        assert len(said_.err.strip().splitlines()) == 1
    assert table.read_text(encoding="utf-8") == "id,sex\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["context.toml", "result.json", "sex.html"]
