"""The page of an audit of colour images or of volumes; and code in sentences."""

import re
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest

from report.conftest import png
from report.test_page import Page, without_script
from vestige.decision.records import Withheld
from vestige.images.kinds import Kind, told_of
from vestige.report import copies, render_html
from vestige.report.blocks import Section, Text
from vestige.report.kinds import PLANES, compared
from vestige.report.page import render_page
from vestige.report.scrubbed import render_scrub
from vestige.report.uris import data_uri
from vestige.result import AuditResult

SLICES = (6, 2, 10)


def of_kind(result: AuditResult, kind: Kind) -> AuditResult:
    """The same result as if these had been images of this kind, 32 pixels or voxels a side."""
    options = {**result.manifest.options, "working_size": 32}
    return replace(result, manifest=replace(result.manifest, kind=kind, options=options))


def with_slices(result: AuditResult, pairs: int = 2) -> AuditResult:
    slices = {
        f"copy:{number}:slice:{z}": png(100 * number + z, 16)
        for number in range(pairs)
        for z in SLICES
    }
    return replace(result, thumbnails=result.thumbnails | slices)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("colour", "colour images at 32 x 32 pixels"),
        ("volume", "3-D volumes at 32 x 32 x 32 voxels"),
    ],
)
def test_the_page_says_what_was_compared(make_result: Any, kind: Kind, told: str) -> None:
    result = of_kind(make_result("copies found"), kind)
    assert compared(result) == told
    assert f"Compared {told}" in Page(render_html(result)).text
    assert compared(of_kind(result, "grey")) == ""
    assert "Compared" not in Page(render_html(of_kind(result, "grey"))).text


@pytest.mark.parametrize("state", ["copies found", "leak found", "undecided"])
def test_volumes_have_voxels_and_no_eight_symmetries(make_result: Any, state: str) -> None:
    made = make_result(state, hostile=False, thumbnails=False)
    page = Page(render_html(of_kind(made, "volume")))
    sections = page.text.rpartition("Manifest")[0]
    assert "pixel" not in sections.replace("planted shifted by 2 pixels", "")  # by its check
    assert "all eight symmetries." not in sections
    assert "Equal voxels were searched in all eight symmetries of the axial slices." in sections
    assert "Many volumes of one patient" in sections
    flat = Page(render_html(of_kind(made, "colour"))).text
    assert "voxel" not in flat and "Equal pixels were searched in all eight symmetries." in flat


def test_names_of_the_user_stay_as_they_are(make_result: Any) -> None:
    made = make_result("copies found", hostile=False)
    named = tuple(replace(c, real="pixels/a.nii", group="pixel 7") for c in made.copies)
    page = Page(render_html(of_kind(replace(made, copies=named), "volume"))).text
    assert "pixels/a.nii" in page and "patient pixel 7" in page
    assert told_of("volume", "same pixels") == "same voxels"
    assert told_of("colour", "same pixels") == told_of("grey", "same pixels") == "same pixels"


def test_slices_of_a_pair_can_be_leafed_through_without_a_script(make_result: Any) -> None:
    result = with_slices(of_kind(make_result("copies found"), "volume"))
    html = render_html(result)
    page = Page(html)
    radios = [a for tag, a in page.tags if tag == "input"]
    assert {a["type"] for a in radios} == {"radio"}
    assert [a["aria-label"] for a in radios] == 2 * [f"slice {z}" for z in sorted(SLICES)]
    assert [a["name"] for a in radios] == 3 * ["slices-0"] + 3 * ["slices-1"]
    chosen = [(a["name"], a["aria-label"]) for a in radios if "checked" in a]
    assert chosen == [("slices-0", "slice 6"), ("slices-1", "slice 6")]  # drawn first
    images = [a for tag, a in page.tags if tag == "img" and a["alt"].startswith("axial slice ")]
    for k, image in enumerate(images):
        number, z = divmod(k, len(SLICES))
        z = sorted(SLICES)[z]
        assert image["alt"] == f"axial slice {z}: real, generated, difference"
        data = b64decode(image["src"].removeprefix("data:image/png;base64,"))
        assert data == result.thumbnails[f"copy:{number}:slice:{z}"]
    assert len(images) == 2 * len(SLICES)
    assert PLANES in page.text and "Axial slices, feet to head" in page.text
    assert len(re.findall(r'<fieldset class="slices" style="[^"]*repeat\(3, 1fr\)">', html)) == 2


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_pictures_have_no_planes_and_no_slices(make_result: Any, kind: Kind) -> None:
    page = Page(render_html(of_kind(make_result("copies found"), kind)))
    assert "coronal" not in page.text
    assert not {"fieldset", "input"} & {tag for tag, _ in page.tags}


def test_slices_that_would_swell_the_page_or_are_no_pictures_are_left_out(
    make_result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = with_slices(of_kind(make_result("copies found"), "volume"))
    bad = {k: b"<svg onload=x>" if "slice:" in k else v for k, v in result.thumbnails.items()}
    assert "<fieldset" not in render_html(replace(result, thumbnails=bad))
    parts = ("real", "generated", "difference")
    trio = sum(len(data_uri(result.thumbnails[f"copy:0:{part}"])) for part in parts)
    monkeypatch.setattr(copies, "PICTURE_BUDGET", trio)
    html = render_html(result)
    section = html.split('id="copies"')[1].split("</section>")[0]
    assert section.count(">difference</b>") == 1 and "<fieldset" not in html


def test_the_page_of_a_scrub_shows_volumes(make_result: Any) -> None:
    result = with_slices(of_kind(make_result("not found", hostile=False), "volume"), 1)
    gone = [Withheld("g<b>.nii", "r.nii", "used", "p", "same pixels", 0)]
    pictures = make_result("copies found").thumbnails | result.thumbnails
    page = Page(render_scrub(result, result, gone, 10, pictures))
    assert "has the voxels of the real image" in page.text
    assert "g<b>.nii" in page.text and PLANES in page.text
    assert len([a for tag, a in page.tags if tag == "input"]) == len(SLICES)


def test_commands_in_sentences_are_set_as_code(make_result: Any) -> None:
    for state in ("copies found", "leak found"):
        result = make_result(state, hostile=False)
        assert "`vestige scrub`" in result.decision.text
        html = render_html(result)
        assert "`" not in without_script(html).replace(result.manifest.started, "")
        verdict = html[html.index('class="why"') : html.index('class="next"')]
        assert "<code>vestige scrub</code>" in verdict


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("`<b>` & `a`", "<code>&lt;b&gt;</code> &amp; <code>a</code>"),
        ("<i>`", "&lt;i&gt;`"),
        ("a`<script>`b`", "a`&lt;script&gt;`b`"),
        ("``", "<code></code>"),
        ("`\x00`", r"<code>\x00</code>"),
    ],
)
def test_code_is_escaped_and_a_lone_mark_stays(make_result: Any, text: str, html: str) -> None:
    page = render_page(make_result(), [Section("one", "One", (Text(text),))])
    assert f"<p>{html}</p>" in page
