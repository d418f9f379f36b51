"""One value says how an audit is made: checked once, written to the manifest, read back whole."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import vestige
from reference_worlds import reference_world
from small_audits import small
from vestige import AuditOptions, AuditResult, InputError, run_audit
from vestige.auditing.keywords import Keywords
from vestige.auditing.options import RULES, read_options
from vestige.auditing.request import ROLES
from vestige.detectors.mc_ball import MonteCarloBall
from vestige.release.repeat import check_result, options_again
from vestige.types import Progress, quiet

ASKED = AuditOptions(
    detectors=["nearest_distance", "mc_ball"],
    options={"mc_ball": {"size": 8}},
    views="all",
    false_alarm_rate=0.1,
    max_auc=0.7,
    assigned_by_lot=True,
    window=(-600.0, 1500.0),
    harmonize=True,
    include_derived=True,
    layout="h,w,n",
    engine="local:1",
    cache_limit=3.0,
    seed=5,
)


def images() -> dict[str, Any]:
    world = reference_world("copy", 0)
    parts = {"generated": world.generated[:80], "used": world.used[:25]}
    return {role: small(part) for role, part in (parts | {"unused": world.unused[:25]}).items()}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    folder = tmp_path_factory.mktemp("private")
    table = folder / "patients of ward 9.csv"
    rows = [f"{role}/{k:06d},{role}{k}\n" for role in ("used", "unused") for k in range(25)]
    table.write_text("id,group\n" + "".join(rows))
    asked = replace(ASKED, groups=table, cache=folder / "cache of ward 9")
    run_audit(images(), asked).save(folder / "o")
    return AuditResult.load(folder / "o" / "result.json")


def test_the_keywords_of_audit_are_the_fields_and_of_their_types() -> None:
    """And whoever asks an editor for the signature sees ten lines."""
    known, own = get_type_hints(Keywords), get_type_hints(AuditOptions)
    assert known.pop("progress") is Progress
    del own["options"]
    assert known == own
    shown = inspect.signature(vestige.audit)
    assert len(shown.parameters) + 3 <= 10  # a line each, with "def audit(", "*," and the last
    assert len(str(shown)) < 300
    assert set(shown.parameters) == {*ROLES, "options", "keywords"}


def test_options_are_changed_by_keywords(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a dict of options of detectors is still one."""
    asked: list[Any] = []
    monkeypatch.setattr("vestige.auditing.audit.run_audit", lambda *given: asked.append(given))
    base = AuditOptions(detectors="nearest_distance", checks=False, seed=1)
    vestige.audit("a", "b", options=base, seed=2, progress=print)
    sources = dict.fromkeys(("unused", "query", "reference")) | {"generated": "a", "used": "b"}
    assert asked.pop() == (sources, replace(base, seed=2), print)
    vestige.audit("a", options={"mc_ball": {"size": 8}}, detectors=["mc_ball"])
    told = AuditOptions(detectors=["mc_ball"], options={"mc_ball": {"size": 8}})
    assert asked.pop()[1:] == (told, quiet)
    with pytest.raises(TypeError, match=r"argument 'sede'. Did you mean 'seed'\?"):
        vestige.audit("a", sede=2)


def test_keywords_in_a_dict_of_options_are_refused_with_the_remedy() -> None:
    for wrong in ({"effort": "low"}, "low"):
        with pytest.raises(InputError, match="or an AuditOptions, such as .* give keywords of"):
            vestige.audit("a", "b", options=wrong)  # type: ignore[arg-type]


def test_detectors_are_names_objects_and_pairs() -> None:
    mine = MonteCarloBall(size=8)
    asked = AuditOptions(detectors=[("mc_ball", {"size": 8}), mine, "auto"], options={"auto": {}})
    assert asked.detectors == ("mc_ball", mine, "auto")
    assert asked.options == {"mc_ball": {"size": 8}, "auto": {}}
    assert AuditOptions(detectors=mine).detectors == (mine,)
    assert AuditOptions(detectors=("mc_ball", {"size": 8})).detectors == ("mc_ball",)
    assert replace(asked, seed=1) == replace(asked, seed=1)
    with pytest.raises(InputError, match="'mc_ball' has the option size twice"):
        AuditOptions(detectors=[("mc_ball", {"size": 8})], options={"mc_ball": {"size": 4}})
    with pytest.raises(InputError) as error:
        vestige.audit(**images(), detectors=5)
    assert "\n" not in str(error.value)


def test_keywords_and_options_give_the_same_bytes() -> None:
    quick = {"detectors": ["nearest_distance"], "checks": False, "seed": 2}
    first = vestige.audit(**images(), **quick)
    second = run_audit(images(), AuditOptions(**quick))
    assert first.to_csv() == second.to_csv()
    assert first.manifest.options == second.manifest.options


SAID = {
    "false_alarm_rate": [
        (0.0, "false-alarm rate 0 is not between 0 and 1."),
        (1.0, "false-alarm rate 1 is not between 0 and 1."),
        (float("nan"), "false-alarm rate nan is not between 0 and 1."),
    ],
    "seed": [(-1, "seed -1 is not between 0 and 2^63.")],
    "cache_limit": [
        (-1.0, "a cache of -1 GB cannot be; give 0 or more."),
        (float("nan"), "a cache of nan GB cannot be; give 0 or more."),
    ],
    "max_auc": [
        (0.5, "the largest accepted AUC lies above .5 up to 1, found 0.5."),
        (1.01, "the largest accepted AUC lies above .5 up to 1, found 1.01."),
    ],
    "effort": [("hard", "unknown effort 'hard'. Known: low, normal, high.")],
    "views": [("both", "unknown views 'both'. Known: none, mirror, all.")],
    "colour": [("red", "unknown choice of colour 'red'. Known: auto, grey, rgb.")],
    "dimensions": [("4d", "unknown choice of dimensions '4d'. Known: auto, 2d, 3d.")],
}


@pytest.mark.parametrize(
    ("name", "value", "said"), [(n, *case) for n, cases in SAID.items() for case in cases]
)
def test_values_out_of_range_are_refused_in_one_line(name: str, value: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        AuditOptions(**{name: value})
    assert str(error.value) == said


def test_every_rule_is_tested_and_limits_are_allowed() -> None:
    assert SAID.keys() == RULES.keys()
    AuditOptions(max_auc=1.0, cache_limit=0.0, seed=0)


def test_nobody_can_change_them_later() -> None:
    mine, chosen = {"mc_ball": {"size": 8}}, ["mc_ball"]
    asked = AuditOptions(options=mine, detectors=chosen)
    mine["mc_ball"]["size"] = 16
    chosen.append("nearest_distance")
    assert asked.options == {"mc_ball": {"size": 8}}
    assert asked.detectors == ("mc_ball",)
    with pytest.raises(AttributeError):
        asked.seed = 3  # type: ignore[misc]


def test_what_was_written_is_read_back_whole(result: AuditResult) -> None:
    found = read_options(result.manifest).asked(result.manifest.seed)
    assert found == replace(ASKED, cache_limit=AuditOptions().cache_limit)


def test_a_result_that_was_never_a_file_is_read_alike(result: AuditResult) -> None:
    fresh = run_audit(images(), replace(ASKED, checks=False, harmonize=False))
    found = read_options(fresh.manifest).asked(fresh.manifest.seed)
    same = replace(ASKED, cache_limit=AuditOptions().cache_limit)
    assert found == replace(same, checks=False, harmonize=False)


def test_places_and_patients_are_not_written(result: AuditResult) -> None:
    """The name of the table stands where the groups are told, no folder anywhere."""
    told = json.dumps(result.manifest.options)
    assert "ward 9" not in told
    assert "cache of ward 9" not in result.to_json()


def changed(result: AuditResult, options: Mapping[str, Any], **more: Any) -> AuditResult:
    return replace(result, manifest=replace(result.manifest, options=dict(options), **more))


def test_a_manifest_is_read_strictly(result: AuditResult) -> None:
    whole = result.manifest.options
    for name in whole:
        short = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(InputError, match=f"manifest.options lacks '{name}'"):
            read_options(changed(result, short).manifest)
        with pytest.raises(InputError, match=f"manifest.options.{name}"):
            read_options(changed(result, whole | {name: {"a": [object]}}).manifest)
    with pytest.raises(InputError, match="has the unknown key 'more'"):
        read_options(changed(result, whole | {"more": 1}).manifest)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"false_alarm_rate": 2.0}, "false-alarm rate 2 is not between 0 and 1"),
        ({"max_auc": 0.2}, "lies above .5 up to 1"),
        ({"window": [1.0]}, "window must be a centre and a width"),
        ({"detectors": []}, "no detector has the column"),
        ({"detectors": ["siamese_model"]}, "no detector has the column siamese_model"),
    ],
)
def test_what_a_manifest_says_is_checked_as_if_it_were_asked(
    result: AuditResult, more: dict[str, Any], said: str
) -> None:
    made = read_options(changed(result, result.manifest.options | more).manifest)
    with pytest.raises(InputError, match=said):
        made.asked(0)


def test_a_further_audit_is_asked_the_same_with_its_controls(result: AuditResult) -> None:
    made = replace(check_result(result), release_curve=True, checks=False, engine="dask:there")
    again = options_again(made, result.manifest.seed, "dask:there")
    assert again == replace(ASKED, cache_limit=AuditOptions().cache_limit, engine="local")
    again = options_again(made, result.manifest.seed, "cuda:1")
    assert again.engine == "cuda:1"  # products of images that are read already, too


def test_a_result_that_contradicts_itself_is_not_scrubbed(result: AuditResult) -> None:
    other = changed(result, result.manifest.options | {"false_alarm_rate": 0.2})
    with pytest.raises(InputError, match="contradicts itself"):
        check_result(other)


def test_roles_are_named() -> None:
    some = np.zeros((3, 8, 8), np.uint8)
    with pytest.raises(InputError, match=r"unknown role 'member': give images by role"):
        run_audit({"generated": some, "member": some}, AuditOptions())
    with pytest.raises(InputError, match="there are no generated images"):
        run_audit({"used": some, "unused": some}, AuditOptions())


def test_ranges_are_checked_before_a_folder_is_listed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seed -1"):
        vestige.audit(tmp_path / "nowhere", tmp_path / "nowhere", seed=-1)
