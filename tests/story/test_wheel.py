"""The wheel, installed into an environment of its own: everything that runs is inside."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import vestige
from docs_blocks import ROOT
from vestige.worlds.embedded import embedded_world, write_world

pytestmark = pytest.mark.slow


def run(*words: object, code: int = 0) -> str:
    """Run a program without the environment variables that would lend it the source."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, cwd="/", env=kept
    )
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without a network, by the hatchling of the test environment."""
    for needed in ("hatchling", "pip"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not in this environment")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("vestige/")}
    source = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/vestige").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert inside == source
    # templates, style, schema, marker of types
    assert {Path(name).suffix for name in inside} == {".py", ".j2", ".css", ".json", ".typed"}


def test_the_installed_command_audits(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env")
    bin_ = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    python, command = bin_ / "python", bin_ / "vestige"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run(*pip, "--no-deps", "--no-index", wheel)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # the dependencies are lent, not the source: a .pth of a lent folder is not read
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    where = run(python, "-c", "import vestige; print(vestige.__file__)").strip()
    assert Path(where).is_relative_to(tmp_path)
    assert run(command, "--version").strip() == vestige.__version__
    world = embedded_world(True, n_used=20, n_unused=20, n_generated=60, size=32, share=0.3)
    root, out = write_world(world, tmp_path / "images"), tmp_path / "out"
    folders = [w for role in ("generated", "used", "unused") for w in (f"--{role}", root / role)]
    said = run(command, "audit", *folders, "--groups", root / "groups.csv", "--out", out, "--quiet")
    assert said == ""
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Copies found" in page and "<style>" in page
    run(command, "report", out / "result.json", "--redact", "--out", out / "board.html")
