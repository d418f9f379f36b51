"""`vestige scrub`: copies go, innocent images stay, and what cannot be mended is said."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from story.world import Called, call, names, release, worlds, write
from vestige.decision.records import Chance, Copy
from vestige.release.repeat import check_result
from vestige.report import redact
from vestige.result import AuditResult
from vestige.worlds.embedded import World, embedded_world
from vestige.worlds.pca_gaussian import PcaGaussian
from vestige.worlds.phantom import chest_phantoms

SCRUB = import_module("vestige.release.scrub")
QUICK = ["matched_filter_pool", "nearest_distance_contrast", "calibrated_distance_5"]
DETECTORS = [word for name in QUICK for word in ("--detector", name)]


def audited(world: World) -> AuditResult:
    return vestige.audit(world.generated, world.used, world.unused, detectors=QUICK)


def scrubbed(world: World, result: AuditResult | None = None, **more: Any) -> vestige.ScrubResult:
    result = result or audited(world)
    return vestige.scrub(result, world.generated, world.used, world.unused, **more)


def copies(world: World) -> set[str]:
    return {f"{k:06d}" for k in np.flatnonzero(world.truth.copied >= 0)}


# --- what it is for
@pytest.mark.parametrize(
    "share",
    [pytest.param(0.01, marks=pytest.mark.slow), 0.05, pytest.param(0.2, marks=pytest.mark.slow)],
)
def test_copies_go_and_innocents_stay(share: float) -> None:
    world = embedded_world(True, 5, n_used=60, n_unused=60, n_generated=500, size=32, share=share)
    found = scrubbed(world)
    gone, guilty = {image.generated for image in found.withheld}, copies(world)
    assert len(guilty) == round(share * 500)
    assert len(gone & guilty) >= 0.9 * len(guilty)
    assert len(gone - guilty) <= 0.05 * (500 - len(guilty))
    assert found.outcome == found.remainder.decision
    assert (found.outcome.gate, found.outcome.exit_code) == ("open", 0)
    # the lists part the set, in the order of its files
    everyone = [f"{k:06d}" for k in range(500)]
    assert list(found.keep) == [id_ for id_ in everyone if id_ not in gone]
    assert [image.generated for image in found.withheld] == sorted(gone)
    assert found.remainder.question.counts["generated"] == len(found.keep)
    # each copy is withheld for the image it copies
    truth = dict(enumerate(world.truth.copied))
    for image in found.withheld:
        if image.generated in guilty:
            assert int(image.real) == truth[int(image.generated)]
            assert image.by in ("near copy", "whitened cosine", "distance")


@pytest.mark.slow
def test_a_few_copies_are_found_and_go() -> None:
    world = embedded_world(True, 6, n_used=60, n_unused=60, n_generated=500, size=32, share=0.004)
    found = scrubbed(world)
    assert found.before.decision.gate == "closed"
    assert copies(world) <= {image.generated for image in found.withheld}
    assert len(found.withheld) <= 0.05 * 500
    assert {image.round for image in found.withheld} == {0}


def test_a_clean_set_stays_whole() -> None:
    world = embedded_world(False, 5, n_used=60, n_unused=60, n_generated=500, size=32)
    found = scrubbed(world)
    assert len(found.keep) >= 0.99 * 500
    assert found.outcome.exit_code == 0
    again = scrubbed(world)
    assert again.keep == found.keep


@pytest.mark.slow
def test_exact_copies_go_first_and_within_the_share() -> None:
    world = worlds()[1]
    generated = np.concatenate([world.used[:3], world.generated])
    result = vestige.audit(generated, world.used, world.unused, detectors=QUICK)
    found = vestige.scrub(result, generated, world.used, world.unused)
    exact = {image.generated: image.real for image in found.withheld if image.by == "same pixels"}
    assert exact == {f"{k:06d}": f"{k:06d}" for k in range(3)}
    few = vestige.scrub(result, generated, world.used, world.unused, max_share=0.02)
    assert [image.generated for image in few.withheld] == ["000000", "000001"]  # 2 of 123
    assert few.outcome.exit_code == 3  # one is left


def test_a_leak_of_the_whole_set_is_not_mended() -> None:
    images = chest_phantoms(140, 32, seed=1)[0]
    used, unused = images[:30], images[30:]
    generated = PcaGaussian().fit(used, 0).sample(200, 0)
    result = vestige.audit(generated, used, unused, detectors=QUICK)
    assert result.decision.state == "leak found"
    found = vestige.scrub(result, generated, used, unused)
    assert len(found.withheld) <= 100
    assert found.remainder.decision.state == "leak found"
    assert found.outcome.exit_code == 3
    assert "train the generator anew" in found.outcome.text


@pytest.mark.slow
def test_a_small_share_is_kept_to_and_said() -> None:
    world = worlds()[0]
    found = scrubbed(world, max_share=0.3)
    assert len(found.withheld) == 36  # of 120, where 48 are copies
    assert {image.generated for image in found.withheld} <= copies(world)
    assert found.outcome.gate != "open"  # a finding this weak may be vetoed
    assert SCRUB.called_used(found.remainder) < SCRUB.called_used(found.before)


def test_forensic_results_are_scrubbed_too() -> None:
    world = worlds()[0]
    queries = np.concatenate([world.used[:25], world.unused[:10]])
    asked = {"unused": world.unused[10:], "query": queries}
    result = vestige.audit(world.generated, **asked, detectors=QUICK)
    found = vestige.scrub(result, world.generated, **asked)
    gone = {image.generated for image in found.withheld}
    of_queries = {f"{k:06d}" for k in np.flatnonzero((world.truth.copied >= 0)
                                                     & (world.truth.copied < 25))}  # fmt: skip
    assert len(gone & of_queries) >= 0.9 * len(of_queries)
    assert found.outcome.gate != "closed"


def individuals(result: AuditResult) -> AuditResult:
    """The result as if the set test had found nothing, no copy were seen, and many stood out."""
    assert result.set_test is not None
    test = replace(result.set_test, p_value=0.4)
    made = replace(result, set_test=test, copies=(), chance=Chance(30, 5))
    assert made.decision.state == "individuals stand out"
    return made


@pytest.mark.slow
def test_guesses_that_mend_nothing_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds()[0]
    pairs = SCRUB.nearest_pairs

    def none_stands_out(*arguments: Any) -> Any:
        return tuple(replace(p, line=np.inf, spread=1.0) for p in pairs(*arguments))

    monkeypatch.setattr(SCRUB, "nearest_pairs", none_stands_out)
    before = individuals(audited(world))
    mended = scrubbed(world, before)  # the nearest pairs of those called used are copies here
    first = {image.by for image in mended.withheld if image.round == 1}
    assert first == {"nearest"}
    assert SCRUB.called_used(mended.remainder) < SCRUB.called_used(mended.before)
    monkeypatch.setattr(SCRUB, "run_audit", lambda *arguments, **options: before)
    found = scrubbed(world, before)
    assert found.withheld == ()
    assert len(found.keep) == 120
    assert found.outcome.exit_code == 3


@pytest.mark.slow
def test_the_rest_is_audited_as_the_whole_was(tmp_path: Path) -> None:
    """With the same preparation, bounds and limit; it once fell back on the defaults."""
    world, table = worlds()[0], tmp_path / "groups.csv"
    sides = {"used": len(world.used), "unused": len(world.unused)}
    rows = [f"{role}/{k:06d},{role}{k}\n" for role, n in sides.items() for k in range(n)]
    table.write_text("id,group\n" + "".join(rows))
    reals = {"used": world.used, "unused": world.unused}
    asked = {"detectors": QUICK, "harmonize": True, "assigned_by_lot": True, "max_auc": 0.7}
    before = vestige.audit(world.generated, **reals, groups=table, **asked)  # type: ignore[arg-type]
    found = vestige.scrub(before, world.generated, **reals, groups=table)
    first, last = before.manifest.options, found.remainder.manifest.options
    assert found.withheld
    assert first["harmonize"] is not None and last["harmonize"] is not None
    assert found.remainder.epsilon is not None
    same = first.keys() - {"harmonize"}  # the rule of preparation depends on what is left
    assert {name: first[name] for name in same} == {name: last[name] for name in same}


# --- the command line
@pytest.fixture(scope="module")
def result(leaking: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit")
    vestige.audit(
        *(leaking / role for role in ("generated", "used", "unused")),
        groups=leaking / "groups.csv",
        detectors=QUICK,
    ).save(out)
    return out / "result.json"


def scrub(capsys: Any, result: Path, asked: list[object], out: Path, *more: object) -> Called:
    return call(capsys, "scrub", result, *asked, "--out", out, *more)


def test_the_files_and_a_fresh_audit_of_what_may_stay(
    leaking: Path, result: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "new" / "keep.txt"
    generated = tmp_path / "published"
    said = scrub(capsys, result, release(leaking), out, "--copy-to", generated)
    assert (said.code, said.err) == (0, "")
    first, copied, last = said.out.splitlines()
    assert last.startswith("The rest: Gate open (exit 0): ")
    written = [f"new/keep.{end}" for end in ("report.html", "txt", "withheld.txt")]
    assert names(tmp_path / "new") == [name.removeprefix("new/") for name in written]
    kept = out.read_text(encoding="utf-8").splitlines()
    gone = (tmp_path / "new" / "keep.withheld.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(kept + gone) == [f"g{k:04d}.png" for k in range(120)]
    assert kept == sorted(kept)
    assert gone == sorted(gone)
    assert first.startswith(f"{len(gone)} of 120 generated images withheld (")
    guilty = {f"g{k:04d}.png" for k in np.flatnonzero(worlds()[0].truth.copied >= 0)}
    assert guilty <= set(gone)
    assert len(gone) <= len(guilty) + 2
    assert copied == f"{len(kept)} files were copied to {generated}."
    assert names(generated) == kept
    page = (tmp_path / "new" / "keep.report.html").read_text(encoding="utf-8")
    assert all(name in page for name in gone)
    assert page.count("data:image/png;base64,") >= 3 * min(len(gone), 20)
    # an audit of the folder that would be published says the same
    asked = [*release(leaking)[2:], "--generated", generated, *DETECTORS, "--json"]
    fresh = json.loads(call(capsys, "audit", *asked, "--out", tmp_path / "fresh").out)
    told = scrub(capsys, result, release(leaking), out, "--json")
    answer = json.loads(told.out)
    assert (told.code, answer["decision"]["gate"]) == (0, "open")
    assert answer["decision"] == fresh["decision"]
    assert last == f"The rest: Gate open (exit 0): {fresh['decision']['text']}"
    assert answer["called_used"]["after"] == fresh["stand_out"]
    assert answer["keep"] == kept
    assert [image["generated"] for image in answer["withheld"]] == gone
    quiet = scrub(capsys, result, release(leaking), out, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_unreadable_generated_files_are_in_neither_list(
    leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    generated = tmp_path / "generated"
    write(generated, worlds()[0].generated)
    (generated / "broken.png").write_text("no picture")
    asked = ["--generated", generated, *release(leaking)[2:]]
    audit = call(capsys, "audit", *asked, *DETECTORS, "--quiet", "--out", tmp_path / "o")
    assert audit.code == 0
    said = scrub(capsys, tmp_path / "o" / "result.json", asked, tmp_path / "keep.txt")
    assert "1 generated file(s) could not be read and are in neither." in said.out
    for name in ("keep.txt", "keep.withheld.txt"):
        assert "broken" not in (tmp_path / name).read_text()


def refused(said: Called, out: Path, *parts: str) -> None:
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("vestige: ") and said.err.count("\n") == 1
    for part in parts:
        assert part in said.err
    assert not out.exists()
    assert not out.with_name("keep.withheld.txt").exists()
    assert not out.with_name("keep.report.html").exists()


def test_other_images_or_groups_are_refused(
    leaking: Path, clean: Path, result: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "keep.txt"
    asked = release(leaking)
    swapped = ["--generated", clean / "generated", *asked[2:]]
    refused(scrub(capsys, result, swapped, out), out, "the generated images are not those")
    for role, k in (("used", 3), ("unused", 5)):
        fewer = write(tmp_path / role, worlds()[0].used[:20])
        swapped = [*asked[:k], fewer, *asked[k + 1 :]]
        refused(scrub(capsys, result, swapped, out), out, f"the {role} images are not those")
    refused(scrub(capsys, result, asked[:-2], out), out, "the groups are not those", "groups.csv")
    missing = [*asked[:4], *asked[6:]]
    refused(scrub(capsys, result, missing, out), out, "--unused is missing")
    extra = [*asked, "--reference", clean / "unused"]
    refused(scrub(capsys, result, extra, out), out, "knows no --reference")


def test_results_that_cannot_be_scrubbed(
    leaking: Path, result: Path, tmp_path: Path, capsys: Any
) -> None:
    out, bad, asked = tmp_path / "keep.txt", tmp_path / "result.json", release(leaking)
    whole = AuditResult.load(result)
    options = whole.manifest.options

    def with_options(**changed: Any) -> AuditResult:
        return replace(whole, manifest=replace(whole.manifest, options=options | changed))

    mute = tuple(replace(f, verdict="uncalibrated") for f in whole.findings)
    columns = [*options["detectors"], "siamese_model"]
    cases = {
        "redacted": redact(whole),
        "names no copy and nobody": replace(whole, findings=mute, patients=(), copies=()),
        "were switched off": replace(whole, checks=whole.checks[:2]),
        "siamese_model": with_options(detectors=columns),
        "not those of this version": with_options(weights={"matched_filter_pool_8": 9.0}),
        "working_size": with_options(working_size="big"),
    }
    for part, case in cases.items():
        bad.write_text(case.to_json(), encoding="utf-8")
        refused(scrub(capsys, bad, asked, out), out, part)
    bad.write_text("{}")
    refused(scrub(capsys, bad, asked, out), out)
    for share in ("0", "1", "nan"):
        refused(scrub(capsys, result, asked, out, "--max-share", share), out, "inside 0..1")
    (tmp_path / "folder").mkdir()
    said = scrub(capsys, result, asked, tmp_path / "folder")
    assert (said.code, "it is a folder" in said.err) == (2, True)
    assert names(tmp_path) == ["folder", "result.json"]


def test_undecided_results_with_copies_can_be_scrubbed(result: Path) -> None:
    """Copies are facts, whatever the checks say of the rest."""
    whole = AuditResult.load(result)
    mute = tuple(replace(f, verdict="uncalibrated", p_value=None) for f in whole.findings)
    copied = Copy("g0000.png", whole.findings[0].id, "used", whole.findings[0].group, 0.9, 4.0,
                  "identity", False, "near copy")  # fmt: skip
    failed = tuple(replace(c, passed=False, state="failed") for c in whole.checks)
    for more in ({"checks": failed}, {"set_test": None, "checks": ()}):
        with pytest.raises(vestige.InputError, match="names no copy and nobody"):
            check_result(replace(whole, findings=mute, patients=(), copies=(), **more))
        assert check_result(replace(whole, findings=mute, patients=(), copies=(copied,), **more))


def test_names_that_no_list_can_hold(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    write(tmp_path / "generated", worlds()[0].generated[:60], "{:03d}\nx.png")
    asked = ["--generated", tmp_path / "generated", *release(leaking)[2:]]
    done = call(capsys, "audit", *asked, *DETECTORS, "--quiet", "--out", tmp_path / "o")
    assert done.code == 0
    out = tmp_path / "keep.txt"
    said = scrub(capsys, tmp_path / "o" / "result.json", asked, out)
    refused(said, out, "cannot be listed one a line")


# --- interrupted
@pytest.fixture
def _ctrl_c_arrives() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_arrives")
@pytest.mark.parametrize(
    ("module", "stage"), [(SCRUB, "read_again"), (SCRUB, "run_audit"), (Path, "replace")]
)
def test_ctrl_c_leaves_nothing_and_keeps_what_was(
    leaking: Path,
    result: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    stage: str,
) -> None:
    (tmp_path / "keep.txt").write_text("earlier")
    monkeypatch.setattr(module, stage, lambda *a, **b: signal.raise_signal(signal.SIGINT))
    for out in (tmp_path / "keep.txt", tmp_path / "deep" / "keep.txt"):
        said = scrub(capsys, result, release(leaking), out)
        assert (said.code, said.out) == (130, "")
        assert said.err == "vestige: interrupted before the result was written.\n"
    assert names(tmp_path) == ["keep.txt"]
    assert (tmp_path / "keep.txt").read_text() == "earlier"
