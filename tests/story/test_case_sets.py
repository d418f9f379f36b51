"""Eight sets that went wrong on the whole way from folders to a decision: each ends right.

The script that makes them lies beside the repository.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from story.world import call
from vestige.result import AuditResult

MAKE = Path(__file__).resolve().parents[3] / "shared/cases/sets/make.py"
pytestmark = pytest.mark.skipif(not MAKE.is_file(), reason="the script of the sets is not here")
QUICK = ["--detector", "nearest_distance_contrast"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    subprocess.run([sys.executable, str(MAKE), str(folder)], check=True, capture_output=True)
    return folder


@dataclass(frozen=True)
class Ended:
    """An audit at the gate: its exit code, its lines, its result."""

    code: int
    out: str
    result: AuditResult

    @property
    def groups(self) -> int:
        found = {f.group for f in self.result.findings}
        return len(found | set(self.result.calibration.groups))

    def check(self, name: str) -> bool:
        return next(check.passed for check in self.result.checks if check.name == name)


def audited(
    capsys: Any, sets: Path, generated: str, used: str, unused: str, *more: object
) -> Ended:
    out = sets / "out" / generated / used
    said = call(
        capsys, "audit", "--generated", sets / generated, "--used", sets / used,
        "--unused", sets / unused, "--gate", "--out", out, *QUICK, *more,
    )  # fmt: skip
    return Ended(said.code, said.out, AuditResult.load(out / "result.json"))


def test_copies_that_are_inverted_are_found(capsys: Any, sets: Path) -> None:
    ended = audited(capsys, sets, "png/gen_copies_inverted", "png/used", "png/unused")
    assert ended.code == 3
    assert len(ended.result.copies) == 60
    assert "polarity" in ended.out


def test_copies_in_another_format_are_read(capsys: Any, sets: Path) -> None:
    ended = audited(capsys, sets, "png/gen_copies_in_pgm", "png/used", "png/unused")
    assert ended.code == 3
    assert len({copy.generated for copy in ended.result.copies}) == 60


def test_copies_in_a_format_that_is_not_read_keep_the_gate_shut(capsys: Any, sets: Path) -> None:
    folder = sets / "png/gen_copies_unread"
    folder.mkdir()
    for path in (sets / "png/gen_copies_in_pgm").iterdir():
        unread = path.suffix == ".pgm"
        data = b"NRRD0004\n" + path.read_bytes() if unread else path.read_bytes()
        (folder / f"{path.stem}{'.nrrd' if unread else '.png'}").write_bytes(data)
    ended = audited(capsys, sets, "png/gen_copies_unread", "png/used", "png/unused")
    assert ended.code == 4
    assert "60 of 240 generated files could not be read" in ended.out


def test_a_synthetic_hold_out_is_no_hold_out(capsys: Any, sets: Path) -> None:
    ended = audited(capsys, sets, "png/gen_clean", "png/used", "png/gen_clean_first_120")
    assert ended.code == 4
    assert "120 generated images are copies of unused images" in ended.out


def test_swapped_roles_are_told(capsys: Any, sets: Path) -> None:
    ended = audited(capsys, sets, "png/gen_copies", "png/unused", "png/used")
    assert ended.code == 4
    assert {copy.role for copy in ended.result.copies} == {"unused"}
    assert sorted(copy.generated for copy in ended.result.copies) == [
        f"img_{k:03d}.png" for k in range(60)
    ]
    assert "60 generated images are copies of unused images" in ended.out
    assert "check that no roles are swapped" in ended.out


def test_volumes_are_patients(capsys: Any, sets: Path) -> None:
    ended = audited(
        capsys, sets, "png/gen_clean", "volumes/used", "volumes/unused", "--false-alarm-rate", 0.2
    )
    assert ended.code == 4
    assert ended.groups == 16
    assert ended.check("preparation")
    assert "not prepared alike" not in ended.out


def test_one_lost_id_is_one_row(capsys: Any, sets: Path) -> None:
    ended = audited(capsys, sets, "png/gen_clean", "ids_one_missing/used", "ids_one_missing/unused")
    assert ended.groups == 48
    assert ended.result.question.patient_ids
    [row] = ended.result.problems
    assert row.path == "unused/00_0.dcm"
    assert row.what.startswith("1 of 144 images have no DICOM patient id")


def test_a_placeholder_everywhere_is_named(capsys: Any, sets: Path) -> None:
    ended = audited(capsys, sets, "png/gen_clean", "anon/used", "anon/unused")
    assert ended.code == 4
    assert "all patient ids are the placeholder ANONYMOUS" in ended.result.question.groups_from
    assert "give --groups or --group-regex" in ended.out
    assert ended.groups == 48  # by series
    [row] = ended.result.problems
    assert row.what.startswith("144 images have the placeholder ANONYMOUS as DICOM patient id")


def test_decomposed_names_match_a_composed_table(capsys: Any, sets: Path) -> None:
    ended = audited(
        capsys, sets, "png/gen_clean", "nfd/used", "nfd/unused", "--groups", sets / "nfd/nfc.csv"
    )
    assert ended.groups == 48
    assert {f.group for f in ended.result.findings} == {f"used{k}" for k in range(24)}
    assert ended.result.problems == ()
