"""What `vestige check` says of colour images, of volumes, and of files that cannot be read."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from story.world import call
from vestige.auditing.dry_run import dry_run
from vestige.auditing.options import AuditOptions
from vestige.worlds.folders import file_bytes

nibabel = pytest.importorskip("nibabel")
ROLES = ("generated", "used", "unused")
RATE = 0.1
"""Of ten unused images."""


def noise(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def folders(root: Path, shape: tuple[int, ...], suffix: str) -> dict[str, Path]:
    """Three roles of ten files each."""
    for role in ROLES:
        (root / role).mkdir(parents=True)
        for k in range(10):
            image = np.roll(noise(*shape), k + len(role))
            (root / role / f"p{k}{suffix}").write_bytes(file_bytes(image))
    return {role: root / role for role in ROLES}


def save(path: Path, shape: tuple[int, ...]) -> None:
    """A NIfTI file of any number of axes."""
    nibabel.save(nibabel.Nifti1Image(noise(*shape).astype(np.float32), np.eye(4)), path)


def test_colour_images_are_looked_at_in_colour(tmp_path: Path) -> None:
    found = dry_run(folders(tmp_path, (16, 16, 3), ".png"), AuditOptions(false_alarm_rate=RATE))
    assert (found.kind, found.refusals, found.warnings) == ("colour", [], [])
    assert found.roles["used"].sides == ("16 x 16",)


def test_volumes_are_looked_at_as_volumes(tmp_path: Path) -> None:
    roles = folders(tmp_path, (8, 8, 8), ".nii")
    save(roles["used"] / "p0.nii", (8, 8, 8, 3))
    save(roles["used"] / "p1.nii", (8, 8, 8, 3))
    found = dry_run(roles, AuditOptions(false_alarm_rate=RATE, dimensions="3d"))
    assert (found.kind, found.refusals) == ("volume", [])
    assert found.roles["used"].sides == ("8 x 8 x 8",)
    (line,) = found.warnings
    assert line.startswith("2 of 8 files of used looked at, the first used/p0.nii: ")


@pytest.mark.parametrize("shape", [(8, 8, 8, 3), (8, 8, 1)])
def test_a_role_without_a_volume_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    roles = folders(tmp_path, (8, 8, 8), ".nii")
    for k in range(10):
        save(roles["used"] / f"p{k}.nii", shape)
    found = dry_run(roles, AuditOptions(false_alarm_rate=RATE, dimensions="3d"))
    assert len(found.refusals) == 1
    assert "no readable image among the 8 files of used" in found.refusals[0]
    assert "only 8 were looked at" in found.refusals[0]


def test_a_role_of_one_array_that_is_no_image_is_refused(tmp_path: Path) -> None:
    roles: dict[str, Path] = folders(tmp_path, (16, 16), ".png")
    np.save(tmp_path / "two.npy", noise(10, 16, 16, 2))
    found = dry_run(roles | {"used": tmp_path / "two.npy"}, AuditOptions(false_alarm_rate=RATE))
    assert len(found.refusals) == 1 and "two.npy" in found.refusals[0]


def test_of_a_refused_kind_no_detectors_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roles = folders(tmp_path / "colour", (16, 16, 3), ".png")
    roles["generated"] = folders(tmp_path / "grey", (16, 16), ".png")["generated"]
    given = [x for role in ROLES for x in (f"--{role}", roles[role])]
    said = call(capsys, "check", *given, "--false-alarm-rate", RATE)
    assert said.code == 2 and "the generated images are grey" in said.err
    assert "A release audit.\n" in said.out
    assert "turned to grey" not in said.err
