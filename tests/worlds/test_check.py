import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from phantom_reals import SIZE, pixels
from vestige.registry.entries import InputError
from vestige.worlds import GENERATORS
from vestige.worlds.build import build_world
from vestige.worlds.check import CHECKS, Opened, check_world
from vestige.worlds.record import FOLDERS, Recipe, TruthRow, digest_part, load_world, read_truth

NAMES = ["counts", "groups", "copies", "near copies", "format", "levels", "verbatim"]


@pytest.fixture(scope="module")
def built(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound world; read only."""
    root = tmp_path_factory.mktemp("built") / "w"
    asked = replace(recipe, generator="pca_gaussian", members=36, unused=36, reference=30)
    build_world(asked, root)
    return root


@pytest.fixture
def world(built: Path, tmp_path: Path) -> Path:
    """A copy of it that may be spoiled."""
    return Path(shutil.copytree(built, tmp_path / "w"))


def failed(root: Path) -> list[str]:
    return [check.name for check in check_world(root) if not check.passed]


def sign(root: Path, **changes: Any) -> None:
    """Write the digests again, as a build with such a fault would have."""
    path = root / "world.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    for part in (*FOLDERS, "truth.csv"):
        digest = digest_part(root / part)
        raw["sha256"].pop(part, None)
        raw["sha256"] |= {part: digest} if digest is not None else {}
    for name, count in changes.items():
        raw["counts"][name] += count
    path.write_text(json.dumps(raw), encoding="utf-8")


def change(path: Path, how: Callable[[Any], Any]) -> None:
    levels = np.rint(pixels(path) * 255)
    Image.fromarray(np.asarray(how(levels)).clip(0, 255).astype(np.uint8)).save(path)


def of_side(root: Path, used: bool, role: str = "") -> list[Path]:
    return [root / r.id for r in read_truth(root) if r.used == used and r.role.startswith(role)]


def edit_truth(root: Path, how: Callable[[list[list[str]]], None]) -> None:
    path = root / "truth.csv"
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    how(rows)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    sign(root)


def test_a_sound_world_passes_every_check(world: Path) -> None:
    checks = check_world(world)
    assert [check.name for check in checks] == NAMES == list(CHECKS)
    assert all(check.passed for check in checks), checks


@pytest.mark.parametrize(
    ("options", "generator"),
    [({"query_share": 0.0}, "copier"), ({"query_share": 1.0, "reference": 0}, "pca_gaussian")],
)
def test_a_world_without_some_roles_is_sound(
    options: dict[str, Any], generator: str, recipe: Recipe, tmp_path: Path
) -> None:
    build_world(replace(recipe, generator=generator, **options), tmp_path / "w")
    assert (tmp_path / "w" / "query").exists() is (options["query_share"] > 0)
    assert failed(tmp_path / "w") == []


@pytest.mark.parametrize("part", [*FOLDERS, "truth.csv"])
def test_a_changed_added_or_missing_file_is_named_by_its_role(part: str, world: Path) -> None:
    place = world / part
    path = place if place.is_file() else sorted(place.iterdir())[0]
    kept = path.read_bytes()
    path.write_bytes(kept + b" ")
    with pytest.raises(InputError, match=f"files of {part} .* have changed"):
        check_world(world)
    path.unlink()
    with pytest.raises(InputError, match=f"files of {part} "):
        check_world(world)
    path.write_bytes(kept)
    if place.is_dir():
        (place / "more").mkdir()
        with pytest.raises(InputError, match=f"files of {part} "):
            check_world(world)
        (place / "more").rmdir()
    assert failed(world) == []


def test_a_role_that_the_record_does_not_know_is_noticed(recipe: Recipe, tmp_path: Path) -> None:
    build_world(replace(recipe, query_share=0), tmp_path / "w")
    (tmp_path / "w" / "query").mkdir()
    with pytest.raises(InputError, match="files of query .* have changed"):
        check_world(tmp_path / "w")


def test_a_patient_in_two_roles_fails(world: Path) -> None:
    def move(rows: list[list[str]]) -> None:
        rows[-1][2] = next(row[2] for row in rows if row[1] == "unused")

    edit_truth(world, move)
    assert failed(world) == ["groups"]


def test_a_patient_among_used_and_unused_queries_fails(world: Path) -> None:
    def move(rows: list[list[str]]) -> None:
        query = [row for row in rows if row[1] == "query"]
        one = next(row for row in query if row[3] == "1")
        one[2] = next(row[2] for row in query if row[3] == "0")

    edit_truth(world, move)
    assert failed(world) == ["groups"]


@pytest.mark.parametrize("role", ["query", "unused", "reference"])
def test_the_same_picture_on_two_sides_fails(role: str, world: Path) -> None:
    (one, *_), (other, *_) = of_side(world, True, "used"), of_side(world, False, role)
    other.write_bytes(one.read_bytes())
    sign(world)
    assert failed(world) == ["copies", "near copies"]
    detail = next(check.detail for check in check_world(world) if check.name == "copies")
    assert detail == f"1 across sides: {' = '.join(sorted(p_id(world, p) for p in (one, other)))}"


def p_id(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def test_a_near_copy_on_two_sides_fails(world: Path) -> None:
    (one, *_), (other, *_) = of_side(world, True), of_side(world, False)
    other.write_bytes(one.read_bytes())
    change(other, lambda levels: levels + 1)
    sign(world)
    assert failed(world) == ["near copies"]


def test_a_copy_on_its_own_side_is_no_fault(world: Path) -> None:
    one, other = of_side(world, True, "query")[0], of_side(world, True, "used")[0]
    other.write_bytes(one.read_bytes())
    sign(world)
    assert failed(world) == []


def test_another_size_depth_or_mode_fails(world: Path) -> None:
    path = of_side(world, True)[0]
    kept = path.read_bytes()
    grey = Image.open(path)
    for other in (
        grey.resize((SIZE * 2, SIZE * 2)),
        grey.convert("RGB"),
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257),
    ):
        other.save(path)
        sign(world)
        assert "format" in failed(world)
    path.write_bytes(kept)
    sign(world)
    assert failed(world) == []


@pytest.mark.parametrize(
    "how",
    [
        lambda levels: levels.clip(60),
        lambda levels: levels.clip(0, 200),
        lambda levels: levels // 3 * 3,
        lambda levels: levels / 2,
        lambda levels: levels.mean() + 0.5 * (levels - levels.mean()),
    ],
)
def test_sides_of_other_grey_levels_fail(how: Callable[[Any], Any], world: Path) -> None:
    for path in of_side(world, False):
        change(path, how)
    sign(world)
    (check,) = (check for check in check_world(world) if not check.passed)
    assert check.name == "levels"
    assert "(12 and 22 groups)" in check.detail


def levels_of(built: Path, members: int, others: int, shift: float, seed: int) -> bool:
    """Whether two sides of groups with two images each pass; non-members are lighter by `shift`."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(members + others), 2)
    used = groups < members
    pixels = rng.uniform(0.2, 0.5, (members + others, 1, 1))[groups] + shift * ~used[:, None, None]
    pixels = (pixels + rng.uniform(0, 0.1, (len(groups), 8, 8))).clip(0, 1).astype(np.float32)
    truth = tuple(
        TruthRow(str(k), "query", str(g), bool(u))
        for k, (g, u) in enumerate(zip(groups, used, strict=True))
    )
    return CHECKS["levels"](Opened(load_world(built), truth, {}, (), (), pixels)).passed


@pytest.mark.parametrize(("members", "others"), [(4, 6), (12, 25), (60, 55)])
def test_sound_sides_rarely_fail_the_comparison_of_levels(
    members: int, others: int, built: Path
) -> None:
    passed = [levels_of(built, members, others, 0.0, seed) for seed in range(100)]
    assert passed.count(False) <= 2  # at most binomial(100, 0.001): more with p < 2e-4
    assert levels_of(built, members, others, 0.4, 0) is (members < 10)  # too few groups to tell


def test_a_real_image_among_the_generated_fails_unless_the_generator_may_copy(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = sorted((world / "generated").iterdir())[2]
    target.write_bytes(of_side(world, True)[0].read_bytes())
    sign(world)
    assert failed(world) == ["verbatim"]
    second = sorted((world / "generated").iterdir())[3]
    second.write_bytes(of_side(world, True)[1].read_bytes())
    sign(world)
    (check,) = (one for one in check_world(world) if not one.passed)
    assert check.detail == "2 of the generated images are real ones"
    allowed = replace(GENERATORS["pca_gaussian"], copies=True)
    monkeypatch.setitem(GENERATORS, "pca_gaussian", allowed)
    assert failed(world) == []


def test_counts_must_be_those_of_the_record(world: Path) -> None:
    sign(world, members=-1)
    assert failed(world) == ["counts"]
    sign(world, members=1)
    sorted((world / "reference").iterdir())[0].unlink()
    sign(world)
    (check,) = check_world(world)
    assert check.detail == "wrong: reference, truth.csv"
    sign(world, reference=-1)
    (check,) = check_world(world)
    assert check.detail == "wrong: truth.csv"


def test_used_images_must_be_called_used(world: Path) -> None:
    def swap(rows: list[list[str]]) -> None:
        rows[-1][3] = "0"
        next(row for row in rows if row[1] == "unused")[3] = "1"

    edit_truth(world, swap)
    (check,) = check_world(world)
    assert check.detail == "wrong: status"
