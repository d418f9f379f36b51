"""Planning, resuming and gathering of cells; what a cell holds is tested in test_cells."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom

from benchmark_worlds import plain_cell, write_worlds
from story.world import call
from vestige import InputError
from vestige.benchmark import run as benchmark
from vestige.benchmark.cells import Cell, Task
from vestige.benchmark.result import load_benchmark, null_rates
from vestige.benchmark.run import Repeats, run_benchmark
from vestige.benchmark.workers import failed
from vestige.detectors import DETECTORS

FILES = ["benchmark.json", "cells", "table.csv", "table.html", "table.md", "table.tex"]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(write_worlds(tmp_path_factory.mktemp("worlds")).values())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Cells that were measured, each in no time and in this process."""
    noted: list[Task] = []

    def measured(tasks: Sequence[Task], *how: object) -> Iterator[tuple[Task, Cell]]:
        for task in reversed(tasks):  # any order
            assert Path(task.arrays).exists()
            noted.append(task)
            yield task, plain_cell(task)

    monkeypatch.setattr(benchmark, "measured", measured)
    return noted


def test_every_world_row_and_seed_is_a_cell(
    worlds: list[Path], tmp_path: Path, asked: list[Task]
) -> None:
    found = run_benchmark(worlds, tmp_path, repeats=Repeats(2, null_seeds=3))
    detectors = [name for name, choice in DETECTORS.items() if choice.extra != "deep"]
    rows = ["auto", "auto_unlabelled", *detectors, "random"]
    assert [row.name for row in found.rows] == [*rows, "blind"]
    assert {(t.world, t.row, t.null, t.seed) for t in asked} == {
        *((w.name, row, False, s) for w in worlds for row in rows for s in (0, 1)),
        *((w.name, row, True, s) for w in worlds for row in rows[:2] for s in (0, 1, 2)),
    }
    assert len(asked) == len(found.cells)
    assert list(dict.fromkeys(cell.world for cell in found.cells)) == [w.name for w in worlds]
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    assert found == load_benchmark(tmp_path / "benchmark.json")


def test_named_detectors_and_nulls_for_all(
    worlds: list[Path], tmp_path: Path, asked: list[Task]
) -> None:
    run_benchmark(
        worlds[:1], tmp_path, detectors=["mc_ball"], repeats=Repeats(null_seeds=1, null_all=True)
    )
    assert sorted((t.row, t.null) for t in asked) == [
        ("auto", False),
        ("auto", True),
        ("auto_unlabelled", False),
        ("auto_unlabelled", True),
        ("mc_ball", False),
        ("mc_ball", True),
        ("random", False),
    ]


def test_the_same_call_again_measures_nothing(
    worlds: list[Path], tmp_path: Path, asked: list[Task]
) -> None:
    first = run_benchmark(worlds, tmp_path, detectors=["mc_ball"], repeats=Repeats(null_seeds=2))
    asked.clear()
    again = run_benchmark(worlds, tmp_path, detectors=["mc_ball"], repeats=Repeats(null_seeds=2))
    assert asked == []
    assert replace(again, date=first.date) == first


def test_what_is_missing_damaged_or_new_is_measured(
    worlds: list[Path], tmp_path: Path, asked: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(**more: Any) -> list[Task]:
        asked.clear()
        given = {"detectors": ["mc_ball"], "repeats": Repeats(null_seeds=2)} | more
        run_benchmark([copy, worlds[1]], tmp_path / "out", **given)
        return list(asked)

    copy = tmp_path / "leaking"
    shutil.copytree(worlds[0], copy)
    assert len(again()) == 2 * (4 + 4)
    kept = sorted((tmp_path / "out/cells").iterdir())
    kept[0].unlink()
    kept[1].write_text(kept[1].read_text()[:-20])
    kept[2].write_text("{}")
    assert len(again()) == 3
    assert again() == []
    assert {t.seed for t in again(repeats=Repeats(2, null_seeds=3))} == {1, 2}
    assert {t.row for t in again(detectors=["mean_rank"])} == {"mean_rank"}
    other = again(options={"mc_ball": {"size": 16}})
    assert {(t.row, t.null) for t in other} == {("mc_ball", False)}
    assert all(t.options == {"mc_ball": {"size": 16}} for t in other)
    assert again(options={"mc_ball": {"size": 16}}) == []
    # a world with another record is another world, whatever its name
    record = json.loads((copy / "world.json").read_text())
    (copy / "world.json").write_text(json.dumps(record | {"built": "later"}))
    assert {t.world for t in again()} == {"leaking"}
    monkeypatch.setattr(benchmark, "__version__", "99")
    assert len(again()) == 2 * (4 + 4)


def test_a_renamed_world_keeps_its_cells(
    worlds: list[Path], tmp_path: Path, asked: list[Task]
) -> None:
    options: dict[str, Any] = {"detectors": ["mc_ball"], "repeats": Repeats(null_seeds=0)}
    run_benchmark(worlds, tmp_path / "out", **options)
    moved = tmp_path / "renamed"
    shutil.copytree(worlds[0], moved)
    asked.clear()
    found = run_benchmark([moved], tmp_path / "out", **options)
    assert asked == []
    assert {cell.world for cell in found.cells} == {"renamed"}


def test_cells_that_fail_are_rows_and_are_tried_again(
    worlds: list[Path], tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(tasks: Sequence[Task], *how: object) -> Iterator[tuple[Task, Cell]]:
        tried.extend(tasks)
        for task in tasks:
            good = task.row != "mc_ball"
            yield task, plain_cell(task) if good else failed(task, "too small | <b>")

    tried: list[Task] = []
    monkeypatch.setattr(benchmark, "measured", measured)
    command = ["benchmark", *worlds, "--detector", "mc_ball", "--null-seeds", 1, "--out", tmp_path]
    for count in (2 * (4 + 2), 2):
        tried.clear()
        said = call(capsys, *command)
        assert said.code == 2
        assert said.err == (
            "vestige: 2 of 12 cells were not measured, the first: world leaking, row mc_ball: too "
            f"small | <b> The rest is in {tmp_path}; the same command tries them again.\n"
        )
        assert len(tried) == count
        assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    assert [c.error for c in load_benchmark(tmp_path / "benchmark.json").errors] == [
        "too small | <b>"
    ] * 2
    assert r"too small \| \<b>" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--seeds", 0], "--seeds must be 1 or more, not 0."),
        (["--null-seeds", -1], "--null-seeds must be 0 or more, not -1."),
        (["--workers", 0], "--workers must be 1 or more, not 0."),
        (["--detector", "mc_bal"], "unknown detector 'mc_bal'. Did you mean 'mc_ball'?"),
        (["--detector", "siamese"], "siamese needs the weights of its network: --option siamese.w"),
        (["--option", "siamese.size=32"], "options were given for siamese, which does not run"),
        (["--option", "mc_ball.size=big"], "option size must be a whole number, not 'big'."),
        (["--option", "size=16"], "--option takes DETECTOR.NAME=VALUE, not 'size'."),
        (["--engine", "local:2"], "cells run on --engine local or dask:ADDRESS, not 'local:2'."),
        (["--engine", "cuda"], "cells run on --engine local or dask:ADDRESS, not 'cuda'."),
        (["--engine", "spark"], "unknown engine 'spark'."),
    ],
)
def test_wrong_options_are_one_line(
    worlds: list[Path], tmp_path: Path, capsys: Any, more: list[object], said: str
) -> None:
    found = call(capsys, "benchmark", *worlds, "--out", tmp_path / "out", *more)
    assert found.code == 2
    assert found.err.startswith(f"vestige: {said}")
    assert found.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_wrong_worlds_are_one_line(
    worlds: list[Path], tmp_path: Path, capsys: Any, asked: list[Task]
) -> None:
    changed = tmp_path / "clean"
    shutil.copytree(worlds[1], changed)
    next((changed / "query").iterdir()).unlink()
    (tmp_path / "empty").mkdir()
    for folders, said in (
        ([tmp_path / "empty"], "is not a world"),
        ([tmp_path / "none"], "is not a world"),
        ([changed], "the files of query in"),
        ([worlds[0], worlds[0]], "two worlds are called 'leaking'"),
    ):
        found = call(capsys, "benchmark", *folders, "--out", tmp_path / "out")
        assert found.code == 2
        assert said in found.err
        assert found.err.count("\n") == 1
        assert not (tmp_path / "out").exists()
    assert asked == []
    with pytest.raises(InputError, match="which worlds"):
        run_benchmark([], tmp_path / "out")


def test_a_full_disk_leaves_no_benchmark_that_looks_finished(
    worlds: list[Path], tmp_path: Path, capsys: Any, asked: list[Task], monkeypatch: Any
) -> None:
    def full(self: Path, *arguments: Any) -> None:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    found = call(capsys, "benchmark", worlds[0], "--null-seeds", 0, "--out", tmp_path / "out")
    assert found.code == 2
    assert found.err.count("\n") == 1
    assert "No space left on device" in found.err
    assert not list((tmp_path / "out").glob("*.json"))
    assert not list((tmp_path / "out/cells").iterdir())


def null(world: str, p: float, row: str = "auto") -> Cell:
    release = plain_cell(Task("", world, "", row, True, 0)).release
    assert release is not None
    return Cell(world, row, True, 0, replace(release, p_value=p))


def test_null_rates_count_and_allow_what_chance_does() -> None:
    cells = [null("a", p) for p in (0.05, 0.0501, 0.2, 0.01)] + [null("b", 0.5)] * 20
    cells += [null("b", 0.001, "mc_ball"), failed(Task("", "b", "", "auto", True, 7), "no")]
    cells += [replace(null("a", 0.001), null=False)]
    rates = {(rate.row, rate.world): rate for rate in null_rates(cells)}
    assert {key: (rate.rejected, rate.of) for key, rate in rates.items()} == {
        ("auto", ""): (2, 24),
        ("auto", "a"): (2, 4),
        ("auto", "b"): (0, 20),
        ("mc_ball", ""): (1, 1),
        ("mc_ball", "b"): (1, 1),
    }
    for rate in rates.values():
        assert (
            binom.sf(rate.allowed, rate.of, 0.05)
            <= 0.01
            < binom.sf(rate.allowed - 1, rate.of, 0.05)
        )
    assert rates["auto", "a"].allowed == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "has schema 2"),
        ({"schema": True}, "has schema True"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"cells": [{}]}, "lacks 'world'"),
        ({"worlds": {}}, "must be a list"),
    ],
)
def test_another_benchmark_file_is_refused(
    worlds: list[Path], tmp_path: Path, asked: list[Task], change: dict[str, Any], said: str
) -> None:
    run_benchmark(worlds[:1], tmp_path, detectors=["mc_ball"], repeats=Repeats(null_seeds=0))
    path = tmp_path / "benchmark.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=said):
        load_benchmark(path)
    path.write_text("[]")
    with pytest.raises(InputError, match="holds no record"):
        load_benchmark(path)
