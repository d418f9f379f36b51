"""Folder layouts of the challenge."""

from pathlib import Path

import pytest

from vestige.images.imageclef import open_imageclef
from vestige.registry.entries import InputError

TRAINING = "ImageCLEF25_GAN_Detect_Training_Data_Usage_training-dataset"

LAYOUTS = {
    "2023 development": {"generated": "generated", "used": "used", "unused": "not_used"},
    "2023 test": {"generated": "generated_1", "query": "real_unknown_1"},
    "2025 training": {"generated": "generated", "used": "real_used", "unused": "real_not_used"},
    "2025 test": {"generated": "generated", "query": "real_unknown"},
    "2025 all": {
        "generated": "generated",
        "used": "real_used",
        "unused": "real_not_used",
        "query": "real_unknown",
    },
    "2025 unpacked": {
        "generated": f"{TRAINING}/generated",
        "used": f"{TRAINING}/real_used",
        "unused": f"{TRAINING}/real_not_used",
    },
    "2025 training and test side by side": {
        "generated": "test/data/generated",
        "used": f"{TRAINING}/real_used",
        "unused": f"{TRAINING}/real_not_used",
        "query": "test/data/real_unknown",
    },
}


def make(root: Path, *folders: str) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)


@pytest.mark.parametrize("name", LAYOUTS)
def test_known_layouts(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    make(tmp_path, *layout.values(), "__MACOSX/generated", "scripts")
    found = open_imageclef(tmp_path)
    assert found == {role: tmp_path / folder for role, folder in layout.items()}


def test_two_pools_are_ambiguous(tmp_path: Path) -> None:
    make(
        tmp_path, "training/generated", "training/real_used", "test/generated", "test/real_unknown"
    )
    with pytest.raises(InputError, match=r"2 folders of generated .*test/generated, training/gen"):
        open_imageclef(tmp_path)
    assert set(open_imageclef(tmp_path / "test")) == {"generated", "query"}


@pytest.mark.parametrize(
    ("folders", "found"),
    [((), "none of them"), (("generated",), "generated"), (("real_used", "x"), "real_used")],
)
def test_missing_pieces_are_listed(tmp_path: Path, folders: tuple[str, ...], found: str) -> None:
    make(tmp_path, *folders)
    with pytest.raises(InputError, match=f"Found: {found}$"):
        open_imageclef(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_imageclef(tmp_path / "nowhere")
