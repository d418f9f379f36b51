"""A result in a notebook: short, escaped, without names where it is redacted; and its table."""

import io
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from report.conftest import HOSTILE, STATES, make_result
from vestige.decision.sentences import HEADINGS
from vestige.registry.entries import InputError
from vestige.report import redact
from vestige.report.card import MOST_BYTES, figures
from vestige.result import AuditResult
from vestige.schema.records import Share


class Parsed(HTMLParser):
    """Tags and attributes of a card."""

    VOID: ClassVar = {"br", "img"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.names: set[str] = set()
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def picture(levels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(levels).save(out, "png")
    return out.getvalue()


NOISE = picture(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
"""As hard to compress as pictures are."""
PLAIN = picture(np.full((256, 256), 90, np.uint8))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("mode", ["release", "forensic"])
def test_a_card_is_small_closed_and_loads_nothing(state: Any, mode: Any) -> None:
    result = make_result(state, mode)
    result = replace(result, thumbnails=dict.fromkeys(result.thumbnails, NOISE))
    text = result._repr_html_()
    assert len(text.encode()) < MOST_BYTES == 20_000
    page = Parsed(text)
    assert page.open == []
    assert set(page.tags) <= {"div", "p", "table", "tr", "td", "b", "br", "small", "img", "code"}
    assert page.names <= {"style", "alt", "width", "src"}
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert HEADINGS[state] in text
    for one in figures(result):
        assert one.value in text and one.label in text


def test_pictures_are_shown_and_left_out_where_they_do_not_fit() -> None:
    result = make_result("copies found", hostile=False)
    counts = []
    for one in (PLAIN, NOISE):
        drawn = replace(result, thumbnails=dict.fromkeys(result.thumbnails, one))
        counts.append(Parsed(drawn._repr_html_()).tags.count("img"))
    assert counts[0] == 8 > counts[1] >= 2
    bare = replace(result, thumbnails={})
    assert "img" not in Parsed(bare._repr_html_()).tags
    assert "near-identical" in bare._repr_html_() or "nearer" in bare._repr_html_()


@pytest.mark.parametrize("form", ["_repr_html_", "_repr_markdown_", "summary", "__repr__"])
def test_no_hostile_name_is_obeyed(form: str) -> None:
    result = make_result("individuals stand out")
    hostile = [replace(f, id=HOSTILE[k % 5]) for k, f in enumerate(result.findings)]
    text = getattr(replace(result, findings=tuple(hostile)), form)()
    assert "<script" not in text and "\x00" not in text and "\u202e" not in text
    assert "[x](" not in text


def test_a_redacted_result_shows_no_name_and_no_picture() -> None:
    result = make_result("copies found")
    hidden = redact(result)
    assert isinstance(hidden, AuditResult)
    for text in (hidden._repr_html_(), hidden._repr_markdown_(), hidden.summary(), repr(hidden)):
        assert "ward_07" not in text and "gen_" not in text and "pat-" not in text
        assert "data:image" not in text
    assert "fakes/gen_3_0.png" in result.summary()


def test_the_forms_are_short_and_say_the_same() -> None:
    result = make_result("leak found", hostile=False)
    line = repr(result)
    assert "\n" not in line and len(line) < 200
    assert line.startswith("<AuditResult: leak found, gate closed; 0 copies; AUC 0.")
    text = result.summary()
    assert text.startswith(result.decision.text)
    assert len(text) < 4000
    rows = result._repr_markdown_().split("\n")
    table = [row for row in rows if row.startswith("|")]
    assert [row.count("|") - row.count("\\|") for row in table] == [4, 4, 4]
    for one in figures(result):
        assert one.value in line and one.value in text
    untested = make_result("undecided", calibrated=False)
    assert "AUC – (the set was not tested)" in repr(untested)


def test_the_frame_is_findings_csv() -> None:
    pandas = pytest.importorskip("pandas", reason="needs vestige[table]")
    result = make_result("leak found", hostile=False)
    first = replace(
        result.findings[0], p_value=None, q_value=None, evidence=(), relation="unrelated",
        carried_by=(Share("mc_ball", 0.75), Share("gen_lra", 0.25)), columns={"extra": 1.5},
    )  # fmt: skip
    for findings in (result.findings, (first, *result.findings[1:])):
        some = replace(result, findings=findings)
        read = pandas.read_csv(io.StringIO(some.to_csv()), dtype={"id": str})
        pandas.testing.assert_frame_equal(some.to_frame(), read, check_dtype=False)
    assert list(read.columns[:4]) == ["id", "group", "role", "verdict"]
    assert list(read.columns[-3:]) == ["relation", "stands_out", "word"]
    assert len(read) == len(result.findings)


@pytest.mark.parametrize(("what", "labels"), [
    ("scores", ["training images (100)", "calibration images (100)"]),
    ("roc", ["95 % band", "guessing", "this audit"]),
    ("pairs", []),
])  # fmt: skip
def test_plots_draw_on_axes(what: Any, labels: list[str]) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="needs vestige[plot]")
    matplotlib.use("agg")
    from matplotlib import pyplot

    axes = pyplot.figure().subplots()
    assert make_result("copies found").plot(what, ax=axes) is axes
    assert axes.get_legend_handles_labels()[1] == labels
    assert len(axes.images) == (what == "pairs")
    pyplot.close("all")


def test_what_cannot_be_drawn_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="needs vestige[plot]")
    result = make_result("leak found", calibrated=False, thumbnails=False)
    with pytest.raises(InputError, match=r"unknown plot 'bars'. Known: scores, roc, pairs\."):
        result.plot("bars")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="has no pictures: they are not in result.json"):
        replace(result, thumbnails={}).plot("pairs")
    with pytest.raises(InputError, match="no unused images of other patients"):
        result.plot("roc")
    with pytest.raises(InputError, match="no scores that can be drawn"):
        replace(result, findings=()).plot()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=re.escape("pip install 'vestige[plot]'")):
        result.plot()


def test_a_result_is_shown_in_a_notebook_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    result = make_result("not found", hostile=False)
    assert result.show(tmp_path / "a") == tmp_path / "a" / "report.html"
    assert opened == []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    report = result.show()
    assert report is not None and report.is_relative_to(tmp_path)
    assert opened == [report.as_uri()]
    assert report.parent.stat().st_mode & 0o077 == 0
    shown: list[Any] = []
    kernel = SimpleNamespace(kernel=1)
    python = SimpleNamespace(
        get_ipython=lambda: kernel, display=SimpleNamespace(display=shown.append)
    )
    monkeypatch.setitem(sys.modules, "IPython", python)  # type: ignore[arg-type]
    assert result.show() is None
    assert shown == [result]
    assert len(opened) == 1
