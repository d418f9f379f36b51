"""The papers' protocols from a challenge folder in one command; options addressed to protocols."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paper_trials import null_arrays
from story.world import call, write
from vestige.detectors import DETECTORS
from vestige.protocols import PROTOCOLS
from vestige.protocols import run as running
from vestige.protocols.addressed import parse_protocol_options
from vestige.protocols.parts import Job
from vestige.protocols.result import ProtocolCell
from vestige.protocols.run import run_protocols
from vestige.registry.entries import InputError
from vestige.worlds.record import load_world, verify_world


@pytest.fixture(scope="module")
def challenge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the organisers of 2025 hand it out, with patients in the names."""
    arrays, root = null_arrays(), tmp_path_factory.mktemp("challenge")
    for role, folder in (("used", "real_used"), ("unused", "real_not_used")):
        rows = np.flatnonzero(arrays.roles == role)
        for k in rows:
            write(root / folder, [arrays.reals[k]], f"p{arrays.groups[k]:03d}_{k:03d}.png")
    write(root / "generated", arrays.generated)
    return root


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Systems on worlds that were asked for, each answered in no time."""
    noted: list[Job] = []

    def measured(job: Job) -> ProtocolCell:
        noted.append(job)
        return ProtocolCell(job.world.name, job.system.name, None, None, None, {}, {})

    monkeypatch.setattr(running, "measure_system", measured)
    return noted


def command(challenge: Path, out: Path, *more: object) -> tuple[object, ...]:
    return (
        *("benchmark", "--imageclef", challenge, "--group-regex", r"p(\d+)"),
        *("--protocol", "paper", "--detector", "gan_isi", "--out", out, *more),
    )


def test_a_challenge_folder_becomes_a_world_and_is_evaluated(
    challenge: Path, tmp_path: Path, jobs: list[Job], capsys: Any
) -> None:
    said = call(capsys, *command(challenge, tmp_path, "--option", "gan_isi.size=16"))
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("1 rows over 1 worlds: ")
    record = verify_world(tmp_path / "imageclef")
    assert (record.counts["members"], record.counts["non_members"]) == (20, 20)
    assert record.groups["members"] == 10
    assert record.counts["query_used"] == record.counts["query_unused"] == 10
    (job,) = jobs
    assert (job.system.name, job.system.published.size) == ("gan_isi", 16)
    assert (tmp_path / "protocols.tex").exists()
    before = (tmp_path / "imageclef" / "world.json").read_bytes()
    assert call(capsys, *command(challenge, tmp_path)).code == 0
    assert (tmp_path / "imageclef" / "world.json").read_bytes() == before


def test_another_folder_is_another_world(
    challenge: Path, tmp_path: Path, jobs: list[Job], capsys: Any
) -> None:
    assert call(capsys, *command(challenge, tmp_path / "o")).code == 0
    shutil.copytree(challenge, tmp_path / "other")
    said = call(capsys, *command(tmp_path / "other", tmp_path / "o"))
    assert said.code == 2 and "holds a world of other folders: name a new --out" in said.err
    assert said.err.count("\n") == 1
    assert load_world(tmp_path / "o" / "imageclef").recipe.generator == "imported"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["world"], "which worlds? Name folders of worlds, or --imageclef DIR, not both."),
        (["--protocol", "papers"], "unknown --protocol 'papers'. Known: paper."),
        (["--seeds", "2"], "leave out others"),
        (["--figures"], "leave out others"),
        (["--option", "gan_isi.sise=16"], "has no option 'sise'"),
        (["--option", "gan=1"], "--option takes PROTOCOL.NAME=VALUE"),
        (["--option", "medhastra.size=32"], "options were given for medhastra"),
    ],
)
def test_wrong_turns_are_one_line(
    more: list[str], said: str, challenge: Path, tmp_path: Path, jobs: list[Job], capsys: Any
) -> None:
    found = call(capsys, *command(challenge, tmp_path / "o", *more))
    assert found.code == 2 and found.err.count("\n") == 1
    assert said in found.err
    assert jobs == []


def test_a_folder_without_a_side_is_refused(challenge: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(challenge / "generated", tmp_path / "c" / "generated")
    shutil.copytree(challenge / "real_used", tmp_path / "c" / "real_used")
    said = call(capsys, *command(tmp_path / "c", tmp_path / "o"))
    assert said.code == 2 and "has no folder of unused images" in said.err
    assert not (tmp_path / "o").exists()


def test_patients_are_for_challenge_folders_only(tmp_path: Path, capsys: Any) -> None:
    said = call(capsys, "benchmark", "w", "--group-regex", "p", "--out", tmp_path / "o")
    assert said.code == 2 and "worlds know their patients" in said.err
    assert call(capsys, "benchmark", "--out", tmp_path / "o").err.startswith(
        "vestige: which worlds?"
    )


def test_an_option_of_a_protocol_is_for_it_alone(
    challenge: Path, tmp_path: Path, jobs: list[Job], capsys: Any
) -> None:
    call(capsys, *command(challenge, tmp_path))
    jobs.clear()
    tiny = {"backbone": "tiny", "weights": "none", "size": 32}
    options = {
        "resnet50_retrieval": tiny,
        "zhou_ding_resnet50": {"size": 16},
        "gan_isi": {"size": 8},
    }
    names = ["zhou_ding_resnet50", "gan_isi"]
    run_protocols([tmp_path / "imageclef"], tmp_path / "b", protocols=names, options=options)
    assert [job.system.published.size for job in jobs] == [16, 8]  # the protocol's word wins
    assert parse_protocol_options(["zhou_ding_resnet50.size=16", "mc_ball.size=8"]) == {
        "zhou_ding_resnet50": {"size": 16},
        "mc_ball": {"size": 8},
    }
    with pytest.raises(InputError, match=r"Those that run: gan_isi \(texture_pairs\)"):
        run_protocols(
            [tmp_path / "imageclef"], tmp_path / "c", protocols=["gan_isi"],
            options={"scope": {"epochs": 1}},
        )  # fmt: skip
    assert not PROTOCOLS.keys() & DETECTORS.keys()  # an owner is one of both


def test_rows_of_the_import_are_printed(
    challenge: Path, tmp_path: Path, jobs: list[Job], capsys: Any
) -> None:
    folder = shutil.copytree(challenge, tmp_path / "challenge")
    tinted = np.zeros((16, 16, 3), np.uint8)
    tinted[:8, :, 0] = 200
    Image.fromarray(tinted).save(folder / "real_used" / "p000_999.png")
    said = call(capsys, *command(folder, tmp_path / "out"))
    assert said.code == 0
    assert "warning: " in said.err


def test_colour_is_refused_before_a_world_is_written(
    challenge: Path, tmp_path: Path, jobs: list[Job], capsys: Any
) -> None:
    folder, rng = tmp_path / "challenge", np.random.default_rng(0)
    for source in sorted(challenge.rglob("*.png")):
        place = folder / source.relative_to(challenge)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(place)
    said = call(capsys, *command(folder, tmp_path / "out"))
    assert said.code == 2
    assert "compare grey images" in said.err
    assert not (tmp_path / "out" / "imageclef").exists()
    assert jobs == []
