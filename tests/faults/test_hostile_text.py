"""Text that attacks: names and results that would run in a page, a spreadsheet or a terminal."""

import copy
import csv
import html.parser
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hostile
from story.world import call, load, release
from vestige.images.frame import Unreadable
from vestige.images.readers import read_file
from vestige.registry.entries import InputError
from vestige.report import render_html
from vestige.result import AuditResult
from vestige.schema.decode import decode
from vestige.schema.records import Finding, Problem

unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file names")
NAMES = (
    "=cmd|' ／C calc'!A0.png",
    "+1+1.png",
    "@SUM(1,1).png",
    "-2+3.png",
    "\t=1.png",
    "\r=1.png",
    "\n=1.png",
    "＝1+1.png",
    "'=1+1.png",
    '"=1+1",x.png',
    "<script>alert(1)<／script>.png",
    '"><svg onload=alert(2)>.png',
    "' onmouseover='alert(3).png",
    "--><img src=x onerror=alert(4)>.png",
    "{{7*191}}{% raw %}.png",
    "javascript:alert(5).png",
    "\x1b[2J\x1b]0;mine\x07.png",
    "\u202egnp.exe.png",
    "&lt;b&gt;.png",
    "x" * 240 + ".png",
)
STARTS = ("'", "=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Tags(html.parser.HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        assert not any((value or "").strip().lower().startswith("javascript") for _, value in attrs)


def tags_of(page: str) -> Tags:
    read = Tags()
    read.feed(page)
    return read


@pytest.fixture
def copied(leaking: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(leaking, tmp_path / "world"))


@unix
def test_names_that_attack_reach_nobody(copied: Path, tmp_path: Path, capfd: Any) -> None:
    plain = tmp_path / "plain"
    asked = ["--detector", "mc_ball", "--out"]
    assert call(capfd, "audit", *release(copied)[:-2], *asked, plain).code == 0
    for role in ("used", "unused", "generated"):
        for name, file in zip(NAMES, sorted((copied / role).iterdir()), strict=False):
            file.rename(file.with_name(name))
    for name in NAMES:
        (copied / "used" / f"bad {name}").write_text("no picture")
    raw = os.fsencode(copied / "used") + b"/\xff\xfe<b>.png"
    sorted((copied / "used").glob("patient*"))[0].rename(os.fsdecode(raw))
    groups = tmp_path / "groups.csv"
    reals = [p for r in ("used", "unused") for p in sorted((copied / r).iterdir())]
    with groups.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = [(f"{p.parent.name}/{p.name}", f"=g{k}<script>\n") for k, p in enumerate(reals)]
        csv.writer(file).writerows([("id", "group"), *rows])
    out = tmp_path / "out"
    said = call(capfd, "audit", *release(copied)[:-2], *asked, out)
    assert (said.code, said.err) == (0, "")
    assert said.out.isprintable() or "\x1b" not in said.out
    result = load(out)
    assert set(NAMES) <= {f.id for f in result.findings}

    with (out / "findings.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    assert len(table) == 41 and {len(row) for row in table} == {len(table[0])}
    numbers = {k for k, name in enumerate(table[0]) if name in ("score", "p_value", "q_value")}
    numbers |= {k for k, name in enumerate(table[0]) if name in ("similarity", "mc_ball")}
    for row in table[1:]:
        cells = [cell for k, cell in enumerate(row) if k not in numbers]
        assert not [cell for cell in cells if cell.startswith(STARTS[1:])], row
    shown = [n.replace("\x1b", "\\x1b").replace("\x07", "\\x07") for n in NAMES]
    assert {row[0] for row in table} >= {f"'{n}" if n.startswith(STARTS) else n for n in shown}

    ordinary = tags_of((plain / "report.html").read_text(encoding="utf-8"))
    source = (plain / "report.html").read_text(encoding="utf-8")
    assert source.count("<script") == 1  # ours, which the page allows by its hash
    public = tmp_path / "public.html"
    redact = ["report", out / "result.json", "--redact", "--out", public]
    assert call(capfd, *redact).code == 0
    for page in (out / "report.html", public):
        text = page.read_text(encoding="utf-8")
        found = tags_of(text)
        assert found.tags <= ordinary.tags, page
        assert not [a for a in found.attributes if a.startswith("on")], page
        # 7 * 191: nothing was taken for a template (a coordinate may hold these digits)
        assert not re.search(r"(?<![\d.])1337(?![\d.])", text)
        assert not [c for c in text if ord(c) < 32 and c != "\n"]
        assert "\u202e" not in text
    hidden = public.read_text(encoding="utf-8")
    for part in ("alert(", "cmd|", "calc", "svg onload", "gnp.exe", "SUM(", "raw %"):
        assert part not in hidden, part


@unix
def test_a_name_cannot_command_the_terminal(copied: Path, tmp_path: Path, capfd: Any) -> None:
    shutil.rmtree(copied / "used")
    (copied / "used").mkdir()
    (copied / "used" / "\x1b[2J\x07\udcff.png").write_text("no picture")
    said = call(capfd, "audit", *release(copied)[:-2], "--out", tmp_path / "out")
    assert (said.code, said.out) == (2, "")
    assert said.err.removesuffix("\n").isprintable()
    assert r"\x1b[2J\x07\udcff.png" in said.err


def test_what_a_file_says_of_itself_stays_on_one_line(tmp_path: Path) -> None:
    odd = "\n=1\x1b[31m<script>" * 40
    content = hostile.dicom(hostile.picture()).replace(b"MONOCHROME2 ", b"A\nB\x1b<b>    ")
    named = hostile.zipped(**{odd: b"x", "b": b"y"})
    for name, whole in (("a.dcm", content), ("a.npz", named)):
        (tmp_path / name).write_bytes(whole)
        with pytest.raises(Unreadable) as caught:
            read_file(tmp_path / name)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) <= 200


# --- result.json of a stranger
@pytest.fixture(scope="module")
def valid(leaking: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A whole result, as parsed."""
    import vestige

    generated, used, unused = (leaking / r for r in ("generated", "used", "unused"))
    made = vestige.audit(generated, used=used, unused=unused, detectors=["mc_ball"])
    loaded: dict[str, Any] = json.loads(made.to_json())
    return loaded


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 2**63, 10**400, 1e308, -1e-320, 0.5])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["used", "found", "\ud800", "=1", "<script>", "\x00", "real:"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


def refuse_or_read(text: str) -> AuditResult | None:
    """The result, or None where one clear line refuses it."""
    try:
        result = AuditResult.from_json(text)
    except InputError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 400
        return None
    assert AuditResult.from_json(result.to_json()) == result
    return result


@settings(max_examples=300)
@given(anything)
def test_any_json_is_refused_or_read(value: Any) -> None:
    assert refuse_or_read(json.dumps(value)) is None
    for kind in (AuditResult, Finding, Problem, tuple[Finding, ...], float, int, str):
        try:
            decode(kind, value, "it")
        except InputError as error:
            assert "\n" not in str(error)


@settings(max_examples=200)
@given(st.text() | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_any_text_is_refused(text: str) -> None:
    assert refuse_or_read(text) is None


def max_in_flight(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a parsed JSON value."""
    keys: Any = value if isinstance(value, dict) else range(len(value))
    own = [(value, key) for key in keys]
    inside = [value[key] for key in keys if isinstance(value[key], dict | list)]
    return own + [place for one in inside for place in max_in_flight(one)]


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_changed_result_is_refused_or_read(valid: dict[str, Any], data: st.DataObject) -> None:
    spoiled = copy.deepcopy(valid)
    for _ in range(data.draw(st.integers(1, 3))):
        everywhere = max_in_flight(spoiled)
        container, key = everywhere[data.draw(st.integers(0, len(everywhere) - 1))]
        how = data.draw(st.sampled_from(["set", "set", "drop", "add"]))
        if how == "drop":
            del container[key]
        elif how == "set":
            container[key] = data.draw(anything)
        elif isinstance(container, dict):
            container[data.draw(st.text(max_size=4))] = data.draw(anything)
        else:
            container.append(copy.deepcopy(container[key]))
    result = refuse_or_read(json.dumps(spoiled))
    if result is not None:
        result.to_csv()


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_file_is_refused_or_read(
    valid: dict[str, Any], tmp_path: Path, data: st.DataObject
) -> None:
    whole = bytearray(json.dumps(valid).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path / "result.json"
    path.write_bytes(whole)
    try:
        AuditResult.load(path)
    except InputError as error:
        assert "\n" not in str(error)


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_texts_of_a_result_do_not_reach_the_page_as_tags(
    valid: dict[str, Any], data: st.DataObject
) -> None:
    plain = tags_of(render_html(AuditResult.from_json(json.dumps(valid))))
    spoiled = copy.deepcopy(valid)
    attack = data.draw(st.sampled_from(["<blink>", '"><blink a="', "'><blink>", "</td><blink>"]))
    texts = [(c, k) for c, k in max_in_flight(spoiled) if isinstance(c[k], str)]
    for container, key in data.draw(st.lists(st.sampled_from(texts), max_size=12)):
        container[key] = attack
    result = refuse_or_read(json.dumps(spoiled))
    for redact in (False, True) if result is not None else ():
        assert tags_of(render_html(result, redact=redact)).tags <= plain.tags


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 10_000,
        '{"schema": 1e400}',
        '{"schema": NaN}',
        "\ufeff{}",
    ],
    ids=["lists", "objects", "digits", "infinite", "nan", "mark"],
)
def test_json_that_exhausts_a_parser(text: str) -> None:
    assert refuse_or_read(text) is None
