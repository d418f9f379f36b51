"""Kill, interrupt, fill the disk: the same command goes on where it was."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phantom_reals import files, without_times, write_reals
from vestige.registry.entries import InputError
from vestige.worlds.build import build_world
from vestige.worlds.copier import Copier
from vestige.worlds.folders import write_folder
from vestige.worlds.record import REALS, Recipe, load_world


@pytest.mark.parametrize("stage", ["reading", "recipe", "query", "used", "training", "sampling"])
def test_a_call_that_was_interrupted_goes_on(
    stage: str, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_world(recipe, tmp_path / "whole")

    def stop(*given: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        if stage == "reading":
            broken.setattr("vestige.worlds.build.assign_groups", stop)
        elif stage == "recipe":
            broken.setattr("vestige.worlds.writing.write_folder", stop)
        elif stage in REALS:
            write = Path.replace
            broken.setattr(
                Path,
                "replace",
                lambda self, to: stop() if Path(to).name == stage else write(self, to),
            )
        elif stage == "training":
            broken.setattr(Copier, "fit", stop)
        else:
            broken.setattr(Copier, "sample", stop)
        with pytest.raises(KeyboardInterrupt):
            build_world(recipe, tmp_path / "w")
    with pytest.raises(InputError, match="unfinished" if stage != "reading" else "not a world"):
        load_world(tmp_path / "w")
    build_world(recipe, tmp_path / "w")
    assert without_times(tmp_path / "w") == without_times(tmp_path / "whole")


def test_a_killed_process_leaves_nothing_that_the_next_does_not_finish(
    recipe: Recipe, tmp_path: Path
) -> None:
    whole, root = tmp_path / "whole", tmp_path / "w"
    build_world(recipe, whole)
    options = {k: v for k, v in vars(recipe).items() if v is not None}
    killed = (
        "import os, signal\n"
        "from vestige.worlds import folders\n"
        "from vestige.worlds.build import build_world\n"
        "from vestige.worlds.record import Recipe\n"
        "write, left = folders.Path.write_bytes, 4\n"
        "def counted(path, content):\n"
        "    global left\n"
        "    left -= '.reference.' in str(path)\n"  # in the middle of its second folder
        "    if left == 0:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return write(path, content)\n"
        "folders.Path.write_bytes = counted\n"
        f"build_world(Recipe(**{options!r}), {str(root)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", killed], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(root.glob(".reference.*.tmp/*.png"))) == 3
    assert (root / "recipe.json").exists()
    assert not (root / "reference").exists()
    assert not (root / "world.json").exists()
    build_world(recipe, root)
    assert without_times(root) == without_times(whole)


def test_a_full_disk_is_one_line_and_claims_nothing(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_world(recipe, tmp_path / "whole")
    write, room = Path.write_bytes, [60]

    def fill(path: Path, content: bytes) -> int:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, content)

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", fill)
        with pytest.raises(InputError, match=r"cannot write .*No space left on device") as error:
            build_world(recipe, tmp_path / "w")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="unfinished"):
        load_world(tmp_path / "w")
    assert not list((tmp_path / "w").glob(".*"))
    build_world(recipe, tmp_path / "w")
    assert without_times(tmp_path / "w") == without_times(tmp_path / "whole")


def test_the_unfinished_world_of_changed_images_is_not_continued(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reals = write_reals(tmp_path / "reals")
    asked = replace(recipe, images=str(reals), groups=str(tmp_path / "groups.csv"))
    with monkeypatch.context() as broken:
        broken.setattr(Copier, "fit", lambda *given, **named: (_ for _ in ()).throw(OSError("no")))
        with pytest.raises(InputError, match="cannot write"):
            build_world(asked, tmp_path / "w")
    path = reals / "p00_000.png"
    kept = path.read_bytes()
    path.write_bytes((reals / "p00_001.png").read_bytes())
    with pytest.raises(InputError, match="images or groups have changed"):
        build_world(asked, tmp_path / "w")
    path.write_bytes(kept)
    table = tmp_path / "groups.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace(",p0", ",q0"), encoding="utf-8")
    with pytest.raises(InputError, match="images or groups have changed"):
        build_world(asked, tmp_path / "w")
    table.write_text(text, encoding="utf-8")
    build_world(asked, tmp_path / "w")


def test_foreign_files_in_a_role_are_not_removed(recipe: Recipe, tmp_path: Path) -> None:
    place = tmp_path / "used"
    write_folder(place, {"a.png": b"1", "b.png": b"2"})
    write_folder(place, {"a.png": b"1"} | {"b.png": b"3"})
    assert files(place) == {"a.png": b"1", "b.png": b"3"}
    (place / "notes.txt").write_bytes(b"mine")
    with pytest.raises(InputError, match="notes.txt"):
        write_folder(place, {"a.png": b"1", "b.png": b"2"})
    assert (place / "notes.txt").read_bytes() == b"mine"
