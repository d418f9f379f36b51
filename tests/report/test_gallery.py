"""Galleries: the right pictures under the right words, as many as fit, and rows of relatives."""

from base64 import b64decode
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from report.conftest import png
from report.test_page import Page
from vestige.copies.pictures import LARGE
from vestige.copies.related import AT_LEAST, beside_nearest
from vestige.decision.records import Copy, Shown
from vestige.images.thumbnails import as_jpeg
from vestige.report import copies, images, render_html
from vestige.report.copies import PICTURE_BUDGET
from vestige.report.gallery import MAP
from vestige.report.lines import copy_line, finding_line
from vestige.report.uris import data_uri
from vestige.result import AuditResult
from vestige.schema.records import Evidence

PARTS = ("real", "generated", "difference", "map")
BOX = "Pictures are not stored in result.json"


def pictures_of(html: str) -> list[tuple[str, bytes]]:
    """Alternative text and bytes of every picture, in order."""
    found = [a for tag, a in Page(html).tags if tag == "img"]
    return [(a["alt"], b64decode(a["src"].rpartition(",")[2])) for a in found]


def with_copies(result: AuditResult, n: int, picture: bytes = png(1)) -> AuditResult:
    """n copies of the first images of a result, four pictures each."""
    found = tuple(
        Copy(f"g{k}.png", f.id, f.role, f.group, 0.95, 3.0, "identity", False, "near copy")
        for k, f in enumerate(result.findings[j % len(result.findings)] for j in range(n))
    )
    drawn = {f"copy:{k}:{part}": picture for k in range(n) for part in PARTS}
    return replace(result, copies=found, thumbnails=result.thumbnails | drawn)


def test_every_named_image_is_shown_with_its_own_pictures(make_result: Any) -> None:
    result = make_result("leak found", hostile=False)
    named = beside_nearest(result.findings)
    called = [f for f in result.findings if f.verdict == "used" or f.stands_out]
    assert {f.id for f in named} == {f.id for f in called} and len(called) > AT_LEAST
    shown = pictures_of(render_html(result))
    expected = [
        (f"{start} {name}".replace("image d", "d"), result.thumbnails[f"named:{f.id}:{part}"])
        for f in named
        for start, name, part in (
            ("real image", f"{f.role}: {f.id}", "real"),
            ("generated image", f.evidence[0].generated, "generated"),
            ("difference", "black: equal", "difference"),
            ("map", "yellow: strongest match", "map"),
        )
    ]
    assert shown == expected


def test_without_names_the_strongest_are_shown(make_result: Any) -> None:
    result = make_result("not found", hostile=False)
    calm = tuple(replace(f, stands_out=False) for f in result.findings)
    html = render_html(replace(result, findings=calm))
    assert html.count('class="zoom"') == 4 * AT_LEAST
    assert "None of these images is named or stands out." in html


@pytest.mark.parametrize("bad", [b"<svg onload=x>", b"", b"GIF89a"])
def test_what_is_no_picture_is_not_shown(make_result: Any, bad: bytes) -> None:
    result = make_result("leak found")
    html = render_html(replace(result, thumbnails=dict.fromkeys(result.thumbnails, bad)))
    assert "<img" not in html and "onload" not in html
    assert "Their pictures could not be shown" in html


def test_a_page_made_of_result_json_says_that_it_has_no_pictures(make_result: Any) -> None:
    html = render_html(AuditResult.from_json(make_result("leak found").to_json()))
    assert "<img" not in html and BOX in html


def test_a_missing_picture_leaves_out_its_pair_and_no_other(make_result: Any) -> None:
    result = with_copies(make_result("copies found", hostile=False), 6)
    kept = {k: v for k, v in result.thumbnails.items() if k != "copy:2:real"}
    section = render_html(replace(result, thumbnails=kept)).split('id="copies"')[1]
    section = section.split("</section>")[0]
    assert section.count('class="pair alarm"') == 5
    assert "Pictures of 5 of 6 pairs are shown" in section


def test_five_hundred_pairs_stay_below_eight_megabytes(make_result: Any) -> None:
    """Pictures as large as those of CT slices: 10 kB each in the first pairs, then 2 kB."""
    result = with_copies(make_result("copies found", hostile=False), 500)
    noise = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    small = as_jpeg(noise)
    drawn = dict(result.thumbnails)
    for k in range(500):
        for part in PARTS:
            drawn[f"copy:{k}:{part}"] = png(k, 100) if k < LARGE else small
    html = render_html(replace(result, thumbnails=drawn))
    assert len(html.encode()) < 8_000_000
    shown = html.count('class="pair alarm"')
    assert shown > 200
    copies_part = html.split('id="copies"')[1].split("</section>")[0]
    assert copies_part.count("<figure") < 500 and "of 500 pairs are shown" in copies_part
    assert f"{copies_part.count('<figure') - LARGE} more pairs, in small pictures" in copies_part


def test_all_pairs_are_shown_where_they_fit(make_result: Any) -> None:
    html = render_html(with_copies(make_result("copies found", hostile=False), LARGE + 7))
    section = html.split('id="copies"')[1].split("</section>")[0]
    assert section.count("<figure") == LARGE + 7
    assert "7 more pairs, in small pictures" in section and "pairs are shown" not in section
    assert MAP in section
    budget = section.count("base64")
    assert budget == 4 * (LARGE + 7) and len(section) < PICTURE_BUDGET


def test_named_images_have_a_budget_of_their_own(
    make_result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = make_result("leak found", hostile=False)
    one = sum(len(data_uri(result.thumbnails[f"named:{result.findings[0].id}:{p}"])) for p in PARTS)
    monkeypatch.setattr(images, "PICTURE_BUDGET", 3 * one)
    html = render_html(result)
    assert html.count("<figure") >= 1 and html.count('class="zoom"') <= 13
    assert "with those of all, the page would be too large" in html


def test_relatives_are_shown_in_rows(make_result: Any) -> None:
    result = make_result("copies found", hostile=False)
    first, second = result.copies[0], result.copies[1]
    again = replace(first, generated="fakes/again.png", by="near copy", value=0.92)
    same = replace(second, generated=first.generated)
    found = (first, again, second, same)
    drawn = {f"copy:{k}:{part}": png(k) for k in range(4) for part in PARTS}
    near = {e.generated for f in result.findings for e in f.evidence}
    drawn |= {f"small:generated:{name}": png(5) for name in (*near, again.generated)}
    drawn |= {f"small:{c.role}:{c.real}": png(6) for c in found}
    page = render_html(replace(result, copies=found, thumbnails=drawn))
    text = Page(page).text
    assert "The 2 generated images nearest to it" in text
    assert "All 3 generated images that this patient is found in" in text  # both of pat-000
    assert "All 2 real images found in this generated image" in text
    assert "fakes/again.png" in text


def test_lines_say_what_a_copy_is_beyond(make_result: Any) -> None:
    result = make_result("copies found", hostile=False)
    same, near, third = result.copies[:3]
    name = same.generated
    told = f"Used image {same.real} has the same pixels as generated image {name} (mirrored)."
    assert copy_line(same, result, "grey") == told
    assert copy_line(same, result, "volume") == told.replace("pixels", "voxels")
    start = f"Used image {near.real} is near-identical to generated image {near.generated}"
    told = f"{start}, nearer than any of 100 unused patients."
    assert copy_line(near, result, "grey") == told
    assert "(inverted), nearer" in copy_line(replace(third, inverted=True), result, "grey")
    moves = {
        Shown(-3 / 32, 2 / 32, 1.0): "shifted by 9.4\xa0% down and 6.2\xa0% to the left",
        Shown(0.0, -4 / 32, 1.0): "shifted by 12\xa0% to the right",
        Shown(1 / 32, 0.0, 1.0): "shifted by 3.1\xa0% up",
        Shown(0.1, 0.0, 0.8): "cropped to 80\xa0% of the side",
    }
    for shown, move in moves.items():
        line = copy_line(replace(near, moved=True, shown=shown), result, "grey")
        assert f"({move}), nearer" in line
    faint = replace(near, value=0.5, moved=True)
    assert copy_line(faint, result, "grey").startswith(
        f"Used image {near.real} is much nearer than by chance to generated image "
        f"{near.generated} (shifted or cropped), nearer than any"
    )
    few = replace(result, copy_search=replace(result.copy_search, bystanders=0))
    assert "than real images of two patients" in copy_line(near, few, "grey")
    for unknown in (
        replace(result, copy_search=None),
        replace(result, copy_search=replace(result.copy_search, line=None)),
        replace(result, copy_search=replace(result.copy_search, highest_bystander=0.8)),
    ):
        assert copy_line(near, unknown, "grey") == f"{start}."
    assert "unused" not in copy_line(replace(near, role="unused"), result, "grey")
    guessed = replace(result, question=replace(result.question, patient_ids=False))
    assert "any of 100 unused groups" in copy_line(near, guessed, "grey")


def test_lines_say_where_a_named_image_stands(make_result: Any) -> None:
    result = make_result("leak found", hostile=False)
    finding = result.findings[0]
    scores = result.calibration.scores
    start = f"Used image {finding.id} is nearest to generated image "
    start += finding.evidence[0].generated
    top = replace(finding, score=max(scores) + 1)
    assert finding_line(top, result) == (
        f"{start} and, by all detectors together, nearer to the generated set than any of 100 "
        "unused images."
    )
    middle = replace(finding, score=sorted(scores)[40])
    assert "than 40 of 100 unused images." in finding_line(middle, result)
    own = replace(result.calibration, groups=(finding.group, *result.calibration.groups[1:]))
    assert "of 99 unused images" in finding_line(top, replace(result, calibration=own))
    plain = f"{start} (similarity 0.97)."
    assert finding_line(replace(finding, p_value=None), result) == plain
    assert finding_line(replace(finding, verdict="uncalibrated"), result) == plain


def test_names_in_rows_and_lines_are_escaped(make_result: Any) -> None:
    result = make_result("copies found")
    bad = '<img src=x onerror="a">'
    found = tuple(
        replace(c, generated=bad, group=bad, real=f"{k}{bad}") for k, c in enumerate(result.copies)
    )
    near = tuple(
        replace(f, id=bad, evidence=(Evidence(bad, 0.9), Evidence("<b>", 0.1)), copied=False)
        for f in result.findings[:1]
    )
    drawn = {f"copy:{k}:{part}": png(k) for k in range(4) for part in PARTS}
    drawn |= {f"named:{bad}:{part}": png(9) for part in PARTS}
    drawn |= {f"small:generated:{bad}": png(3), "small:generated:<b>": png(3)}
    drawn |= {f"small:{c.role}:{c.real}": png(4) for c in found}
    html = render_html(replace(result, copies=found, findings=near, thumbnails=drawn))
    assert (
        "<img src=x" not in html and "<b>" not in html.replace("<b>real</b>", "").split("strip")[1]
    )
    assert not [a for _, a in Page(html).tags if "onerror" in a]


def test_pictures_of_a_page_are_png_or_jpeg() -> None:
    assert data_uri(as_jpeg(np.zeros((8, 8), np.float32))).startswith("data:image/jpeg;base64,")
    assert data_uri(png(0)).startswith("data:image/png;base64,")
    assert data_uri(b"\xff\xd8") == data_uri(b"") == data_uri(b"<svg/>") == ""
    assert copies.PICTURE_BUDGET + images.PICTURE_BUDGET < 7_500_000
