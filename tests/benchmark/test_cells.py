"""What one cell of the benchmark measures, against the audit that a user would run."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from benchmark_worlds import arrays, write_worlds
from vestige import InputError, audit, run_audit
from vestige.benchmark import cells
from vestige.benchmark.arrays import WorldArrays, forensic_rows, null_rows, release_rows
from vestige.benchmark.cells import Cell, Task, measure
from vestige.imageclef.challenge import score_run
from vestige.worlds.record import read_truth

DIGEST = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_worlds(tmp_path_factory.mktemp("worlds"))


def task(world: WorldArrays, folder: Path, row: str, null: bool = False, seed: int = 0) -> Task:
    path = folder / "world.npz"
    if not path.exists():
        world.save(path)
    return Task(str(path), "w", DIGEST, row, null, seed)


@pytest.fixture(scope="module")
def leaking(worlds: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Cell:
    folder = tmp_path_factory.mktemp("leaking")
    return measure(task(WorldArrays.read(worlds["leaking"]), folder, "nearest_distance"))


@pytest.mark.slow
def test_a_cell_asks_the_release_question_that_a_user_would_ask(
    worlds: dict[str, Path], leaking: Cell, tmp_path: Path
) -> None:
    root = worlds["leaking"]
    truth = read_truth(root)
    table = tmp_path / "groups.csv"
    table.write_text("id,group\n" + "".join(f"{row.id},{row.group}\n" for row in truth))
    result = audit(
        root / "generated",
        used=[root / row.id for row in truth if row.used],
        unused=[root / row.id for row in truth if not row.used and row.role != "reference"],
        reference=root / "reference",
        groups=table,
        detectors=["nearest_distance"],
    )
    test, release = result.set_test, leaking.release
    assert test is not None
    assert release is not None
    assert release.auc == test.auc
    assert release.p_value == test.p_value
    assert (release.leak, release.reason) == ("found", "found")
    assert release.tpr_5 == next(rate for rate in test.tpr_at if rate.fpr == 0.05)
    assert release.tpr_1 is None  # 80 non-members cannot show 1 %
    calibration = result.checks[0]
    assert leaking.blind is not None
    assert (leaking.blind.auc, leaking.blind.p_value) == (calibration.auc, calibration.p_value)


def test_a_cell_asks_the_forensic_question_that_a_user_would_ask(
    worlds: dict[str, Path], leaking: Cell, tmp_path: Path
) -> None:
    root = worlds["leaking"]
    truth = read_truth(root)
    table = tmp_path / "groups.csv"
    table.write_text("id,group\n" + "".join(f"{row.id},{row.group}\n" for row in truth))
    result = audit(
        root / "generated",
        used=root / "used",
        unused=root / "unused",
        query=root / "query",
        reference=root / "reference",
        groups=table,
        detectors=["nearest_distance"],
    )
    assert result.question.groups_from.startswith("the CSV file")
    run = {finding.id: float(finding.called) for finding in result.findings}
    known = {row.id.removeprefix("query/"): row.used for row in truth if row.role == "query"}
    card = score_run(run, {name: float(used) for name, used in known.items()})
    forensic = leaking.forensic
    assert forensic is not None
    assert forensic.kappa is not None
    assert card.kappa is not None
    assert forensic.queries == 80
    assert forensic.kappa.value == card.kappa.value > 0.3
    # two slices of a patient are no two patients
    assert forensic.kappa.high - forensic.kappa.low > card.kappa.high - card.kappa.low
    scores = {finding.id: finding.score for finding in result.findings}
    assert (
        forensic.auc.value == score_run(scores, {n: float(u) for n, u in known.items()}).auc.value
    )
    assert forensic.false_alarms is not None
    assert forensic.false_alarms.value == pytest.approx(
        np.mean([run[name] for name, used in known.items() if not used])
    )


def test_groups_reach_the_audit(
    worlds: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def watched(*given: object, **options: object) -> object:
        result = run_audit(*given, **options)  # type: ignore[arg-type]
        asked.append(result.question)
        return result

    monkeypatch.setattr(cells, "run_audit", watched)
    measure(task(WorldArrays.read(worlds["clean"]), tmp_path, "nearest_distance"))
    # 40 patients on each side; the queries are among them
    assert [(q.mode, q.groups) for q in asked] == [("release", 80), ("forensic", 80)]
    assert {q.groups_from for q in asked} == {"the CSV file groups.csv: 200 images in 100 groups"}


def test_members_and_non_members_are_told_by_the_truth_and_not_by_the_folder() -> None:
    world = arrays(10)
    rows = release_rows(world)
    assert world.used[rows["used"]].all()
    assert set(world.roles[rows["used"]]) == {"query", "used"}
    assert not world.used[rows["unused"]].any()
    assert set(world.roles[rows["unused"]]) == {"query", "unused"}
    assert set(world.roles[rows["reference"]]) == {"reference"}
    asked = forensic_rows(world)
    assert all(set(world.roles[index]) == {role} for role, index in asked.items())
    assert sum(map(len, asked.values())) == len(world.reals)


@pytest.mark.parametrize("status", [True, False])
def test_without_queries_of_both_kinds_there_is_no_forensic_question(status: bool) -> None:
    world = arrays(10)
    world.used[world.roles == "query"] = status
    assert forensic_rows(world) == {}


@pytest.mark.parametrize("reference", [True, False])
def test_null_roles_are_non_members_dealt_by_group(reference: bool) -> None:
    world = arrays(40, per_group=3, reference=reference)
    wanted = release_rows(world)
    others = np.flatnonzero(~world.used)
    rows = null_rows(world, DIGEST, 1)
    assert list(rows) == list(wanted)
    assert sorted(np.concatenate(list(rows.values()))) == sorted(others)
    groups = [set(world.groups[index]) for index in rows.values()]
    assert sum(map(len, groups)) == len(set().union(*groups)) == len(set(world.groups[others]))
    share = len(others) / sum(map(len, wanted.values()))
    for role, index in rows.items():
        assert len(index) == pytest.approx(share * len(wanted[role]), abs=6)


def test_null_roles_depend_on_seed_and_world() -> None:
    world = arrays(40)
    lots = [null_rows(world, digest, seed)["used"] for digest, seed in
            ((DIGEST, 1), (DIGEST, 1), (DIGEST, 2), (DIGEST[::-1], 1))]  # fmt: skip
    assert (lots[0] == lots[1]).all()
    assert set(lots[0]) != set(lots[2])
    assert set(lots[0]) != set(lots[3])


def test_too_few_groups_for_a_null_are_said() -> None:
    with pytest.raises(InputError, match="5 groups of non-members are too few to deal into 3"):
        null_rows(arrays(2), DIGEST, 0)


def test_few_groups_raise_the_rate_and_the_cell_says_so(tmp_path: Path) -> None:
    cell = measure(task(arrays(9), tmp_path, "nearest_distance"))
    assert cell.release is not None
    assert cell.forensic is not None
    assert cell.release.false_alarm_rate == 1 / 14  # 9 unused and 4 queries
    assert cell.forensic.false_alarm_rate == 1 / 10


def test_a_world_without_unused_images_is_refused(tmp_path: Path) -> None:
    world = arrays(20)
    world.used[world.roles != "reference"] = True
    with pytest.raises(InputError, match="nothing can calibrate"):
        measure(task(world, tmp_path, "nearest_distance"))


def test_scores_by_lot_see_nothing(tmp_path: Path) -> None:
    """40 lots; more rejections than the 99.9 % quantile would be a fault of the statistics."""
    world = arrays(20)
    found = [measure(task(world, tmp_path, "random", seed=seed)) for seed in range(40)]
    releases = [cell.release for cell in found if cell.release]
    assert len(releases) == 40
    rejected = sum(release.p_value <= 0.05 for release in releases)
    assert rejected <= binom.ppf(0.999, 40, 0.05)
    assert np.mean([release.auc.value for release in releases]) == pytest.approx(0.5, abs=0.04)
    assert len({release.p_value for release in releases}) >= 30
    alarms = [cell.forensic.false_alarms for cell in found if cell.forensic]
    assert np.mean([rate.value for rate in alarms if rate]) == pytest.approx(0.05, abs=0.03)


def test_a_null_cell_finds_nothing_in_a_leaking_world(
    worlds: dict[str, Path], tmp_path: Path
) -> None:
    world = WorldArrays.read(worlds["leaking"])
    p = [
        cell.release.p_value
        for seed in range(4)
        if (cell := measure(task(world, tmp_path, "nearest_distance", True, seed))).release
    ]
    assert len(p) == 4
    assert min(p) > 0.01  # the leak itself gives .0001
    assert measure(task(world, tmp_path, "nearest_distance", True)).forensic is None


def test_a_world_in_memory_survives_its_file(tmp_path: Path) -> None:
    world = arrays(5)
    world.save(tmp_path / "w.npz")
    again = WorldArrays.load(tmp_path / "w.npz")
    for name, values in vars(world).items():
        assert (getattr(again, name) == values).all()
    assert [p.name for p in tmp_path.iterdir()] == ["w.npz"]
