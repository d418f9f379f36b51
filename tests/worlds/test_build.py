import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from PIL import Image

from phantom_reals import SIZE, N, files, pixels, without_times, write_reals
from vestige.registry.entries import InputError
from vestige.types import Images
from vestige.worlds import GENERATORS, GeneratorEntry
from vestige.worlds.build import build_world
from vestige.worlds.copier import Copier
from vestige.worlds.options import parse_options
from vestige.worlds.record import (
    FOLDERS,
    REALS,
    Recipe,
    load_world,
    read_truth,
    verify_world,
)

PARTS = sorted([*FOLDERS, "truth.csv", "world.json"])


@dataclass
class Fake:
    """Keeps what it was given; samples are grey noise."""

    count: int = 0
    rate: float = 0.5
    flip: bool = False
    word: str = "a"
    figures: dict[str, float | str] = field(init=False, default_factory=dict)
    seen: list[dict[str, Any]] = field(init=False, default_factory=list)

    def fit(self, images: Images, seed: int = 0, **given: Any) -> Self:
        self.seen.append({"images": images, "seed": seed} | given)
        self.figures = {"steps": 7, "device": "cpu"}
        return self

    def sample(self, m: int, seed: int = 0) -> Images:
        size = self.seen[-1]["images"].shape[1:]
        levels = np.random.default_rng(seed).integers(0, 256, (m, *size))
        return (levels / 255).astype(np.float32)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A generator named "fake" whose one instance can be watched."""
    made = Fake()
    choice = GeneratorEntry("watched", lambda **options: made, strangers=True)
    monkeypatch.setitem(GENERATORS, "fake", choice)
    return made


def test_the_folders_hold_what_the_record_says(recipe: Recipe, tmp_path: Path) -> None:
    record = build_world(recipe, tmp_path / "w")
    assert sorted(p.name for p in (tmp_path / "w").iterdir()) == PARTS
    assert record == verify_world(tmp_path / "w") == load_world(tmp_path / "w")
    for part in FOLDERS:
        names = sorted(p.name for p in (tmp_path / "w" / part).iterdir())
        prefix = "g0" if part == "generated" else ""
        assert names == [f"{prefix}{k:04d}.png" for k in range(len(names))]
        assert len(names) == record.counts[part] > 0
    count = record.counts
    assert (count["members"], count["generated"]) == (30, 20)
    assert count["used"] + count["query_used"] == 30
    assert count["members"] + count["non_members"] + count["strangers"] + count["left_out"] == N
    assert record.groups_from == "the CSV file groups.csv: 108 images in 36 groups"
    assert record.figures["samples_per_second"] > 0
    assert {"vestige", "python", "numpy"} <= record.versions.keys()


def test_truth_names_every_real_once_under_its_patient(
    recipe: Recipe, reals: Path, tmp_path: Path
) -> None:
    build_world(recipe, tmp_path / "w")
    truth = read_truth(tmp_path / "w")
    found = sorted(f"{role}/{p.name}" for role in REALS for p in (tmp_path / "w" / role).iterdir())
    assert [row.id for row in truth] == found
    assert all(row.used == (row.role == "used") for row in truth if row.role != "query")
    patients = {pixels(p).tobytes(): p.name[:3] for p in reals.iterdir()}
    for row in truth:
        assert patients[pixels(tmp_path / "w" / row.id).tobytes()] == row.group


def test_names_say_nothing_about_status_or_patient(recipe: Recipe, tmp_path: Path) -> None:
    build_world(replace(recipe, generator="pca_gaussian", members=36, unused=36), tmp_path / "w")
    query = [row for row in read_truth(tmp_path / "w") if row.role == "query"]
    used = np.array([row.used for row in query])
    assert used.sum() == 18
    # neither sorted by status nor slices side by side; seeded, so this cannot flicker
    assert 10 < np.count_nonzero(used[1:] != used[:-1]) < 30
    neighbours = sum(a.group == b.group for a, b in pairwise(query))
    assert neighbours < 8
    told = (tmp_path / "w" / "world.json").read_text(encoding="utf-8")
    assert not re.search(r"\bp\d\d\b", told)


def test_the_generator_sees_the_members_and_the_strangers_and_nobody_else(
    recipe: Recipe, reals: Path, tmp_path: Path, fake: Fake
) -> None:
    record = build_world(replace(recipe, generator="fake", seed=5), tmp_path / "w")
    (given,) = fake.seen
    truth = read_truth(tmp_path / "w")
    used = [pixels(tmp_path / "w" / row.id) for row in truth if row.used]
    np.testing.assert_array_equal(given["images"], np.stack(used))
    assert given["images"].dtype == np.float32
    assert (given["seed"], given["folder"]) == (5, tmp_path / "w" / "training")
    names = {pixels(p).tobytes(): p.name[:3] for p in reals.iterdir()}
    strangers = {names[image.tobytes()] for image in given["strangers"]}
    assert len(given["strangers"]) == record.counts["strangers"] > 3
    assert not strangers & {row.group for row in truth}
    assert len(strangers) == record.groups["strangers"]
    assert record.figures["steps"] == 7
    drawn = np.stack([pixels(p) for p in sorted((tmp_path / "w" / "generated").iterdir())])
    np.testing.assert_array_equal(np.rint(drawn * 255), np.rint(fake.sample(20, 5) * 255))


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_another_world(
    recipe: Recipe, tmp_path: Path
) -> None:
    one = build_world(recipe, tmp_path / "one")
    two = build_world(recipe, tmp_path / "two")
    assert without_times(tmp_path / "one") == without_times(tmp_path / "two")
    assert one.sha256 == two.sha256
    other = build_world(replace(recipe, seed=1), tmp_path / "other")
    assert not set(one.sha256.values()) & set(other.sha256.values())


def test_a_finished_world_is_verified_and_left_alone(
    recipe: Recipe, tmp_path: Path, fake: Fake
) -> None:
    asked = replace(recipe, generator="fake")
    build_world(asked, tmp_path / "w")
    before = files(tmp_path / "w")
    build_world(asked, tmp_path / "w")
    assert files(tmp_path / "w") == before
    assert len(fake.seen) == 1
    (tmp_path / "w" / "used" / "0003.png").write_bytes(before["used/0004.png"])
    with pytest.raises(InputError, match="files of used .* have changed"):
        build_world(asked, tmp_path / "w")


def test_a_generator_that_refuses_leaves_nothing(
    recipe: Recipe, tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Fake, images: Images, seed: int = 0, **given: Any) -> Any:
        raise InputError("takes square images of 64 pixels")

    monkeypatch.setattr(Fake, "fit", refuse)
    with pytest.raises(InputError, match="64 pixels"):
        build_world(replace(recipe, generator="fake"), tmp_path / "w")
    assert not list((tmp_path / "w").iterdir())


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1])
def test_samples_that_are_no_images_are_refused(
    value: float, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = np.full((20, SIZE, SIZE), value, np.float32)
    monkeypatch.setattr(Copier, "sample", lambda self, m, seed: bad)
    with pytest.raises(InputError, match="no images of 32 pixels in 0..1"):
        build_world(recipe, tmp_path / "w")
    assert not (tmp_path / "w" / "world.json").exists()


def test_near_copies_in_two_groups_make_them_one(recipe: Recipe, tmp_path: Path) -> None:
    reals = write_reals(tmp_path / "reals")
    copy = np.rint(pixels(reals / "p00_000.png") * 255)
    copy += np.random.default_rng(0).integers(-1, 2, copy.shape)
    Image.fromarray(copy.clip(0, 255).astype(np.uint8)).save(reals / "p35_999.png")
    asked = replace(recipe, images=str(reals), groups=None, group_regex="(p[0-9]+)_")
    record = build_world(asked, tmp_path / "w")
    assert record.groups_from.endswith("109 images in 36 groups; near copies joined them to 35")
    assert "p35" not in {row.group for row in read_truth(tmp_path / "w")}


def test_without_groups_near_copies_are_the_groups(recipe: Recipe, tmp_path: Path) -> None:
    record = build_world(replace(recipe, groups=None), tmp_path / "w")
    assert record.groups_from.startswith("near-duplicate clustering")


def test_group_names_that_a_spreadsheet_would_run_come_back(
    recipe: Recipe, reals: Path, tmp_path: Path
) -> None:
    odd = ["=1+1", "'quoted", '"a,b"', "@x"]
    table = tmp_path / "odd.csv"
    rows = [
        f'{p.name},"{f"{odd[int(p.name[1:3]) % 4]}{p.name[:3]}".replace(chr(34), chr(34) * 2)}"'
        for p in reals.iterdir()
    ]
    table.write_text("\n".join(["id,group", *rows]), encoding="utf-8")
    build_world(replace(recipe, groups=str(table)), tmp_path / "w")
    found = {row.group for row in read_truth(tmp_path / "w")}
    assert {name.rpartition("p")[0] for name in found} == set(odd)
    text = (tmp_path / "w" / "truth.csv").read_text(encoding="utf-8")
    assert ",=1" not in text
    assert ",@" not in text


def test_options_take_the_type_that_the_generator_declares(monkeypatch: Any) -> None:
    monkeypatch.setitem(GENERATORS, "fake", GeneratorEntry("watched", Fake))
    texts = ["count=3", "rate=1", "flip=False", "word=7"]
    found = parse_options("fake", texts)
    assert found == {"count": 3, "rate": 1.0, "flip": False, "word": "7"}
    assert [type(value) for value in found.values()] == [int, float, bool, str]
    assert parse_options("fake", []) == {}
