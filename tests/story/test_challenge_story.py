"""A challenge participant: folder -> audit -> run.csv -> score; and what can be listed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from story.world import call, load, names, worlds, write
from vestige.cli.choices import KINDS

QUERIES = 30  # half of them used
LAYOUTS = {
    "2025": ("generated", "real_used", "real_not_used", "real_unknown"),
    "2023": ("generated_1", "used", "not_used", "real_unknown_1"),
}


@pytest.fixture(params=list(LAYOUTS))
def challenge(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder as the organisers hand it out; queries are shuffled."""
    world = worlds()[0]
    generated, used, unused, unknown = LAYOUTS[request.param]
    root = tmp_path / "data"
    half = QUERIES // 2
    queries = np.concatenate([world.used[:half], world.unused[:half]])
    order = np.random.default_rng(2).permutation(QUERIES)
    write(root / generated, world.generated)
    write(root / used, world.used[half:])
    write(root / unused, world.unused[half:])
    write(root / unknown, queries[order], "{:d}.png")
    rows = [f"{k}.png,{int(order[k] < half)}\n" for k in range(QUERIES)]
    (tmp_path / "truth.csv").write_text("".join(rows), encoding="utf-8")
    return root


def test_from_a_challenge_folder_to_a_score(challenge: Path, tmp_path: Path, capsys: Any) -> None:
    out, truth = tmp_path / "out", tmp_path / "truth.csv"
    said = call(capsys, "audit", "--imageclef", challenge, "--gate", "--out", out)
    assert (said.code, said.err) == (3, "")
    result = load(out)
    assert result.question.mode == "forensic"
    assert len(result.findings) == QUERIES
    used = {f.id for f in result.findings if f.called}
    named = {f.id for f in result.findings if f.word in ("copy", "named")}
    kappas = []
    for name, options, first, columns in (
        ("2025", ["--format", "imageclef2025"], None, (".png",)),
        ("2025h", ["--format", "imageclef2025", "--header"], "original_image,label", (".png",)),
        ("2025b", ["--format", "imageclef2025", "--top-half"], None, (".png",)),
        ("2025n", ["--format", "imageclef2025", "--named"], None, (".png",)),
        ("2023", ["--format", "imageclef2023"], None, ("",)),
        ("2023b", ["--format", "imageclef2023", "--top-half"], None, ("",)),
    ):
        run = tmp_path / f"run{name}.csv"
        done = call(capsys, "export", out / "result.json", *options, "--out", run)
        assert (done.code, done.err) == (0, "")
        lines = run.read_text(encoding="utf-8").splitlines()
        if first:
            assert lines.pop(0) == first
        rows = dict(line.split(",") for line in lines)
        assert list(rows) == [f"{k}{columns[0]}" for k in range(QUERIES)]
        chosen = {f"{row.removesuffix('.png')}.png" for row, label in rows.items() if label == "1"}
        if "--top-half" in options:
            assert len(chosen) == QUERIES // 2
        elif "--named" in options:
            assert chosen == named
        else:
            assert chosen == used
        scored = call(capsys, "score", run, truth, "--json")
        assert (scored.code, scored.err) == (0, "")
        card = json.loads(scored.out)
        assert (card["n"], card["decided_by"], card["auc_from"]) == (QUERIES, "run", "decisions")
        kappas.append(card["kappa"]["value"])
        assert card["p_value"] < 1e-4
    assert kappas[0] == kappas[1] == kappas[4]
    assert min(kappas) > 0.7
    both = ["--top-half", "--named", "--out", tmp_path / "no.csv", "--format", "imageclef2025"]
    refused = call(capsys, "export", out / "result.json", *both)
    assert (refused.code, refused.err.count("\n")) == (2, 1) and "give one of them" in refused.err
    old = call(capsys, "export", out / "result.json", "--balanced", *both[2:])
    assert old.code == 0 and "--balanced is now --top-half" in old.err
    assert (tmp_path / "no.csv").read_bytes() == (tmp_path / "run2025b.csv").read_bytes()
    shown = call(capsys, "score", tmp_path / "run2023.csv", truth)
    assert "kappa" in shown.out
    assert "all used: F1 0.667" in shown.out
    # two images a patient, both used or both unused
    rows = [line.split(",") for line in truth.read_text().split()]
    place = {
        name: k // 2 for used in "01" for k, name in enumerate(n for n, u in rows if u == used)
    }
    table = tmp_path / "patients.csv"
    table.write_text("id,patient\n" + "".join(f"{n},{u}-{place[n]}\n" for n, u in rows))
    shown = call(capsys, "score", tmp_path / "run2023.csv", truth, "--groups", table)
    assert shown.out.startswith(f"{QUERIES} images of 16 patients; ")
    assert "p (patients)" in shown.out
    refused = call(capsys, "score", tmp_path / "run2023.csv", truth, "--group-regex", "x(.)")
    assert (refused.code, refused.err.count("\n")) == (2, 1) and "finds no group" in refused.err
    assert names(tmp_path)[0] == "data"
    assert not [n for n in names(tmp_path) if n.endswith(".tmp")]


def test_folders_on_the_command_line_replace_those_of_the_challenge(
    challenge: Path, tmp_path: Path, capsys: Any
) -> None:
    other = write(tmp_path / "other", worlds()[0].used[:4])
    asked = ["--imageclef", challenge, "--query", other, "--out", tmp_path / "out"]
    assert call(capsys, "audit", *asked).code == 0
    assert load(tmp_path / "out").question.counts["query"] == 4


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "formats"])
def test_list_names_every_choice(kind: str, capsys: Any) -> None:
    said = call(capsys, "list", kind)
    table = KINDS[kind].factory()
    assert (said.code, said.err) == (0, "")
    assert [line.split()[0] for line in said.out.splitlines()] == list(table)
    as_json = json.loads(call(capsys, "list", kind, "--json").out)
    assert as_json == {name: choice.summary for name, choice in table.items()}


def test_version_and_help(capsys: Any) -> None:
    from vestige import __version__

    assert call(capsys, "--version").out == f"{__version__}\n"
    assert "--generated" in call(capsys, "audit", "--help").out
