"""The PDF: at most four pages and an appendix, text that can be selected, fonts embedded."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from report.annexes import context_of, longest, without_files
from report.conftest import STATES
from story.world import call
from vestige.registry.entries import InputError
from vestige.report import annex_words as said
from vestige.report.annex import render_annex
from vestige.report.annex_pdf import _font, _font_folder, to_pdf
from vestige.report.annex_words import FAILURES, SECTIONS
from vestige.schema.records import Check


def need_weasyprint() -> None:
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: it finds no Pango
        pytest.skip(f"needs vestige[pdf] and Pango: {type(error).__name__}")


def pages_of(pdf: bytes) -> list[str]:
    pypdf = pytest.importorskip("pypdf", reason="needs vestige[test]")
    need_weasyprint()
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            (inner,) = font.get_object()["/DescendantFonts"]
            assert "/FontFile2" in inner.get_object()["/FontDescriptor"]
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def crowded(make_result: Any, folder: Path, state: Any) -> str:
    """The page of a result and a context that fill the document as far as they can."""
    result = make_result(state, hostile=False)
    checks = [replace(c, question="Is this a question of usual length, as checks have it?")
              for c in result.checks]  # fmt: skip
    names = set(FAILURES) - {c.name for c in checks}
    checks += [Check(name, None, None, True, "", question="Is this a question?") for name in names]
    rows = "".join(f"pat-{i:03d},a{i % 9},b{i % 8},c{i % 7}\n" for i in range(50))
    (folder / "patients.csv").write_text(f"patient,first,second,third\n{rows}")
    text = longest().replace("columns =", "# columns =").replace("scrub_log", "# scrub_log")
    return render_annex(replace(result, checks=tuple(checks)), context_of(folder, text))


@pytest.mark.parametrize(
    "state",
    ["copies found", *(pytest.param(s, marks=pytest.mark.slow) for s in STATES[1:])],
)
def test_at_most_four_pages_and_an_appendix(make_result: Any, tmp_path: Path, state: Any) -> None:
    need_weasyprint()
    pages = pages_of(to_pdf(crowded(make_result, tmp_path, state)))
    (appendix,) = [k for k, text in enumerate(pages) if text.startswith("Appendix")]
    assert appendix <= 4
    assert len(pages) <= 4 + 12  # texts of 2,000 characters in 25 fields
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in text
    whole = " ".join(pages)
    for title in SECTIONS.values():
        assert title in whole
    assert said.NOT_DECIDING in whole
    assert "in full in appendix A, note 1" in whole


def test_the_command_writes_a_pdf(make_result: Any, tmp_path: Path, capsys: Any) -> None:
    need_weasyprint()
    result, context = tmp_path / "result.json", tmp_path / "context.toml"
    result.write_text(make_result("copies found").to_json(), encoding="utf-8")
    context.write_text(without_files('[document]\ncontroller = "Hospital Łódź"'), encoding="utf-8")
    out = tmp_path / "annex.pdf"
    assert call(capsys, "report", result, "--annex", context, "--out", out).code == 0
    pages = pages_of(out.read_bytes())
    assert "Hospital Łódź" in pages[0] and "Copies found" in pages[0]


def test_nothing_but_the_fonts_is_loaded() -> None:
    assert _font(_font_folder(), "font:DejaVuSans.ttf")[:4] == b"\x00\x01\x00\x00"
    for url in ("file:///etc/passwd", "https://example.org/x", "font:../../../x", "data:,x"):
        with pytest.raises(ValueError, match="loads nothing"):
            _font(_font_folder(), url)


def test_without_weasyprint_or_pango_one_line_says_what_to_install(
    make_result: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, context = tmp_path / "result.json", tmp_path / "context.toml"
    result.write_text(make_result("not found").to_json(), encoding="utf-8")
    context.write_text("")
    out = tmp_path / "annex.pdf"
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    told = call(capsys, "report", result, "--annex", context, "--out", out)
    assert told.code == 2 and "pip install 'vestige[pdf]'" in told.err
    assert len(told.err.strip().splitlines()) == 1 and not out.exists()

    class NoPango:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.delitem(sys.modules, "weasyprint")
    monkeypatch.setattr(sys, "meta_path", [NoPango(), *sys.meta_path])
    with pytest.raises(InputError, match="apt install libpango"):
        to_pdf("<p>")
