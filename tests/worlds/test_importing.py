"""Reals and samples of other people become a world; roles that overlap are refused or mended."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vestige
from phantom_reals import SIZE
from story.world import call
from vestige.benchmark.arrays import WorldArrays, forensic_rows
from vestige.registry.entries import InputError
from vestige.worlds import importing
from vestige.worlds.build import build_world
from vestige.worlds.check import check_world
from vestige.worlds.folders import file_bytes
from vestige.worlds.importing import Origin, Pair, RolesOverlap, import_world
from vestige.worlds.record import Recipe, load_world, read_truth


def seen(folder: Path) -> list[bytes]:
    """The pixels of a folder, whatever its files are called."""
    return sorted(np.asarray(Image.open(path)).tobytes() for path in folder.iterdir())


def table(world: Path) -> Path:
    """The groups of a world's reals, for an audit of its folders."""
    with (world.parent / f"{world.name}.csv").open("w", newline="") as file:
        rows = [(row.id, row.group) for row in read_truth(world)]
        csv.writer(file).writerows([("id", "group"), *rows])
    return world.parent / f"{world.name}.csv"


@pytest.fixture(scope="module")
def built(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaking world without queries: 30 members, 30 other reals, 20 near-copies."""
    out = tmp_path_factory.mktemp("built") / "w"
    options = {"share": 1.0}
    build_world(replace(recipe, query_share=0.0, reference=0, unused=30, options=options), out)
    return out


@pytest.fixture(scope="module")
def origin(built: Path) -> Origin:
    places = {"members": "used", "non_members": "unused", "generated": "generated"}
    return Origin(
        **{name: str(built / folder) for name, folder in places.items()},  # type: ignore[arg-type]
        groups=str(table(built)),
    )


def test_an_imported_world_is_sound_and_holds_the_same_pixels(
    built: Path, origin: Origin, tmp_path: Path
) -> None:
    record = import_world(origin, tmp_path / "w").record
    assert record == load_world(tmp_path / "w")
    assert [check for check in check_world(tmp_path / "w") if not check.passed] == []
    for role in ("used", "unused", "generated"):
        assert seen(tmp_path / "w" / role) == seen(built / role)
    assert (record.recipe.generator, record.recipe.size) == ("imported", SIZE)
    assert (record.counts["members"], record.counts["non_members"]) == (30, 30)
    assert str(tmp_path.parent) not in (tmp_path / "w" / "world.json").read_text()
    mine = {row.group for row in read_truth(tmp_path / "w") if row.used}
    assert mine == {row.group for row in read_truth(built) if row.used}


def test_an_imported_world_gives_the_audit_of_the_built_one(
    built: Path, origin: Origin, tmp_path: Path
) -> None:
    import_world(origin, tmp_path / "w")
    found = []
    for world in (built, tmp_path / "w"):
        result = vestige.audit(
            *(world / role for role in ("generated", "used", "unused")),
            groups=table(world),
            detectors=["nearest_distance"],
            false_alarm_rate=0.2,
            checks=False,
        )
        assert result.set_test is not None
        numbers = sorted((f.score, f.p_value) for f in result.findings)
        found.append((result.set_test, result.decision, numbers, len(result.copies)))
    assert found[0] == found[1]
    assert found[0][0].auc.value > 0.8  # something is there to be equal


def test_queries_are_whole_groups_of_both_sides(origin: Origin, tmp_path: Path) -> None:
    record = import_world(replace(origin, query_share=0.5), tmp_path / "w").record
    assert [check for check in check_world(tmp_path / "w") if not check.passed] == []
    assert record.counts["query_used"] > 0 and record.counts["query_unused"] > 0
    assert forensic_rows(WorldArrays.read(tmp_path / "w")).keys() == {"query", "used", "unused"}


def overlapping(built: Path, folder: Path) -> Origin:
    """Two members stand among the non-members too, one of them under its patient's own name."""
    for role in ("used", "unused", "generated"):
        shutil.copytree(built / role, folder / role)
    rows = {row.id: row.group for row in read_truth(built)}
    first, second = sorted(rows)[-1], sorted(rows)[-2]
    shutil.copy(built / first, folder / "unused" / "again.png")
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "unused" / "visit2.png")
    rows |= {"unused/again.png": "somebody", "unused/visit2.png": rows[second]}
    with (folder / "groups.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "group"), *rows.items()])
    return Origin(
        members=str(folder / "used"),
        non_members=str(folder / "unused"),
        generated=str(folder / "generated"),
        groups=str(folder / "groups.csv"),
    )


def test_roles_that_overlap_are_refused_with_all_pairs(built: Path, tmp_path: Path) -> None:
    origin = overlapping(built, tmp_path)
    with pytest.raises(RolesOverlap, match=r"2 non-members share .* shared=drop") as refused:
        import_world(origin, tmp_path / "w")
    rows = {row.id.partition("/")[2]: row.group for row in read_truth(built) if row.used}
    first, second = sorted(rows)[-1], sorted(rows)[-2]
    pairs = set(refused.value.pairs)
    assert Pair(first, "again.png", "same pixels") in pairs
    mates = {name for name, group in rows.items() if group == rows[second]}
    assert {(p.member, p.by) for p in pairs if p.non_member == "visit2.png"} == {
        (name, "same patient") for name in mates
    }
    others = {p.member for p in pairs if p.non_member == "again.png"}
    assert others == {name for name, group in rows.items() if group == rows[first]}
    assert not (tmp_path / "w").exists()


def test_shared_images_are_dropped_from_the_unused_and_recorded(
    built: Path, tmp_path: Path
) -> None:
    origin = replace(overlapping(built, tmp_path), shared="drop")
    record = import_world(origin, tmp_path / "w").record
    assert [check for check in check_world(tmp_path / "w") if not check.passed] == []
    assert seen(tmp_path / "w" / "unused") == seen(built / "unused")
    assert record.counts["left_out"] == 2
    assert record.recipe.options["shared"] == "drop"
    assert record.figures["dropped: same pixels"] == 1
    assert record.figures["dropped: same patient"] >= 1  # visit2.png


def test_the_command_lists_pairs_and_writes_nothing(
    built: Path, tmp_path: Path, capsys: Any
) -> None:
    origin = overlapping(built, tmp_path)
    command = [
        *("world", "import", "--members", origin.members, "--non-members", origin.non_members),
        *("--generated", origin.generated, "--groups", origin.groups, "--out", tmp_path / "w"),
    ]
    said = call(capsys, *command)
    assert said.code == 2 and said.err.count("\n") == 1
    assert " = again.png (same pixels)\n" in said.out
    assert not (tmp_path / "w").exists()
    dropped = call(capsys, *command, "--shared", "drop")
    assert (dropped.code, dropped.err) == (0, "")
    assert "2 non-members share images or patients with members: left out." in dropped.out
    again = call(capsys, *command, "--shared", "drop")
    assert again.code == 2 and "is there already: name a new folder" in again.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"members": "absent"}, "absent"),
        ({"generated": "empty"}, "no image in folder .*empty"),
        ({"shared": "keep"}, "refuse, drop"),
        ({"query_share": 2.0}, "query_share= must lie in 0..1"),
        ({"size": 4}, "size= must lie in 8..1024"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    origin: Origin, change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    place = {
        k: str(tmp_path / v) if k in ("members", "generated") else v for k, v in change.items()
    }
    with pytest.raises(InputError, match=said) as refused:
        import_world(replace(origin, **place), tmp_path / "w")
    assert "\n" not in str(refused.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty"]


def test_colour_passes_as_it_is(tmp_path: Path) -> None:
    lot = np.random.default_rng(1)
    for role, n in (("a", 4), ("b", 4), ("c", 3)):
        (tmp_path / role).mkdir()
        for k in range(n):
            picture = lot.integers(0, 256, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(picture).save(tmp_path / role / f"{role}{k}.png")
    places = [str(tmp_path / role) for role in "abc"]
    origin = Origin(members=places[0], non_members=places[1], generated=places[2])
    record = import_world(origin, tmp_path / "w").record
    assert record.recipe.kind == "colour"
    for role, folder in (("used", "a"), ("unused", "b"), ("generated", "c")):
        assert seen(tmp_path / "w" / role) == seen(tmp_path / folder)


def noise(folder: Path, n: int, *shape: int, suffix: str = ".png", seed: int = 0) -> str:
    folder.mkdir()
    levels = np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)
    for k, image in enumerate(levels):
        (folder / f"{folder.name}{k}{suffix}").write_bytes(file_bytes(image))
    return str(folder)


def test_what_an_audit_says_of_the_folders_is_told_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nibabel = pytest.importorskip("nibabel")
    members = noise(tmp_path / "a", 4, 8, 8, 8, suffix=".nii", seed=1)
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:5, 2:5, 2:5] = 1
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), tmp_path / "a" / "label.nii")
    others = noise(tmp_path / "b", 4, 8, 8, 8, suffix=".nii", seed=2)
    made = noise(tmp_path / "c", 3, 8, 8, 8, suffix=".nii", seed=3)
    said = call(
        capsys, "world", "import", "--members", members, "--non-members", others,
        "--generated", made, "--out", tmp_path / "w",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "vestige: warning: members/label.nii: " in said.err
    assert load_world(tmp_path / "w").figures["not judged: members"] == 1


def test_several_kinds_of_images_are_told(tmp_path: Path) -> None:
    origin = Origin(
        members=noise(tmp_path / "a", 4, 16, 16, 3, seed=1),
        non_members=noise(tmp_path / "b", 4, 16, 16, seed=2),
        generated=noise(tmp_path / "c", 3, 16, 16, 3, seed=3),
    )
    found = import_world(origin, tmp_path / "w")
    assert "members and generated hold colour images, non_members grey ones" in {
        row.what for row in found.problems
    }


def test_the_name_of_the_world_comes_last(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(folder: Path) -> None:
        assert (folder / "world.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(importing, "check_world", interrupted)
    with pytest.raises(KeyboardInterrupt):
        import_world(origin, tmp_path / "w")
    assert list(tmp_path.iterdir()) == []
