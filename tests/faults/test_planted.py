"""Strings that identify a patient, planted wherever they fit, are found in no wrong place."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from small_detectors import SMALL
from story.world import sixteen, write
from vestige.worlds.copier import Copier
from vestige.worlds.phantom import chest_phantoms

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="looks at processes of Unix"),
]
TAGS = ("PLANTNAME", "PLANTMRN", "PLANTINST", "PLANTUID", "PLANTACC", "PLANTDOC")
PLACES = ("PLANTFOLDER", "PLANTFILE", "PLANTGROUP")
RUN = """
import sys, vestige.engine.processes, vestige.images.reading
vestige.engine.processes.START_SECONDS = 0.0
vestige.images.reading.SHARD_FILES = 4
from vestige.cli.main import main
main(sys.argv[1:])
"""


def dicom(path: Path, stored: np.ndarray[Any, Any], k: int) -> None:
    import pydicom

    import hostile

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(hostile.dicom(stored))
    dataset = pydicom.dcmread(path)
    dataset.PatientName, dataset.PatientID = f"PLANTNAME^{k}", f"PLANTMRN{k}"
    dataset.InstitutionName, dataset.AccessionNumber = "PLANTINST", "PLANTACC"
    dataset.ReferringPhysicianName = "PLANTDOC"
    for tag in ("StudyInstanceUID", "SeriesInstanceUID"):
        dataset.add_new(tag, "LO", f"PLANTUID.{k}")
    dataset.save_as(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DICOM reals with planted tags, one of them damaged; names and the list hold plants, too."""
    pytest.importorskip("pydicom", reason="needs vestige[medical]")
    root = tmp_path_factory.mktemp("planted") / "PLANTFOLDER"
    images, _ = chest_phantoms(24 * 2 + 30, 32, seed=4)
    used, unused, strangers = np.split(images, (24, 48))
    generated = Copier(share=0.3).fit(used, strangers=strangers).sample(60, 0)
    write(root / "generated", sixteen(generated))
    rows = ["id,group"]
    for role, pixels in (("used", used), ("unused", unused)):
        for k, picture in enumerate(sixteen(pixels)):
            dicom(root / role / f"PLANTFILE{k}.dcm", picture, k)
            rows.append(f"{role}/PLANTFILE{k}.dcm,PLANTGROUP{role}{k}")
    bad = root / "used" / "PLANTFILEbad.dcm"
    bad.write_bytes((root / "used" / "PLANTFILE0.dcm").read_bytes()[:900])
    odd = root / "used" / "PLANTFILEodd.dcm"
    whole = (root / "used" / "PLANTFILE1.dcm").read_bytes()
    odd.write_bytes(whole.replace(b"MONOCHROME2 ", b"PLANTNAME^X "))
    (root / "groups.csv").write_text("\n".join(rows) + "\n")
    return root


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        yield path.relative_to(folder).as_posix(), path.read_bytes() if path.is_file() else b""


def held(content: bytes, plants: tuple[str, ...]) -> list[str]:
    """The plants that stand in some bytes, in any usual coding."""
    codings = ("utf-8", "utf-16-le", "utf-16-be")
    return [plant for plant in plants if any(plant.encode(c) in content for c in codings)]


def watched(process: subprocess.Popen[bytes]) -> set[str]:
    """The command lines of all children that the process has until it ends."""
    seen: set[str] = set()
    try:
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            for child in parent.children(recursive=True):
                try:
                    seen.add(" ".join(child.cmdline()))
                except psutil.Error:
                    continue
            time.sleep(0.01)
    except psutil.NoSuchProcess:
        pass
    return seen


def test_no_plant_is_found_where_none_may_be(world: Path, tmp_path: Path) -> None:
    out, cache, temporary = (tmp_path / name for name in ("out", "cache", "tmp"))
    temporary.mkdir()
    roles = [part for role in ("generated", "used", "unused") for part in (f"--{role}", role)]
    asked = [*roles, "--groups", "groups.csv", "--detector", "nearest_distance", "--no-checks",
             "--engine", "local:2", "--cache", str(cache), "--out", str(out)]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(temporary)}
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment}
    command = [sys.executable, "-c", RUN]
    run = subprocess.Popen([*command, "audit", *asked], cwd=world, **pipes)
    lines = watched(run)
    said, complained = run.communicate(timeout=60)
    assert (run.returncode, complained) == (0, b"")
    assert lines and not held("\n".join(lines).encode(), TAGS + PLACES)
    assert not held(said, TAGS)
    assert list(files(temporary)) == []

    kept = list(files(cache))
    assert len(kept) > 10
    for name, content in kept:
        assert not held(name.encode(), TAGS + PLACES), name
        assert not held(content, TAGS + PLACES), name

    written = dict(files(out))
    assert held(written["result.json"], PLACES) == ["PLANTFILE", "PLANTGROUP"]  # ids and groups
    for name, content in written.items():
        assert not held(content, (*TAGS, "PLANTFOLDER")), name

    page = tmp_path / "board.html"
    redact = ["report", str(out / "result.json"), "--redact", "--out", str(page)]
    done = subprocess.run([*command, *redact], cwd=world, check=True, **pipes)
    assert not held(page.read_bytes() + done.stdout + done.stderr, (*TAGS, *PLACES))


@pytest.mark.filterwarnings("ignore:used/PLANTFILE")
def test_a_model_holds_no_plant(world: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs vestige[deep]")
    from vestige.training.train import train

    trained = train(
        "siamese", world / "generated", world / "used", world / "unused",
        groups=world / "groups.csv", options=SMALL["siamese"], out=tmp_path / "model.safetensors",
    )  # fmt: skip
    assert trained is not None
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["model.json", "model.safetensors"]
    for name, content in files(tmp_path):
        assert not held(content, (*TAGS, *PLACES)), name


def test_a_lost_worker_names_a_file_and_no_tag(world: Path) -> None:
    from vestige.images.reading import read_images

    rows = read_images(world / "used", role="used", size=8).problems
    assert {"used/PLANTFILEbad.dcm", "used/PLANTFILEodd.dcm"} <= {row.path for row in rows}
    assert not held("\n".join(row.what for row in rows).encode(), TAGS)
