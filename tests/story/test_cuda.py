"""`--engine cuda` from the command line; torch's own processor stands for the GPU."""

import csv
import math
import sys
from pathlib import Path
from typing import Any

import pytest

import vestige
from story.world import call, load, release
from vestige.auditing import cache_keys
from vestige.engine import engines
from vestige.products.product import name_of_maker
from vestige.registry.entries import RegistryEntry

QUICK = ("--detector", "matched_filter_pool", "--no-checks", "--quiet")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(engines, "DEVICE", "cpu")


def close(one: str, other: str) -> bool:
    """The same text, or numbers that are the same to 1e-5."""
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-5, abs_tol=1e-5)
    except ValueError:
        return one == other


def numbers(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


@pytest.mark.slow
@pytest.mark.usefixtures("stand_in")
def test_the_whole_audit_says_the_same(leaking: Path, usual: vestige.AuditResult) -> None:
    asked = {role: leaking / role for role in ("generated", "used", "unused")}
    found = vestige.audit(**asked, groups=leaking / "groups.csv", engine="cuda")
    assert_alike(found, usual)
    assert [check.state for check in found.checks] == [check.state for check in usual.checks]
    assert found.decision.text == usual.decision.text


def assert_alike(found: vestige.AuditResult, expected: vestige.AuditResult) -> None:
    said = [(c.generated, c.real, c.by, c.view, c.group) for c in expected.copies]
    assert [(c.generated, c.real, c.by, c.view, c.group) for c in found.copies] == said
    assert len(said) == 48
    one, other = numbers(found.to_csv()), numbers(expected.to_csv())
    assert len(one) == len(other) > 40
    for line, same in zip(one, other, strict=True):
        assert all(map(close, line, same)), (line, same)


@pytest.mark.usefixtures("stand_in")
def test_a_quick_audit_says_the_same_and_keeps_its_scores_apart(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers: list[str] = []
    kept = cache_keys.name_of_maker

    def noted() -> str:
        makers.append(kept())
        return makers[-1]

    monkeypatch.setattr(cache_keys, "name_of_maker", noted)
    csvs = []
    for engine in ("local:1", "cuda", "local:1"):
        asked = [*release(leaking), *QUICK, "--cache", tmp_path / "cache", "--engine", engine]
        said = call(capsys, "audit", *asked, "--out", tmp_path / f"out{len(csvs)}")
        assert (said.code, said.err) == (0, "")
        csvs.append((tmp_path / f"out{len(csvs)}" / "findings.csv").read_bytes())
    assert makers == ["", "cpu", ""]
    assert csvs[0] == csvs[2] != csvs[1]  # its own roundings are not taken for those of numpy
    assert_alike(load(tmp_path / "out1"), load(tmp_path / "out0"))
    assert name_of_maker() == ""


NEEDS = "NVIDIA GPU, a driver as new as this torch asks for, and a torch built for CUDA. Or choose"
REFUSED = {
    "no torch": ("cuda", "engine cuda needs torch: pip install 'vestige[deep]'"),
    "no device": ("cuda", NEEDS),
    "no such device": ("cuda:1", "the number of a device from 0 to 0, not 1."),
    "no number": ("cuda:x", "the number of a device, as in cuda:0, not 'x'."),
    "negative": ("cuda:-1", "the number of a device, as in cuda:0, not '-1'."),
    "digits": ("cuda:99999999999", "the number of a device, as in cuda:0, not '99999999999'."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_missing_is_one_line(
    leaking: Path, tmp_path: Path, capsys: Any, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, said = REFUSED[case]
    if case == "no torch":
        monkeypatch.delitem(sys.modules, "vestige.products.on_device", raising=False)
        monkeypatch.setitem(sys.modules, "torch", None)
    else:
        cuda = pytest.importorskip("torch").cuda
        monkeypatch.setattr(cuda, "is_available", lambda: case != "no device")
        monkeypatch.setattr(cuda, "device_count", lambda: 1)
    asked = [*release(leaking), *QUICK, "--engine", engine, "--out", tmp_path / "out"]
    found = call(capsys, "audit", *asked)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("vestige: ")
    assert found.err.count("\n") == 1
    assert said in found.err
    assert not (tmp_path / "out").exists()
    assert name_of_maker() == ""


@pytest.mark.slow
@pytest.mark.usefixtures("stand_in")
def test_scrub_audits_again_on_the_device(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [*release(leaking), "--detector", "nearest_distance", "--quiet"]
    out = tmp_path / "out"
    assert call(capsys, "audit", *asked, "--engine", "local:1", "--out", out).code == 0
    opened: list[str] = []
    whole = engines.ENGINES["cuda"].factory

    def noted(argument: str) -> Any:
        opened.append(argument)
        return whole(argument)

    entry = RegistryEntry("noted", noted)
    monkeypatch.setitem(engines.ENGINES, "cuda", entry)
    told = call(
        capsys, "scrub", out / "result.json", *release(leaking), "--quiet", "--engine", "cuda:0",
        "--out", tmp_path / "keep.txt",
    )  # fmt: skip
    assert told.err == ""
    assert len(opened) >= 2  # for reading, and for each round
    assert set(opened) == {"0"}
