"""Benchmarks of worlds of colour images and of volumes."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.test_asked_objects import Nearest
from vestige.benchmark.arrays import WorldArrays
from vestige.benchmark.asked import ask_detectors
from vestige.benchmark.cells import Task, measure
from vestige.benchmark.run import run_benchmark
from vestige.detectors import DETECTORS
from vestige.images.kinds import Kind
from vestige.protocols.run import run_protocols
from vestige.registry.entries import InputError
from vestige.worlds.build import build_world
from vestige.worlds.folders import SUFFIXES, file_bytes
from vestige.worlds.record import Recipe, read_truth

SIDE = 8
KINDS: tuple[Kind, ...] = ("colour", "volume")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Path]:
    """A leaking world of each kind: 20 members, 20 others."""
    folder = tmp_path_factory.mktemp("worlds")
    for kind in KINDS:
        reals = folder / f"{kind}-reals"
        reals.mkdir()
        shape = {"colour": (SIDE, SIDE, 3), "volume": (SIDE, SIDE, SIDE)}[kind]
        levels = np.random.default_rng(0).integers(0, 256, (50, *shape), np.uint8)
        for k, image in enumerate(levels):
            (reals / f"p{k:03d}{SUFFIXES[kind]}").write_bytes(file_bytes(image))
        recipe = Recipe(
            generator="copier",
            images=str(reals),
            group_regex=r"p(\d+)",
            members=20,
            unused=20,
            reference=0,
            query_share=0.0,
            samples=15,
            size=SIDE,
            options={"share": 1.0},
            kind=kind,
        )
        build_world(recipe, folder / kind)
    return {kind: folder / kind for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_is_read_in_its_kind_and_measured(
    kind: Kind, worlds: dict[Kind, Path], tmp_path: Path
) -> None:
    arrays = WorldArrays.read(worlds[kind])
    assert arrays.kind == kind
    for row, real in zip(read_truth(worlds[kind]), arrays.reals, strict=True):
        assert (worlds[kind] / row.id).read_bytes() == file_bytes(real)
    arrays.save(tmp_path / "world.npz")
    cell = measure(Task(str(tmp_path / "world.npz"), "w", "0" * 64, "mc_ball", False, 0))
    release = cell.release
    assert release is not None and release.auc.value > 0.8


def test_detectors_of_pictures_are_refused_by_name_and_left_out_of_the_others(
    worlds: dict[Kind, Path], tmp_path: Path
) -> None:
    name = next(name for name, entry in DETECTORS.items() if entry.takes != "all")
    out = tmp_path / "out"
    with pytest.raises(InputError, match=f"{name} compares .*; 3-D volumes were given"):
        run_benchmark([worlds["volume"]], out, detectors=[name])
    with pytest.raises(InputError, match="compare grey images, the world colour holds colour"):
        run_protocols([worlds["colour"]], out)
    assert not out.exists()
    asked = ask_detectors(None, {}, frozenset({"grey", "volume"}))
    assert asked.entries and all(entry.takes == "all" for entry in asked.entries.values())


def test_a_detector_object_is_refused_where_volumes_are_compared() -> None:
    """A class of a user compares pictures; it was left out without a word."""
    asked = ask_detectors([Nearest()], {}, frozenset({"volume"}))
    with pytest.raises(InputError, match="Nearest compares grey images.*; 3-D volumes were given"):
        asked.weights({})
