from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from vestige.registry.entries import InputError
from vestige.types import Float32s
from vestige.worlds.embedded import (
    Bytes,
    World,
    embedded_world,
    embedded_worlds,
    write_world,
)

SMALL = {"n_used": 20, "n_unused": 15, "n_generated": 40, "size": 64}


@pytest.fixture(scope="module")
def worlds() -> tuple[World, World]:
    return embedded_worlds(3, **SMALL)


def best_match(images: Bytes, reals: Bytes) -> Float32s:
    """Largest correlation of the fine detail of each image with that of any real."""

    def unit(stack: Bytes) -> Float32s:
        grey = stack.astype(np.float32)
        rows = (grey - ndimage.gaussian_filter(grey, (0, 2, 2))).reshape(len(stack), -1)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    return np.asarray((unit(images) @ unit(reals).T).max(axis=1), np.float32)


def test_both_worlds_share_reals_and_all_but_the_copies(
    worlds: tuple[World, World],
) -> None:
    leaking, clean = worlds
    np.testing.assert_array_equal(leaking.used, clean.used)
    np.testing.assert_array_equal(leaking.unused, clean.unused)
    differ = (leaking.generated != clean.generated).any(axis=(1, 2))
    np.testing.assert_array_equal(differ, leaking.truth.copied >= 0)
    assert differ.sum() == round(0.1 * 40)


def test_shapes_types_and_truth(worlds: tuple[World, World]) -> None:
    for world, leaking in zip(worlds, (True, False), strict=True):
        assert world.used.shape == (20, 64, 64)
        assert world.unused.shape == (15, 64, 64)
        assert world.generated.shape == (40, 64, 64)
        assert {a.dtype for a in (world.used, world.unused, world.generated)} == {
            np.dtype(np.uint8)
        }
        assert world.truth.leaking is leaking
        assert bool((world.truth.copied >= 0).any()) is leaking
        assert world.truth.copied.max() < 20


def test_no_patient_plays_two_roles(worlds: tuple[World, World]) -> None:
    leaking, _ = worlds
    used, unused = leaking.groups["used"], leaking.groups["unused"]
    assert len({*used, *unused}) == 35
    assert best_match(leaking.unused, leaking.used).max() < 0.65  # copies: 0.85 and more


def test_only_the_leaking_world_holds_near_copies(worlds: tuple[World, World]) -> None:
    leaking, clean = worlds
    copies = leaking.truth.copied >= 0
    near = best_match(leaking.generated[copies], leaking.used)
    far = best_match(clean.generated, clean.used)
    assert near.min() > far.max() + 0.15
    # what strangers have in common with the used is no more than what they share with the unused
    assert abs(np.mean(far) - np.mean(best_match(clean.generated, clean.unused))) < 0.1


@pytest.mark.slow
def test_one_world_is_the_same_as_one_of_the_pair(worlds: tuple[World, World]) -> None:
    for world in worlds:
        alone = embedded_world(world.truth.leaking, 3, **SMALL)
        for name in ("used", "unused", "generated"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(world, name))
        np.testing.assert_array_equal(alone.truth.copied, world.truth.copied)
        assert alone.groups == world.groups


def test_written_folders_hold_the_same_pixels(worlds: tuple[World, World], tmp_path: Path) -> None:
    leaking, clean = worlds
    write_world(leaking, tmp_path)
    write_world(clean, tmp_path, generated="generated_clean")  # beside it: same reals
    write_world(leaking, tmp_path)  # again, as after a kill
    for folder, images in (
        ("used", leaking.used),
        ("unused", leaking.unused),
        ("generated", leaking.generated),
        ("generated_clean", clean.generated),
    ):
        files = sorted((tmp_path / folder).iterdir())
        read = np.stack([np.asarray(Image.open(file)) for file in files])
        np.testing.assert_array_equal(read, images)
    lines = (tmp_path / "groups.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id,group"
    assert len(lines) == 36
    for line in lines[1:]:
        file, group = line.split(",")
        assert (tmp_path / file).is_file()
        assert group in file


def test_other_peoples_files_are_not_mixed_in(worlds: tuple[World, World], tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"mine\.png"):
        write_world(worlds[0], tmp_path)
    assert not (tmp_path / "groups.csv").exists()
    assert [file.name for file in (tmp_path / "used").iterdir()] == ["mine.png"]


def test_a_file_in_the_way_is_an_input_error(worlds: tuple[World, World], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        write_world(worlds[0], tmp_path / "taken")


def test_bad_numbers_are_named() -> None:
    with pytest.raises(InputError, match="n_used"):
        embedded_world(True, n_used=0)
    with pytest.raises(InputError, match="seed"):
        embedded_world(True, seed=-1)
    with pytest.raises(InputError, match="share"):
        embedded_world(True, share=2)
