"""Nothing leaves: no connection is opened, and the report needs none."""

import re
import socket
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import vestige
from story.world import call, load, release
from vestige.decision.sentences import decision_parts

REFERENCE = re.compile(
    r"""(?:src|href|srcset|data|action|poster)\s*=\s*["']?\s*(?P<a>[^"'\s>]+)"""
    r"""|url\(\s*["']?(?P<b>[^"')]+)|@import\s+["']?(?P<c>[^"';]+)"""
)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every attempt to connect or to look up a name fails and is noted."""
    run_history: list[object] = []

    def refuse(*arguments: Any, **options: Any) -> None:
        run_history.append(arguments)
        raise AssertionError(f"a connection was tried: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    return run_history


def test_the_fixture_refuses(offline: list[object]) -> None:
    with pytest.raises(AssertionError), socket.socket() as s:
        s.connect(("127.0.0.1", 9))
    assert len(offline) == 1


def test_audit_and_report_open_no_connection(
    offline: list[object], leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    assert call(capsys, "audit", *release(leaking), "--out", out).code == 0
    again = tmp_path / "again.html"
    assert call(capsys, "report", out / "result.json", "--out", again).code == 0
    assert not offline
    for page in (out / "report.html", again):
        text = page.read_text(encoding="utf-8")
        assert text.startswith("<!DOCTYPE html>")
        targets = [next(filter(None, m.groups())) for m in REFERENCE.finditer(text)]
        outside = [t for t in targets if not t.startswith(("#", "data:"))]
        assert not outside, outside
        assert text.count("<script") == 1  # ours, which the page allows by its hash
        assert "<script src" not in text
        assert "<link" not in text
        assert "<iframe" not in text


def test_a_redacted_report_names_nobody(
    leaking: Path, usual: vestige.AuditResult, tmp_path: Path, capsys: Any
) -> None:
    out, page = tmp_path / "out", tmp_path / "public.html"
    usual.save(out)
    assert call(capsys, "report", out / "result.json", "--redact", "--out", page).code == 0
    text = page.read_text(encoding="utf-8")
    result = load(out)
    open_text = (out / "report.html").read_text(encoding="utf-8")
    secrets = {f.id for f in result.findings} | {f.group for f in result.findings}
    secrets |= {e.generated for f in result.findings for e in f.evidence}
    secrets |= set(result.calibration.ids) | set(result.calibration.groups)
    secrets |= {Path(s).stem for s in secrets}
    assert [s for s in secrets if s in open_text]  # the check can see an id
    assert not [s for s in secrets if s in text]
    assert str(leaking) not in text
    assert "<image" not in text.replace("<image-", "")
    assert "data:image/png" not in text
    said = re.sub("</?code>", "`", unescape(text))
    assert [part for part in decision_parts(result.decision) if part not in said] == []
