"""What lists of files alone show to be impossible is refused before an image is read."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from vestige.auditing.before_reading import refuse_early
from vestige.images.listing import listed
from vestige.registry.entries import InputError

RATE = 0.05


def folder(place: Path, n: int, prefix: str = "p") -> Path:
    """Files that no reader could read: whoever opens them fails."""
    place.mkdir()
    for k in range(n):
        (place / f"{prefix}{k:03d}_0.png").write_bytes(b"not read")
    return place


def refused(roles: dict[str, Any], **how: Any) -> None:
    sources = {role: listed(source) for role, source in roles.items()}
    refuse_early(sources, "release", RATE, how.get("csv"), how.get("regex"))


def test_too_few_files(tmp_path: Path) -> None:
    roles = {"used": folder(tmp_path / "a", 30), "unused": folder(tmp_path / "b", 18, "q")}
    with pytest.raises(InputError, match="0.05 needs 19 unused images, 18 were given"):
        refused(roles)
    (tmp_path / "b" / "one_more.png").write_bytes(b"")
    refused(roles)


def test_too_few_patients(tmp_path: Path) -> None:
    roles = {"used": folder(tmp_path / "a", 30), "unused": folder(tmp_path / "b", 40, "q")}
    with pytest.raises(InputError, match="needs 19 unused patients, 4 were given"):
        refused(roles, regex=r"[pq]0\d")
    table = tmp_path / "groups.csv"
    rows = [f"used/p{k:03d}_0.png,u{k}" for k in range(30)]
    table.write_text(
        "\n".join(["id,group", *rows, *(f"q{k:03d}_0.png,{k // 4}" for k in range(40))])
    )
    with pytest.raises(InputError, match="needs 19 unused patients, 10 were given"):
        refused(roles, csv=table)
    # rows by image of a file: only reading tells
    table.write_text("id,group\nunused/q000_0.png#0,a\n")
    refused(roles, csv=table)


def test_every_patient_on_both_sides(tmp_path: Path) -> None:
    roles = {"used": folder(tmp_path / "a", 30), "unused": folder(tmp_path / "b", 30)}
    with pytest.raises(InputError, match="every unused image shares its group"):
        refused(roles, regex=r"p(\d+)")


def test_one_folder_in_two_roles(tmp_path: Path) -> None:
    roles = {"used": folder(tmp_path / "a", 30), "unused": folder(tmp_path / "b", 30)}
    for role, other in (("reference", "unused"), ("reference", "used"), ("unused", "used")):
        with pytest.raises(InputError, match=r"name 30 file\(s\) both, e.g. p000_0.png"):
            refused(roles | {role: roles[other]})


def test_arrays_count_their_images() -> None:
    images = np.zeros((18, 8, 8), np.uint8)
    with pytest.raises(InputError, match="needs 19 unused images, 18 were given"):
        refused({"used": images, "unused": images})


def test_the_audit_reads_nothing_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: Any, **__: Any) -> None:
        raise AssertionError("an image was read")

    module = import_module("vestige.auditing.gathering")
    monkeypatch.setattr(module, "_read", read)
    roles = {"used": folder(tmp_path / "a", 30), "unused": folder(tmp_path / "b", 5, "q")}
    made = folder(tmp_path / "g", 5, "g")
    with pytest.raises(InputError, match="needs 19 unused images, 5 were given"):
        vestige.audit(made, **roles)
