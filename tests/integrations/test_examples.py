"""The examples of training loops run as they stand and say what their text says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vestige

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.slow


def run(name: str, *options: str, folder: Path) -> list[str]:
    """The last lines of what an example prints."""
    source = str(Path(vestige.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(EXAMPLES / name), *options],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": source, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if "vestige/auc" in line]


def test_the_lightning_trainer_stops_at_the_alarm(tmp_path: Path) -> None:
    pytest.importorskip("lightning", reason="needs vestige[lightning]")
    lines = run("watch_lightning.py", folder=tmp_path)
    assert "'vestige/alarm': 1.0" in lines[-1]
    assert not any("'vestige/alarm': 1.0" in line for line in lines[:-1])


def test_a_model_of_diffusers_is_watched(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    lines = run("watch_diffusers.py", "--epochs", "4", "--every", "2", folder=tmp_path)
    assert [line.split()[0] for line in lines] == ["6", "12"]
    assert "'vestige/looks': 2.0" in lines[-1]
