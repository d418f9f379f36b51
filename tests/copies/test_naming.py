"""The copies of an audit: equal pixels in all roles, near copies, their records and pictures."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vestige
from vestige.auditing import scoring
from vestige.copies.moved import windows
from vestige.decision.records import Shown
from vestige.result import AuditResult
from vestige.worlds.phantom import chest_phantoms

QUICK = {"detectors": ["nearest_distance_contrast"], "checks": False}


@pytest.fixture(scope="module")
def levels() -> Any:
    return np.rint(chest_phantoms(220, 48, seed=5)[0] * 255).astype(np.uint8)


def audited(levels: Any, generated: Any, **options: Any) -> AuditResult:
    return vestige.audit(generated, levels[:30], levels[30:60], **(QUICK | options))


def picture(found: AuditResult, name: str) -> Any:
    return np.asarray(Image.open(io.BytesIO(found.thumbnails[f"copy:0:{name}"])), int)


def noisy(image: Any) -> Any:
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    return np.rint(np.clip(image + noise, 0, 255)).astype(np.uint8)


def test_every_kind_of_copy_is_named_once_with_its_view(levels: Any) -> None:
    made = levels[60:160].copy()
    made[3] = levels[7]  # the very pixels
    made[5] = 255 - levels[9][:, ::-1]  # mirrored and inverted
    made[8] = noisy(levels[11])  # near
    made[12] = noisy(levels[13])[:, ::-1]  # near and mirrored
    found = audited(levels, made)
    assert found.decision.state == "copies found"
    told = {
        (c.generated, c.real, c.role, c.by, c.view, c.inverted): (c.value, c.beyond)
        for c in found.copies
    }
    assert set(told) == {
        ("000003", "000007", "used", "same pixels", "identity", False),
        ("000005", "000009", "used", "same pixels", "mirrored", True),
        ("000008", "000011", "used", "near copy", "identity", False),
        ("000012", "000013", "used", "near copy", "mirrored", False),
    }
    assert [c.value for c in found.copies] == sorted((c.value for c in found.copies), reverse=True)
    assert all(c.beyond > 0 for c in found.copies if c.by == "near copy")
    # whoever is copied is called used, whatever else is found
    used = {f.id for f in found.findings if f.verdict == "used"}
    assert {"000007", "000009", "000011", "000013"} <= used
    search = found.copy_search
    assert search is not None
    assert search.line is not None
    assert search.highest_bystander is not None
    assert search.line > search.highest_bystander
    assert search.bystanders == 30
    assert search.views == ("identity", "mirrored")


def test_copies_of_the_hold_out_contradict_its_role(levels: Any) -> None:
    made = levels[60:160].copy()
    made[:4] = levels[30:34]
    found = audited(levels, made)
    assert (found.decision.state, found.decision.gate) == ("undecided", "undecided")
    assert found.decision.codes[0] == "copies_of_unused"
    assert {c.role for c in found.copies} == {"unused"}
    made[10] = levels[3]
    both = audited(levels, made)
    assert both.decision.gate == "closed"
    assert both.decision.codes[:2] == ("copies", "copies_of_unused")


def test_a_generated_set_that_is_the_hold_out_is_undecided(levels: Any) -> None:
    found = audited(levels, levels[30:60])
    assert found.decision.gate == "undecided"
    assert found.decision.codes[0] == "copies_of_unused"
    assert len({c.generated for c in found.copies if c.role == "unused"}) == 30
    assert not [c for c in found.copies if c.role == "used"]


def test_near_copies_of_most_of_the_hold_out_leave_no_line(levels: Any) -> None:
    made = levels[60:160].copy()
    made[:25] = np.stack([noisy(image) for image in levels[30:55]])
    found = audited(levels, made)
    assert found.copy_search is not None
    assert found.copy_search.line is None
    assert found.decision.codes[0] == "copies_of_unused"
    assert len({c.generated for c in found.copies}) >= 20


def test_the_used_folder_given_as_generated_closes_the_gate(levels: Any) -> None:
    found = audited(levels, levels[:30])
    assert found.decision.gate == "closed"
    assert found.decision.facts.copies == found.decision.facts.same_pixels == 30


def test_strangers_in_no_role_are_nobodys_copies(levels: Any) -> None:
    made = np.concatenate([levels[60:120], levels[60:120]])
    found = audited(levels, made)
    assert found.copies == ()
    assert found.copy_search is not None
    assert found.copy_search.duplicates == 60


def test_without_unused_images_equal_pixels_still_close_the_gate(levels: Any) -> None:
    made = levels[60:160].copy()
    made[3] = levels[7]
    found = vestige.audit(made, levels[:30], **QUICK)
    assert found.decision.gate == "closed"
    assert "copies" in found.decision.codes
    clean = vestige.audit(levels[60:160], levels[:30], **QUICK)
    assert clean.decision.gate == "undecided"
    assert clean.decision.codes == ("uncalibrated",)


def test_quarter_turns_are_named_where_all_views_are_asked(levels: Any) -> None:
    made = levels[60:160].copy()
    made[4] = noisy(np.rot90(levels[20]))
    assert audited(levels, made).copies == ()
    found = audited(levels, made, views="all")
    [copy] = found.copies
    # the generated image is the real one in this view, as of equal pixels
    assert (copy.real, copy.view) == ("000020", "quarter turn")
    assert picture(found, "difference").mean() < 16  # the noise


def test_a_shifted_copy_keeps_where_it_was_and_is_drawn_there(
    levels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [w for w in windows(32) if w.side == 1 and (abs(w.top), abs(w.left)) == (2 / 32, 4 / 32)]
    monkeypatch.setattr("vestige.copies.pairs.windows", lambda size: few)
    seen = scoring.find_copies  # shifts are searched at the effort "high", which takes minutes
    monkeypatch.setattr(scoring, "find_copies", lambda *a: seen(*a[:5], True, *a[6:]))
    made = levels[60:160].copy()
    made[4] = np.roll(levels[20], (3, -6), (0, 1))
    found = audited(levels, made)
    [copy] = found.copies
    assert copy.moved and copy.shown == Shown(-2 / 32, 4 / 32, 1.0)
    assert AuditResult.from_json(found.to_json()).copies == found.copies
    assert not picture(found, "generated")[-3:].any()
    assert picture(found, "difference").mean() < 0.5 * picture(found, "real").std()
    assert "copy:0:map" in found.thumbnails


def test_pictures_show_the_pair_in_one_view(levels: Any, tmp_path: Path) -> None:
    made = levels[60:160].copy()
    made[4] = levels[20][:, ::-1]
    found = audited(levels, made)

    assert np.abs(picture(found, "real") - picture(found, "generated")).max() <= 1
    assert picture(found, "difference").max() <= 2
    page = found.save(tmp_path).read_text(encoding="utf-8")
    assert page.index('id="summary"') < page.index('id="copies"') < page.index('id="negative"')
    assert "same pixels, mirrored" in page
    command = "vestige scrub result.json --generated GENERATED --used USED --unused UNUSED"
    assert command in re.sub(r"<[^>]*>", "", page)
    for option in ("--generated", "--used", "--unused"):  # which no narrow page breaks
        assert f'<span class="option">{option}</span>' in page


def test_order_and_names_change_nothing(levels: Any) -> None:
    made = levels[60:160].copy()
    made[3], made[8] = levels[7], noisy(levels[11])
    first = audited(levels, made)
    order = np.random.default_rng(1).permutation(100)
    again = audited(levels, made[order])
    names = {f"{k:06d}": f"{int(np.flatnonzero(order == k)[0]):06d}" for k in range(100)}
    assert {(names[c.generated], c.real, c.value, c.beyond) for c in first.copies} == {
        (c.generated, c.real, c.value, c.beyond) for c in again.copies
    }
