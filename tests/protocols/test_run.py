"""`vestige benchmark --protocol paper`: parts, what is kept, tables, and the errors of users."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark_worlds import plain_cell
from paper_trials import write_null_world
from story.world import call
from vestige.benchmark.cells import Cell, Forensic, Task
from vestige.protocols import PROTOCOLS, forms, parts, zhou_ding_cosine
from vestige.protocols.result import Protocols, load_protocols
from vestige.protocols.run import run_protocols
from vestige.protocols.tables import tables, to_csv, to_html, to_markdown
from vestige.protocols.trial import Trial
from vestige.registry.entries import InputError
from vestige.schema.records import Estimate

ROUTE = "zhou_ding_resnet50"
TINY: dict[str, dict[str, Any]] = {
    "resnet50_retrieval": {"backbone": "tiny", "weights": "none", "size": 32},
    "dual_stream": {"backbones": ("tiny", "tiny"), "weights": ("none", "none"), "size": 32},
    "cosine_threshold": {"backbone": "tiny", "weights": "none", "size": 32},
}
OPTIONS = [
    f"--option=resnet50_retrieval.{name}={value}"
    for name, value in TINY["resnet50_retrieval"].items()
]
FILES = [f"protocols.{kind}" for kind in ("csv", "html", "json", "md", "tex")]
HOSTILE = "=cmd <script>alert(1)</script> a|b *c* [d](//e)"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_null_world(tmp_path_factory.mktemp("worlds"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Audits that were asked for, each answered in no time."""
    noted: list[Task] = []

    def measure(task: Task) -> Cell:
        assert Path(task.arrays).exists()
        noted.append(task)
        some = Estimate(0.25, 0.1, 0.4, 20)
        return replace(plain_cell(task), forensic=Forensic(20, some, some, some, 0.05))

    monkeypatch.setattr(parts, "measure", measure)
    return noted


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Papers' own evaluations that were made."""
    noted: list[str] = []
    real = {name: choice.factory() for name, choice in PROTOCOLS.items()}

    def noting(name: str) -> Any:
        def run(trial: Trial) -> Any:
            noted.append(name)
            return real[name].run(trial)

        return lambda: replace(real[name], run=run)

    for name, choice in list(PROTOCOLS.items()):
        monkeypatch.setitem(PROTOCOLS, name, replace(choice, factory=noting(name)))
    return noted


def test_three_parts_per_world_and_system(
    world: Path, tmp_path: Path, asked: list[Task], runs: list[str]
) -> None:
    names = ["zhou_ding_dual", "medhastra"]
    found = run_protocols([world], tmp_path, protocols=names, options=options_of(*names))
    assert [system.name for system in found.systems] == names
    assert runs == names
    # our default form of the second stream is standardised; Medhastra's is the published one
    assert [task.row for task in asked] == ["dual_stream", "dual_stream", "cosine_threshold"]
    assert asked[0].options["dual_stream"]["standardise"] is False
    assert "standardise" not in asked[1].options["dual_stream"]
    dual, medhastra = found.cells
    assert medhastra.published_form == medhastra.default_form
    assert dual.published_form and dual.default_form
    assert dual.published_form.options["weights"] == ["none", "none"]
    assert all(cell.errors == {} and set(cell.seconds) == set(parts.PARTS) for cell in found.cells)
    assert found.systems[0].networks == ("tiny, random weights (seed 0)",) * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells", "protocols", *FILES]
    assert sorted(p.name for p in (tmp_path / "protocols/null/medhastra").iterdir()) == sorted(
        medhastra.paper.files if medhastra.paper else ()
    )
    assert load_protocols(tmp_path / "protocols.json") == found


def options_of(*names: str) -> dict[str, dict[str, Any]]:
    chosen = [PROTOCOLS[name].factory().detector for name in names]
    return {detector: TINY[detector] for detector in chosen}


def test_ours_is_an_audit_of_the_same_detector(world: Path, tmp_path: Path) -> None:
    found = run_protocols([world], tmp_path / "a", protocols=[ROUTE], options=options_of(ROUTE))
    (cell,) = found.cells
    assert cell.published_form == cell.default_form
    assert cell.published_form
    assert cell.published_form.release and cell.published_form.forensic
    assert cell.published_form.release.leak != "found"
    assert cell.published_form.release.auc.low < 0.5 < cell.published_form.release.auc.high
    assert cell.published_form.forensic.queries == 40
    again = run_protocols([world], tmp_path / "b", protocols=[ROUTE], options=options_of(ROUTE))
    assert again.cells[0].paper == cell.paper
    assert again.cells[0].published_form == cell.published_form
    other = run_protocols(
        [world], tmp_path / "a", protocols=[ROUTE], options=options_of(ROUTE), seed=1
    )
    assert other.systems[0].networks == ("tiny, random weights (seed 1)",)
    assert other.cells[0].paper != cell.paper


def test_the_same_call_again_measures_what_is_missing(
    world: Path, tmp_path: Path, asked: list[Task], runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(**more: Any) -> tuple[int, int]:
        asked.clear(), runs.clear()
        given = {"protocols": ["medhastra"], "options": options_of("medhastra")} | more
        run_protocols([moved], tmp_path / "out", **given)
        return len(runs), len(asked)

    moved = tmp_path / "elsewhere"
    shutil.copytree(world, moved)
    assert again() == (1, 1)
    assert again() == (0, 0)
    (tmp_path / "out/protocols/elsewhere/medhastra/run.csv").unlink()
    assert again() == (1, 0)
    kept = sorted((tmp_path / "out/cells").iterdir())
    assert len(kept) == 2
    kept[0].write_text("{}")
    kept[1].write_text(kept[1].read_text()[:-9])
    assert again() == (1, 1)
    assert again(seed=1) == (1, 1)
    larger = {"cosine_threshold": TINY["cosine_threshold"] | {"top_k": 2}}
    assert again(options=larger) == (1, 1)
    monkeypatch.setattr(parts, "__version__", "99")
    assert again() == (1, 1)


def test_weights_are_known_by_their_digest_and_named(
    world: Path, tmp_path: Path, asked: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def given(name: str) -> dict[str, dict[str, Any]]:
        return {
            "resnet50_retrieval": TINY["resnet50_retrieval"] | {"weights": str(tmp_path / name)}
        }

    monkeypatch.setitem(PROTOCOLS, ROUTE, replace(PROTOCOLS[ROUTE], factory=lambda: quick))
    quick = replace(zhou_ding_cosine.RESNET50, run=failing)
    for name, text in (("one.safetensors", b"1"), ("two.safetensors", b"2")):
        (tmp_path / name).write_bytes(text)
        found = run_protocols([world], tmp_path / "out", protocols=[ROUTE], options=given(name))
        (network,) = found.systems[0].networks
        assert re.fullmatch(rf"tiny, weights {name} \(sha256 [0-9a-f]{{12}}\)", network)
    assert len(asked) == 2
    (tmp_path / "one.safetensors").write_bytes(b"3")
    run_protocols([world], tmp_path / "out", protocols=[ROUTE], options=given("one.safetensors"))
    assert len(asked) == 3


def failing(trial: Trial) -> Any:
    raise InputError("no good:\n at all.")


def broken(trial: Trial) -> Any:
    raise ValueError("nobody foresaw | this")


@pytest.mark.parametrize(
    ("run", "why"),
    [(failing, "no good: at all."), (broken, "ValueError: nobody foresaw | this")],
)
def test_a_part_that_fails_is_a_row_and_is_tried_again(
    world: Path,
    tmp_path: Path,
    capsys: Any,
    asked: list[Task],
    monkeypatch: Any,
    run: Any,
    why: str,
) -> None:
    choice = PROTOCOLS[ROUTE]
    monkeypatch.setitem(
        PROTOCOLS, ROUTE, replace(choice, factory=lambda: replace(choice.factory(), run=run))
    )
    command = ["benchmark", world, "--protocol", "paper", "--detector", ROUTE, *OPTIONS]
    for _ in range(2):
        said = call(capsys, *command, "--out", tmp_path)
        assert said.code == 2
        assert said.err == (
            "vestige: 1 of 3 parts were not measured, the first: world null, zhou_ding_resnet50, "
            f"paper: {why} The rest is in {tmp_path}; the same command tries them again.\n"
        )
    assert len(asked) == 1
    found = load_protocols(tmp_path / "protocols.json")
    assert found.errors == (("null", ROUTE, "paper", why),)
    assert why.replace("|", r"\|") in (tmp_path / "protocols.md").read_text()
    assert len(list((tmp_path / "cells").iterdir())) == 1


def test_what_cannot_run_is_left_out_and_said(
    world: Path, tmp_path: Path, capsys: Any, asked: list[Task], monkeypatch: Any
) -> None:
    for name, choice in list(PROTOCOLS.items()):
        made = replace(choice.factory(), run=failing)
        monkeypatch.setitem(PROTOCOLS, name, replace(choice, factory=lambda made=made: made))
    said = call(capsys, "benchmark", world, "--protocol", "paper", *OPTIONS, "--out", tmp_path)
    found = load_protocols(tmp_path / "protocols.json")
    assert [system.name for system in found.systems] == [ROUTE, "gan_isi"]
    assert list(found.left_out) == [
        "scope", "kalinathan2026", "medhastra", "zhou_ding", "zhou_ding_dual"
    ]  # fmt: skip
    for name, why in found.left_out.items():
        assert f"{name} left out: {why}\n" in said.out
        assert f"| {name} | {why} |" in (tmp_path / "protocols.md").read_text()


NEEDS = "--option siamese.weights=FILE (safetensors or a state dict), or siamese.weights=imagenet"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--protocol", "papers"], "unknown --protocol 'papers'. Known: paper."),
        (["--detector", "scop"], "unknown protocol 'scop'. Did you mean 'scope'?"),
        (["--detector", "siamese"], "unknown protocol 'siamese'."),
        (["--detector", "scope"], f"scope needs the weights of its network: {NEEDS}"),
        (["--option", "siamese.size=32"], f"scope needs the weights of its network: {NEEDS}"),
        (
            ["--detector", "kalinathan2026", "--option", "siamese_hybrid.weights=none"],
            "kalinathan2026 needs the weights of its network: --option siamese_hybrid.vit_weights",
        ),
        (["--option", "siamese.weights=no.pt"], "cannot read no.pt: No such file"),
        (["--option", "siamese.wait=1"], "detector 'siamese' has no option 'wait'."),
        (
            ["--option", "mc_ball.dims=4"],
            "options were given for mc_ball, which is no protocol that runs here",
        ),
        (["--seeds", "2"], "--protocol paper takes --imageclef and its patients, --detector,"),
        (["--workers", "2"], "--protocol paper takes --imageclef and its patients, --detector,"),
    ],
)
def test_wrong_options_are_one_line(
    world: Path, tmp_path: Path, capsys: Any, more: list[str], said: str
) -> None:
    command = ["benchmark", world, "--out", tmp_path / "out", "--protocol", "paper", *more]
    found = call(capsys, *command)
    assert found.code == 2
    assert found.err.startswith(f"vestige: {said}")
    assert found.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_torch_one_line_says_so(
    world: Path, tmp_path: Path, asked: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"zhou_ding_resnet50 needs torch .*'vestige\[deep\]'"):
        run_protocols([world], tmp_path, protocols=[ROUTE], options=options_of(ROUTE))
    with pytest.raises(InputError, match=r"seed -1 is not between 0 and 2\^63"):
        run_protocols([world], tmp_path, seed=-1)


@pytest.fixture
def hostile(
    world: Path, tmp_path: Path, asked: list[Task], monkeypatch: pytest.MonkeyPatch
) -> Protocols:
    found = run_protocols([world], tmp_path, protocols=[ROUTE], options=options_of(ROUTE))
    (cell,), (told,) = found.cells, found.worlds
    lost = replace(cell, paper=None, default_form=None, errors={"paper": HOSTILE})
    cells = tuple(replace(c, world=HOSTILE) for c in (cell, lost))
    return replace(found, cells=cells, worlds=(replace(told, name=HOSTILE),))


def test_tables_show_every_row_and_run_nothing(hostile: Protocols) -> None:
    shown = {table.title: table for table in tables(hostile)}
    assert list(shown) == [
        "Their figure and ours", "Figures", "Rules on the queries", "Our protocol", "Systems",
        "Not measured",
    ]  # fmt: skip
    first, lost = ([entry.text for entry in row] for row in shown["Their figure and ours"].rows)
    assert first[2].startswith("kappa ")
    assert first[4] == "0.00"
    assert first[6] == first[7] == "0.50 [0.40, 0.90], p 0.300"
    assert first[8:] == ["-", "0.060"]
    assert lost[2:8] == ["-", "-", "-", "-", first[6], "-"]
    assert [row[2].text for row in shown["Rules on the queries"].rows] == ["no", "yes"]
    assert [row[2].text for row in shown["Figures"].rows] == ["honest", "own"]
    assert [row[2].text for row in shown["Our protocol"].rows] == [
        "published", "default", "published",
    ]  # fmt: skip
    assert [e.text for e in shown["Systems"].rows[0]][2] == "tiny, random weights (seed 0)"
    text = to_html(hostile)
    assert not re.search(r"<script|(?:src|href)\s*=|url\(|@import|https?:", text)
    assert "&lt;script&gt;" in text
    assert "systems, evaluated as published and by our protocol" in text
    lines = to_markdown(hostile)
    assert not re.search(r"(?<!\\)<", lines)
    assert "](" not in lines


def test_csv_is_safe_and_exact(hostile: Protocols) -> None:
    full, lost = csv.DictReader(io.StringIO(to_csv(hostile)))
    cell = hostile.cells[0]
    assert cell.paper and cell.paper.honest
    assert (full["world"], lost["error"]) == ("'" + HOSTILE, "'" + HOSTILE)
    assert None not in full.values() and None not in lost.values()
    assert float(full["own_high"]) == cell.paper.own.value.high
    assert float(full["honest"]) == cell.paper.honest.value.value
    nested, tuned = (rule.measures.kappa for rule in cell.paper.rules)
    assert nested and tuned
    assert float(full["rule_kappa_low"]) == nested.low
    assert float(full["optimistic_kappa"]) == tuned.value
    assert (float(full["published_form_p"]), full["published_form_leak"]) == (0.3, "not found")
    assert (full["printed_own"], float(full["printed_kappa"])) == ("", 0.06)
    assert lost["own"] == lost["default_form_auc"] == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "has schema 2"),
        ({"schema": True}, "has schema True"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"cells": [{}]}, "lacks 'world'"),
    ],
)
def test_another_file_is_refused(
    hostile: Protocols, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "protocols.json"
    path.write_text(json.dumps(json.loads(hostile.to_json()) | change))
    with pytest.raises(InputError, match=said):
        load_protocols(path)
