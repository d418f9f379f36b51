"""One question has one answer: whoever asks, in whatever order, with however many workers."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import vestige
from story.world import FILES, call, load, names, release, told, worlds
from vestige.decision.audited import schema


def in_folders(folder: Path, **options: Any) -> vestige.AuditResult:
    asked = {role: folder / role for role in ("generated", "used", "unused")}
    return vestige.audit(**asked, groups=folder / "groups.csv", **options)


def test_command_line_and_api_give_the_same_bytes(
    leaking: Path, usual: vestige.AuditResult, tmp_path: Path, capsys: Any
) -> None:
    assert call(capsys, "audit", *release(leaking), "--out", tmp_path / "cli").code == 0
    report = usual.save(tmp_path / "api")
    assert report == tmp_path / "api" / "report.html"
    assert names(tmp_path / "cli") == names(tmp_path / "api") == FILES
    by_hand, by_api = ((tmp_path / d / "findings.csv").read_bytes() for d in ("cli", "api"))
    assert by_hand == by_api
    assert told(load(tmp_path / "cli")) == told(usual)
    for folder in ("cli", "api"):
        raw = json.loads((tmp_path / folder / "result.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema()).validate(raw)
    assert load(tmp_path / "api") == usual


@pytest.mark.slow
def test_a_second_process_with_the_same_seed_gives_the_same_bytes(
    leaking: Path, tmp_path: Path
) -> None:
    written = []
    for name, hash_seed in (("one", "1"), ("two", "2")):
        options = [*release(leaking), "--seed", 5, "--out", tmp_path / name]
        done = subprocess.run(
            [sys.executable, "-m", "vestige", "audit", *map(str, options)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[0] == load(tmp_path / name).decision.text
        written.append((tmp_path / name / "findings.csv").read_bytes())
        assert load(tmp_path / name).manifest.seed == 5
    assert written[0] == written[1]


def test_the_engine_changes_no_byte(leaking: Path, clean: Path) -> None:
    for folder in (leaking, clean):
        one, two = in_folders(folder, engine="local:1"), in_folders(folder, engine="local:2")
        assert one.to_csv() == two.to_csv()
        assert told(one) == told(two)


@pytest.mark.slow
def test_the_order_of_a_list_changes_no_score(leaking: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    results = []
    for shuffled in (False, True):
        lists = {}
        for role in ("used", "unused"):
            files = sorted((leaking / role).iterdir())
            order = rng.permutation(len(files)) if shuffled else np.arange(len(files))
            lists[role] = [files[k] for k in order]
        results.append(vestige.audit(leaking / "generated", lists["used"], lists["unused"]))
    first, second = ({f.id: f for f in result.findings} for result in results)
    # names of near-duplicate clusters follow the ids, so even they stay
    assert first == second
    by_id = [dict(zip(r.calibration.ids, r.calibration.scores, strict=True)) for r in results]
    assert by_id[0] == by_id[1]


@pytest.mark.slow
def test_the_order_of_csv_rows_changes_no_byte(leaking: Path, tmp_path: Path) -> None:
    files = sorted(str(p) for p in (leaking / "used").iterdir())
    texts = []
    for order in (files, files[::-1]):
        table = tmp_path / "used.csv"
        with table.open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([["path"], *([f] for f in order)])
        texts.append(
            vestige.audit(leaking / "generated", used=table, unused=leaking / "unused").to_csv()
        )
    assert texts[0] == texts[1]


def test_permuted_arrays_keep_every_score_bitwise() -> None:
    world = worlds()[0]
    rng = np.random.default_rng(1)
    order, other = rng.permutation(len(world.used)), rng.permutation(len(world.unused))
    plain = vestige.audit(world.generated, query=world.used, unused=world.unused)
    moved = vestige.audit(world.generated, query=world.used[order], unused=world.unused[other])
    for k, finding in enumerate(moved.findings):
        twin = plain.findings[order[k]]
        # the id of an array row is its place, so id and cluster name move with it
        assert replace(finding, id=twin.id, group=twin.group) == twin
    # permutations go through the names of the groups, so set-level p-values move within their
    # Monte-Carlo error; what they test does not move
    assert moved.decision.gate == plain.decision.gate == "closed"
    assert moved.set_test is not None and plain.set_test is not None
    assert moved.set_test.auc.value == plain.set_test.auc.value
    assert [d.auc for d in moved.set_test.detectors] == [d.auc for d in plain.set_test.detectors]


def without_unread(result: vestige.AuditResult) -> dict[str, Any]:
    """What a result says, but for the number of files that gave no image."""
    raw = told(result)
    raw.pop("unread")
    for fact in ("unread", "listed", "role"):
        raw["decision"]["facts"].pop(fact)
    return raw


@pytest.mark.parametrize(
    "role",
    [
        pytest.param("generated", marks=pytest.mark.slow),
        pytest.param("used", marks=pytest.mark.slow),
        "unused",
    ],
)
def test_an_unreadable_file_changes_nothing_but_the_problems(
    leaking: Path, usual: vestige.AuditResult, tmp_path: Path, role: str
) -> None:
    for part in ("generated", "used", "unused"):
        (tmp_path / part).mkdir()
        for file in (leaking / part).iterdir():
            (tmp_path / part / file.name).symlink_to(file)
    (tmp_path / "groups.csv").symlink_to(leaking / "groups.csv")
    before = usual  # of the same files
    (tmp_path / role / "00-notes.png").write_text("this is no picture\n")
    after = in_folders(tmp_path)
    assert without_unread(after) == without_unread(before)
    assert after.decision.gate == before.decision.gate
    assert after.to_csv() == before.to_csv()
    [problem] = after.problems
    assert not before.problems
    assert problem.path == f"{role}/00-notes.png"
