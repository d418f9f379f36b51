"""Worlds of colour images and of volumes: built, recorded, checked."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from story.world import call
from vestige.images.kinds import Kind
from vestige.images.reading import Wanted, read_images
from vestige.registry.entries import InputError
from vestige.testing.phantoms import PHANTOMS
from vestige.worlds.build import build_world
from vestige.worlds.check import check_world
from vestige.worlds.folders import SUFFIXES, file_bytes
from vestige.worlds.options import find_kind
from vestige.worlds.record import Recipe, load_world

SIDE = 16
KINDS: tuple[Kind, ...] = ("colour", "volume")


def source(folder: Path, kind: Kind, n: int = 40) -> Path:
    """A folder of phantoms."""
    folder.mkdir()
    levels = np.rint(255 * PHANTOMS[kind](n, np.random.default_rng(0), SIDE)).astype(np.uint8)
    for k, image in enumerate(levels):
        (folder / f"p{k:03d}{SUFFIXES[kind]}").write_bytes(file_bytes(image))
    return folder


def recipe_of(folder: Path, kind: Kind) -> Recipe:
    return Recipe(
        generator="copier",
        images=str(folder),
        members=8,
        samples=10,
        unused=8,
        reference=4,
        size=SIDE,
        kind=kind,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_is_built_in_its_kind_and_sound(kind: Kind, tmp_path: Path) -> None:
    recipe = recipe_of(source(tmp_path / "reals", kind), kind)
    record = build_world(recipe, tmp_path / "world")
    assert record.recipe.kind == load_world(tmp_path / "world").recipe.kind == kind
    assert json.loads((tmp_path / "world/world.json").read_text())["recipe"]["kind"] == kind
    assert [check.name for check in check_world(tmp_path / "world") if not check.passed] == []
    made = read_images(
        tmp_path / "world/generated", role="generated", size=SIDE, wanted=Wanted(kind=kind)
    )
    assert made.pixels.shape == (10, *PHANTOMS[kind](1, np.random.default_rng(0), SIDE).shape[1:])
    assert build_world(recipe, tmp_path / "world").sha256 == record.sha256


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_a_world_hold_the_images_as_they_were(kind: Kind, tmp_path: Path) -> None:
    folder = source(tmp_path / "reals", kind, 5)
    pixels = read_images(folder, role="images", size=SIDE, wanted=Wanted(kind=kind)).pixels
    levels = np.rint(255 * PHANTOMS[kind](5, np.random.default_rng(0), SIDE))
    np.testing.assert_allclose(pixels * 255, levels, atol=1e-3)


def test_a_grey_world_does_not_name_its_kind(recipe: Recipe, tmp_path: Path) -> None:
    """So it is byte for byte what earlier versions wrote, and theirs are read."""
    build_world(recipe, tmp_path / "world")
    assert "kind" not in json.loads((tmp_path / "world/world.json").read_text())["recipe"]
    assert load_world(tmp_path / "world").recipe.kind == "grey"


def test_kinds_that_do_not_go_are_refused_before_reading(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path / "nowhere", "volume")
    with pytest.raises(InputError, match="at most 64 voxels a side"):
        build_world(replace(recipe, size=96), tmp_path / "world")
    with pytest.raises(InputError, match="gan does not make 3-D volumes"):
        build_world(replace(recipe, generator="gan"), tmp_path / "world")
    with pytest.raises(InputError, match="unknown kind 'rgb'"):
        build_world(replace(recipe, kind="rgb"), tmp_path / "world")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_found_as_in_an_audit(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = source(tmp_path / "reals", kind)
    asked = (
        "--images", images, "--members", 8, "--samples", 10, "--unused", 8, "--reference", 4,
        "--size", SIDE, "--out", tmp_path / "w",
    )  # fmt: skip
    said = call(capsys, "world", "build", "copier", *asked)
    assert (said.code, said.err) == (0, "")
    assert load_world(tmp_path / "w").recipe.kind == kind
    assert "was there already" in call(capsys, "world", "build", "copier", *asked).out


def test_a_generator_of_pictures_is_not_given_volumes_as_slices(tmp_path: Path) -> None:
    images = str(source(tmp_path / "reals", "volume", 4))
    with pytest.raises(InputError, match="3-D volumes, which gan does not make: .* kind=grey"):
        find_kind("auto", images, "gan")
    assert find_kind("grey", images, "gan") == ("grey", ())
