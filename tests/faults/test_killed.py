"""Killed at any moment, or on a full disk: the right result or one clear line."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from story.world import FILES, call, names, release
from vestige.scoring import columns

checks = import_module("vestige.auditing.checks")

KILLED_AFTER = """
import os, signal, sys
from vestige.cache.shelves import Shelf
from vestige.cli.main import main
keep, left = Shelf.keep, int(sys.argv[1])
def counted(self, entries):
    global left
    keep(self, entries)
    left -= bool(entries)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
Shelf.keep = counted
main(sys.argv[2:])
"""
CALL = "import sys; from vestige.cli.main import main; main(sys.argv[1:])"
ONE = ["--detector", "nearest_distance"]
FEW = [*ONE, "--detector", "mc_ball", "--detector", "retrieval_count", "--detector", "mean_rank"]


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(asked, capture_output=True, text=True, timeout=300)


def test_killed_anywhere_it_goes_on_and_ends_the_same(leaking: Path, tmp_path: Path) -> None:
    """Kill -9 after the first, a middle and a late thing that was kept (4 shards, 4 columns of the
    audit, more of its checks)."""
    cache, out = tmp_path / "cache", tmp_path / "out"
    asked = ["audit", *release(leaking), *FEW, "--quiet", "--cache", cache, "--out", out]
    kept = 0
    for after in (1, 4, 6):
        done = run(KILLED_AFTER, after, *asked)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not out.exists() or names(out) == []
        now = len(list(cache.rglob("*.json")))
        assert now >= kept + after
        kept = now
    assert run(CALL, *asked).returncode == 0
    resumed = (out / "findings.csv").read_bytes()
    plain = ["audit", *release(leaking), *FEW, "--quiet", "--out", tmp_path / "plain"]
    assert run(CALL, *plain).returncode == 0
    assert (tmp_path / "plain" / "findings.csv").read_bytes() == resumed


def test_a_second_audit_computes_no_column_again(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = shutil.copytree(leaking, tmp_path / "world")  # it changes, the other tests' must not
    computed: list[str] = []
    score = columns._score_column

    def counted(column: Any, *arguments: Any) -> Any:
        computed.append(column.name)
        return score(column, *arguments)

    monkeypatch.setattr(columns, "_score_column", counted)
    asked = ["audit", *release(world), "--quiet", "--cache", tmp_path / "c"]
    asked += ["--out", tmp_path / "o", "--force"]
    two = ["--detector", "calibrated_distance", "--detector", "retrieval_count"]
    assert call(capsys, *asked, *two).code == 0
    first, before = (tmp_path / "o" / "findings.csv").read_bytes(), len(computed)
    assert before > 2  # those of the audit, and those of its controls
    assert call(capsys, *asked, *two).code == 0
    assert (tmp_path / "o" / "findings.csv").read_bytes() == first
    assert len(computed) == before
    # another option of one detector, and another generated set: only what they touch
    named = ["--detector", "nearest_distance", "--detector", "mc_ball", "--no-checks"]
    assert call(capsys, *asked, *named).code == 0
    assert call(capsys, *asked, *named, "--option", "mc_ball.dims=4").code == 0
    assert computed[before:] == ["nearest_distance", "mc_ball", "mc_ball"]
    before = len(computed)
    next((world / "generated").iterdir()).unlink()
    assert call(capsys, *asked, *named).code == 0
    assert computed[before:] == ["nearest_distance", "mc_ball"]


@pytest.mark.slow
def test_a_second_audit_asks_no_control_again_unless_the_question_is_another(
    leaking: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {role: leaking / role for role in ("generated", "used", "unused")}
    asked |= {"groups": leaking / "groups.csv", "detectors": ["nearest_distance", "mc_ball"]}
    made: list[str] = []

    def noted(name: str, function: Any) -> Any:
        return lambda *given: (made.append(name), function(*given))[1]

    for name in ("run_named_checks", "measure_sets", "find_evidence"):
        monkeypatch.setattr(checks, name, noted(name, getattr(checks, name)))

    def told(cache: Path | None, **more: Any) -> Any:
        result = json.loads(vestige.audit(**asked, **more, cache=cache).to_json())
        for own_to_a_run in ("manifest", "run_history", "decision"):  # earlier runs count in it
            del result[own_to_a_run]
        return result

    def taken() -> dict[str, int]:
        """How often each was made, whatever the threads did first; checks are in two parts."""
        counts = {name: made.count(name) for name in set(made)}
        made.clear()
        return counts

    every = {"run_named_checks": 2, "measure_sets": 1, "find_evidence": 1}
    first = told(tmp_path)
    assert taken() == every
    assert told(tmp_path) == first
    assert taken() == {}
    assert told(None) == first
    assert taken() == every
    others: list[dict[str, Any]] = [{"seed": 1}, {"checks": False}, {"false_alarm_rate": 0.1}]
    for more in others:
        assert told(tmp_path, **more) == told(None, **more)
        parts = 1 if more == {"checks": False} else 2
        # evidence is that of the first
        assert taken() == {"run_named_checks": 2 * parts, "measure_sets": 2, "find_evidence": 1}
    asked |= {"used": leaking / "unused", "unused": leaking / "used"}
    assert told(tmp_path) == told(None) != first


def test_the_cache_stays_below_its_limit(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    cache = tmp_path / "c"
    asked = ["audit", *release(leaking), "--quiet", "--cache", cache, "--out", tmp_path / "o"]
    assert call(capsys, *asked, *FEW, "--no-checks").code == 0
    first = len(list(cache.rglob("*.npy")))
    for file in cache.rglob("shelf-*/*"):
        os.utime(file, (1, 1))
    more = [*ONE, "--no-checks", "--force", "--cache-limit", "0.000001"]
    assert call(capsys, *asked, *more).code == 0
    # what this run used stays; the columns of the first are gone
    left = [np.load(file).shape for file in cache.rglob("*.npy")]
    assert len(left) < first
    said = call(capsys, *asked, "--cache-limit", "-1")
    assert said.code == 2
    assert said.err == "vestige: a cache of -1 GB cannot be; give 0 or more.\n"


@pytest.mark.skipif(
    sys.platform != "linux" or os.system("unshare -rm true 2>/dev/null") != 0,  # noqa: S605
    reason="needs a mount of its own (unshare -rm)",
)
@pytest.mark.parametrize("full", ["cache", "out", "tmp"])
def test_a_full_disk(leaking: Path, tmp_path: Path, full: str) -> None:
    """A file system of 40 or 300 kB under the cache, the results or the temporary files."""
    small, roomy = tmp_path / "small", tmp_path / "roomy"
    small.mkdir()
    roomy.mkdir()
    cache = small if full == "cache" else roomy / "cache"
    out = (small if full == "out" else roomy) / "out"
    code = "import sys; from vestige.cli.main import main; "
    if full == "tmp":
        code += "import vestige.images.spool as s; s.HELD_BYTES = 1000; "
    asked = [sys.executable, "-c", code + "main(sys.argv[1:])", "audit", *release(leaking)]
    asked += [*ONE, "--no-checks", "--cache", cache, "--out", out, "--quiet"]
    size = 40 if full == "out" else 300
    mounted = f"mount -t tmpfs -o size={size}k none {shlex.quote(str(small))} && "
    mounted += '"$@"; code=$?; ls -A "$0"; exit $code'
    shell = ["unshare", "-rm", "sh", "-c", mounted, small if full == "out" else roomy]
    environment = os.environ | {"TMPDIR": str(small if full == "tmp" else tmp_path)}
    done = subprocess.run(
        [*map(str, shell), *map(str, asked)],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("vestige: cannot ")
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not set(done.stdout.split()) & {*FILES, "out"}
    assert not (roomy / "out").exists()
