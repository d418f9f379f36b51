"""Results of sites become one answer: refusals, the table of decisions, names, files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

import vestige
from decision.evidence import checks, copy
from report.conftest import make_result
from report.test_page import Page
from story.world import call
from vestige.decision import audited, combined
from vestige.decision.decide import RULES
from vestige.decision.records import Bounds, Copy
from vestige.registry.entries import InputError
from vestige.report import redact
from vestige.report.combined import render_combined
from vestige.result import AuditResult
from vestige.schema.records import Check, Estimate, PlantedLevel, RunHistory
from vestige.sites.combine import CombinedResult
from vestige.stats.sites import combined_p

PLANTED = (PlantedLevel("verbatim", 20, 20, 20), PlantedLevel("mirrored", 20, 20, 20))


def site(name: str, p: float = 0.4, upper: float = 0.6, **changed: Any) -> AuditResult:
    """An audit in which nothing was found but what a test puts in; real images of its own."""
    made = make_result("not found", n=40, hostile=False, thumbnails=False, seed=len(name))
    digests = {"generated": "ab" * 32, "used": f"u-{name}", "unused": f"n-{name}"}
    test = made.set_test
    assert test is not None
    passed = checks("ok ok .. .. ok")
    made = replace(
        made,
        manifest=replace(made.manifest, inputs_sha256=digests),
        set_test=replace(test, p_value=p, auc=Estimate(0.52, 0.45, 0.59, 40)),
        bounds=Bounds(upper, 0.2, (), None),
        checks=(*passed[:-1], replace(passed[-1], levels=PLANTED)),
        run_history=RunHistory(0, 1, 3, p, None),
        question=replace(made.question, patient_ids=True),
        patients=tuple(replace(one, q_value=1.0) for one in made.patients),
        unread=(),
    )
    return replace(made, **changed)


def three(**changed: AuditResult) -> dict[str, AuditResult]:
    return {"north": site("north"), "south": site("south"), "far west": site("west")} | changed


def with_options(result: AuditResult, **options: Any) -> AuditResult:
    made = result.manifest
    return replace(result, manifest=replace(made, options=made.options | options))


def vetoed(name: str = "south", p: float = 0.4) -> AuditResult:
    return site(name, p, checks=checks("ok no ok ok ok"))


def naming(name: str, q: float) -> AuditResult:
    """A site that names one patient of 20 by itself."""
    made = site(name)
    first, *rest = made.patients
    own = replace(first, q_value=q, p_value=0.02, verdict="used", stands_out=True)
    return replace(made, patients=(own, *rest))


# --- what is decided
def test_nothing_found_at_any_site_opens_the_gate() -> None:
    found = vestige.combine(three())
    assert (found.state, found.gate, found.exit_code) == ("not found", "open", 0)
    assert found.text.startswith("3 sites together: Nothing found: ")
    assert found.test is not None and found.test.p_value == combined_p([0.4] * 3, [1] * 3)
    assert found.decision.facts.targets == 3 * 20
    assert [round(one.share, 3) for one in found.sites] == [0.333] * 3


def test_what_none_finds_all_may_find() -> None:
    weak = {name: site(name, 0.07) for name in ("a", "bb", "ccc")}
    assert {one.decision.gate for one in weak.values()} == {"open"}
    found = vestige.combine(weak)
    assert (found.state, found.gate, found.exit_code) == ("leak found", "closed", 3)
    assert found.test is not None and found.test.p_value < 0.02
    assert found.unqualified and "whether another generator" in found.text
    asked = site("d", 0.04, checks=checks("ok ok ok ok ok"))
    assert not vestige.combine(weak | {"d": asked}).unqualified


def test_a_copy_at_any_site_closes_the_gate_whatever_its_checks_say() -> None:
    copied = replace(vetoed(), copies=(copy(0), copy(1)))
    found = vestige.combine(three(south=copied))
    assert (found.state, found.gate) == ("copies found", "closed")
    assert "2 generated images are copies of 2 training images of 1 patient" in found.text
    assert "The p-values of south do not count" in found.text
    assert [one.copies for one in found.sites] == [0, 2, 0]


def test_one_copy_seen_by_a_clear_and_by_a_redacted_site_counts_for_each() -> None:
    near = [replace(site(name), copies=(copy(0),)) for name in ("a", "bb", "ccc")]
    both = vestige.combine(near[:2]).decision.facts
    assert (both.copies, both.copied_images, both.copied_patients) == (1, 2, 2)
    hidden = vestige.combine([near[0], redact(near[1])]).decision.facts
    assert (hidden.copies, hidden.copied_images) == (2, 2)


@pytest.mark.parametrize("p", [1e-4, 0.4])
def test_a_site_that_failed_its_checks_does_not_count_and_keeps_the_gate_shut(p: float) -> None:
    found = vestige.combine(three(south=vetoed(p=p)))
    assert (found.gate, found.because, found.site) == ("undecided", "a site set aside", "south")
    assert found.exit_code == 4
    assert found.test is not None and found.test.p_value == combined_p([0.4] * 2, [1] * 2)
    assert [one.share > 0 for one in found.sites] == [True, False, True]
    assert found.sites[1].set_aside == ("check_failed",)
    assert (
        "the p-values of south do not count" in found.text and "(failed check: blind)" in found.text
    )
    others = {"north": site("north", 0.01), "far west": site("west", 0.02)}
    leak = vestige.combine(three(south=vetoed(p=p), **others))
    assert (leak.state, leak.gate) == ("leak found", "closed")


def test_no_site_that_counts_is_undecided() -> None:
    found = vestige.combine({"a": vetoed("a"), "b": vetoed("bb")})
    assert (found.gate, found.test, found.site) == ("undecided", None, "a")
    assert "other sites" not in found.text
    assert "nothing is combined" in Page(render_combined(found)).text


CONTRADICTED = Copy("g", "u.png", "unused", "p", 1.0, 0.0, "identity", False, "same pixels")


def test_a_site_whose_roles_are_contradicted_is_set_aside() -> None:
    found = vestige.combine(three(south=replace(site("south"), copies=(CONTRADICTED,))))
    assert (found.gate, found.site) == ("undecided", "south")
    assert found.sites[1].set_aside == ("copies_of_unused",)
    leaking = {"north": site("north", 0.01), "far west": site("west", 0.02)}
    found = vestige.combine(three(south=replace(site("south"), copies=(CONTRADICTED,)), **leaking))
    assert (found.state, found.gate) == ("leak found", "closed")


def test_a_site_that_finds_alone_leaves_the_set_undecided() -> None:
    found = vestige.combine(
        three(south=site("south", 0.04, checks=checks("ok ok ok ok ok")), east=site("eastern", 0.9))
    )
    assert found.sites[1].gate == "closed"
    assert found.test is not None and found.test.p_value > 0.05
    assert (found.state, found.gate, found.because) == (
        "undecided",
        "undecided",
        "a site by itself",
    )
    assert "south by itself does (leak found)" in found.text


def test_sites_that_are_too_small_alone_may_be_enough_together() -> None:
    few = {name: site(name, upper=0.67) for name in ("a", "bb", "ccc")}
    assert {one.decision.codes for one in few.values()} == {("bound_above_limit",)}
    found = vestige.combine(few)
    assert found.gate == "open" and 0.52 < (found.decision.facts.auc_upper or 0) < 0.65
    assert vestige.combine([few["a"], few["bb"]]).gate == "open"
    wide = {name: site(name, upper=0.9) for name in ("a", "bb", "ccc")}
    found = vestige.combine(wide)
    assert (found.gate, found.decision.codes) == ("undecided", ("bound_above_limit",))


@pytest.mark.parametrize(
    ("states", "code"),
    [("ok ok .. .. no", "planted_missed"), ("ok ok .. .. --", "planted_not_possible")],
)
def test_a_check_ends_as_it_ended_at_the_worst_site(states: str, code: Any) -> None:
    found = vestige.combine(three(south=site("south", checks=checks(states))))
    assert found.gate == "undecided" and code in found.decision.codes


def test_p_values_are_those_corrected_for_the_runs_of_their_site() -> None:
    again = site("south", 0.001, run_history=RunHistory(4, 5, 3, 0.3, 0.2))
    found = vestige.combine(three(south=again))
    assert found.sites[1].p_value == 0.3
    assert (found.gate, found.decision.codes) == ("undecided", ("repeated_runs",))


# --- names
def test_a_patient_is_named_if_the_rate_of_all_sites_holds() -> None:
    found = vestige.combine(three(south=naming("south", 0.04)))
    assert found.gate == "undecided" and found.because == "a site by itself"
    assert found.sites[1].named == 1
    (row,) = [one for one in found.patients if one.site == "south" and one.finding.p_value == 0.02]
    assert row.finding.q_value == pytest.approx(0.12) and row.finding.word == "stands out"
    found = vestige.combine(three(south=naming("south", 0.03)))
    assert (found.state, found.gate) == ("individuals stand out", "closed")
    first = found.patients[0]
    assert (first.site, first.finding.word) == ("south", "named")
    assert first.finding.q_value == pytest.approx(0.09)
    found = vestige.combine(three(south=naming("south", 0.045), north=vetoed("north")))
    assert found.patients[0].finding.word == "named"  # two sites count
    assert found.patients[0].finding.q_value == pytest.approx(0.09)


def test_of_a_site_set_aside_only_copies_and_known_answers_are_told() -> None:
    bad = replace(naming("south", 0.001), checks=checks("ok no ok ok ok"))
    found = vestige.combine(three(south=bad))
    assert found.decision.facts.named_patients == 0 or found.because != "all sites"
    words = {one.finding.word for one in found.patients if one.site == "south"}
    assert words == {"uncalibrated"}


def test_equal_names_are_counted_and_mean_nothing() -> None:
    assert vestige.combine(three()).same_names == 20
    hidden = [redact(one) for one in three().values()]
    assert vestige.combine(hidden).same_names == 0


# --- what is refused
def other_generated(result: AuditResult) -> AuditResult:
    made = result.manifest
    return replace(
        result, manifest=replace(made, inputs_sha256=made.inputs_sha256 | {"generated": "cd" * 32})
    )


def of_version(result: AuditResult) -> AuditResult:
    return replace(result, manifest=replace(result.manifest, vestige="9.9"))


def asked(**changed: Any) -> Callable[[AuditResult], AuditResult]:
    return lambda one: replace(one, question=replace(one.question, **changed))


REFUSED: dict[str, tuple[Callable[[AuditResult], AuditResult], str]] = {
    "generated": (other_generated, "audited different generated images"),
    "version": (of_version, 'the version of vestige is "0.1.0" at north and "9.9" at south'),
    "mode": (asked(mode="forensic"), "the mode is"),
    "rate": (asked(false_alarm_rate=0.1), "the false-alarm rate is 0.05 at north and 0.1"),
    "limit": (asked(max_auc=0.7), "the largest accepted AUC"),
    "detectors": (lambda one: with_options(one, detectors=["mc_ball"]), "detectors is"),
    "effort": (lambda one: with_options(one, effort="high"), 'effort is null at north and "high"'),
    "harmonize": (lambda one: with_options(one, harmonize={"a": 1}), "harmonize is false"),
    "no test": (lambda one: replace(one, set_test=None, bounds=None), "has no test of the set"),
    "a part": (
        lambda one: replace(one, run_history=RunHistory(1, 1, 1, 0.1, None, 90)),
        "a part of the images of an earlier audit",
    ),
    "no digest": (
        lambda one: replace(one, manifest=replace(one.manifest, inputs_sha256={})),
        "does not tell which generated images",
    ),
    "twice": (lambda one: site("north"), "the used images of north are the used images of south"),
    "swapped": (
        lambda one: replace(
            one,
            manifest=replace(
                one.manifest, inputs_sha256=one.manifest.inputs_sha256 | {"unused": "u-north"}
            ),
        ),
        "the used images of north are the unused images of south",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_results_that_cannot_be_combined_are_refused_in_one_line(
    name: str, tmp_path: Path, capsys: Any
) -> None:
    change, message = REFUSED[name]
    with pytest.raises(InputError) as error:
        vestige.combine({"north": site("north"), "south": change(site("south"))})
    assert message in str(error.value)
    for folder, one in (("north", site("north")), ("south", change(site("south")))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "result.json").write_text(one.to_json(), encoding="utf-8")
    given = [tmp_path / folder / "result.json" for folder in ("north", "south")]
    said = call(capsys, "combine", *given, "--out", tmp_path / "out")
    assert said.code == 2 and len(said.err.splitlines()) == 1 and said.out == ""
    assert not (tmp_path / "out").exists()


def test_an_image_of_two_sites_is_refused_by_its_copy() -> None:
    same = copy(0, same=True)
    here = replace(site("north"), copies=(same,))
    unused = replace(site("south"), copies=(replace(same, role="unused", real="x.png"),))
    with pytest.raises(
        InputError, match=r"image of north \(used\) and of an image of south \(unused\)"
    ):
        vestige.combine({"north": here, "south": unused})
    other = replace(site("south"), copies=(replace(same, generated="other.png"),))
    assert vestige.combine({"north": here, "south": other}).gate == "closed"


@pytest.mark.parametrize("sites", [[], ["one"]])
def test_fewer_than_two_sites_are_refused(sites: list[str]) -> None:
    with pytest.raises(InputError, match="two or more sites"):
        vestige.combine([site(name) for name in sites])
    with pytest.raises(InputError, match="two or more sites"):
        vestige.combine("result.json")


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 61, "\x1b[31m"])
def test_names_that_cannot_be_shown_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="name of a site"):
        vestige.combine({"a": site("a"), name: site("bb")})


# --- options that redaction takes away
def test_redacted_sites_stay_redacted_and_what_nobody_compared_is_told() -> None:
    clear = with_options(naming("north", 0.01), layout="n,h,w")
    hidden = redact(with_options(naming("south", 0.01), layout="n,h,w"))
    found = vestige.combine({"north": clear, "south": hidden})
    assert found.untold == ("layout",)
    assert [one.redacted for one in found.sites] == [False, True]
    html = render_combined(found)
    text = Page(html).text
    assert "A redacted result does not tell layout" in text
    told = {one.site: one.finding.patient for one in found.patients if one.finding.word == "named"}
    assert told["north"].startswith("pat-") and "pat" not in told["south"]
    assert told["south"] in text and told["north"] in text


# --- files
def registry() -> Any:
    return referencing.Registry().with_resource(
        "urn:vestige:result:2", referencing.Resource.from_contents(audited.schema())
    )


@pytest.mark.parametrize("south", [site("south"), vetoed(), naming("south", 0.03)])
def test_the_file_keeps_the_answer_and_its_schema(south: AuditResult) -> None:
    found = vestige.combine(three(south=south))
    text = found.to_json()
    checker = jsonschema.Draft202012Validator(combined.schema(), registry=registry())
    checker.validate(json.loads(text))
    assert CombinedResult.from_json(text) == found
    raw = json.loads(text)
    assert set(raw) == set(combined.schema()["properties"]) == set(combined.schema()["required"])
    for kind, one in (("site", raw["sites"][0]), ("patient", raw["patients"][0])):
        known = combined.schema()["$defs"][kind]
        assert set(one) == set(known["properties"]) == set(known["required"])
        assert known["additionalProperties"] is False


@pytest.mark.parametrize(
    "change",
    [{"gate": "open"}, {"text": "all is well"}, {"schema": 1}, {"schema": True}, {"more": 1}],
)
def test_a_file_that_was_changed_is_refused(change: dict[str, Any]) -> None:
    raw = json.loads(vestige.combine(three(south=vetoed())).to_json()) | change
    with pytest.raises(InputError):
        CombinedResult.from_json(json.dumps(raw))
    with pytest.raises(InputError):
        CombinedResult.from_json("[]")
    with pytest.raises(InputError):
        CombinedResult.from_json("{")


def test_the_page_escapes_what_it_shows_and_loads_nothing() -> None:
    evil = '<script>alert(1)</script>"'
    bad = make_result("not found", n=40, thumbnails=False)
    made = replace(
        bad, manifest=replace(bad.manifest, inputs_sha256=site("x").manifest.inputs_sha256)
    )
    html = render_combined(vestige.combine({evil: made, "south": site("south")}))
    assert "<script" not in html and "http:" not in html and "src=" not in html
    assert evil in Page(html).text
    assert "one patient was at two sites" in Page(html).text


def test_another_answer_is_not_replaced(tmp_path: Path) -> None:
    first = vestige.combine(three())
    first.save(tmp_path)
    vestige.combine(three(south=site("south", 0.2))).save(tmp_path)  # the same sites again
    other = vestige.combine({"a": site("a"), "b": site("bb")})
    with pytest.raises(InputError, match="holds the answer of other sites"):
        other.save(tmp_path)
    other.save(tmp_path, overwrite=True)
    assert CombinedResult.load(tmp_path / "combined.json") == other
    (tmp_path / "combined.json").write_text("{}")
    with pytest.raises(InputError, match="holds the answer of other sites"):
        other.save(tmp_path)


def test_the_command_names_sites_and_ends_with_the_code_of_the_gate(
    tmp_path: Path, capsys: Any
) -> None:
    for name, one in three(south=vetoed()).items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(one.to_json(), encoding="utf-8")
    files = {name: tmp_path / name / "result.json" for name in three()}
    out = tmp_path / "out"
    said = call(
        capsys, "combine", files["north"], "--site", f"S={files['south']}", "--gate", "--out", out
    )
    assert said.code == 4 and said.out.startswith("Gate undecided (exit 4): 2 sites together: ")
    assert sorted(p.name for p in out.iterdir()) == ["combined.html", "combined.json"]
    assert [one.name for one in CombinedResult.load(out / "combined.json").sites] == ["north", "S"]
    told = call(capsys, "combine", *files.values(), "--out", out, "--force", "--json")
    assert told.code == 0 and json.loads(told.out)["gate"] == "undecided"
    for words in (
        ["--site", "S"],
        ["--site", f"north={files['north']}"],
        ["--site", "x=none.json"],
    ):
        said = call(capsys, "combine", files["north"], *words, "--out", tmp_path / "new")
        assert said.code == 2 and len(said.err.splitlines()) == 1, words
    inside = call(capsys, "combine", *files.values(), "--out", files["north"])
    assert inside.code == 2


def test_every_rule_that_spoils_a_site_has_a_name_on_the_page() -> None:
    from vestige.report.combined import CODES
    from vestige.sites.merging import SPOILS

    assert set(CODES) == set(SPOILS)
    assert len(RULES) == 9  # a new row of the decision: does it take back the p-values of a site?


def test_checks_that_fail_without_taking_anything_back_do_not_set_a_site_aside() -> None:
    smooth = Check("smooth", None, 0.1, False, "", "failed", takes_back="none")
    good = site("south")
    found = vestige.combine(three(south=replace(good, checks=(*good.checks, smooth))))
    assert found.aside == () and found.gate == "open"


def test_a_result_that_was_never_a_file_has_the_options_of_one_that_was() -> None:
    tuples = with_options(site("north"), detector_options={"mc_ball": {"sizes": (8, 16)}})
    lists = with_options(site("south"), detector_options={"mc_ball": {"sizes": [8, 16]}})
    assert vestige.combine([tuples, lists]).gate == "open"
    with pytest.raises(InputError, match="detector_options is"):
        vestige.combine([tuples, site("south")])


def test_an_answer_of_sites_is_no_result_of_a_site() -> None:
    with pytest.raises(InputError, match="schema 'combined 1'"):
        AuditResult.from_json(vestige.combine(three()).to_json())
