"""A model trained once, then used by audits of other images; refused where it would lie."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs vestige[deep]")

import vestige
from reference_worlds import reference_world
from small_detectors import SMALL
from story.world import call
from vestige.registry.entries import InputError

WORLD = reference_world("copy", 5)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("model")
    roles = {
        "generated": WORLD.generated[:120],
        "used": WORLD.used[:40],
        "unused": WORLD.unused[:40],
        "query": np.concatenate([WORLD.used[40:70], WORLD.unused[40:70]]),
        "others": WORLD.unused[70:],
    }
    for role, images in roles.items():
        (root / role).mkdir()
        for i, image in enumerate(np.round(images * 255).astype(np.uint8)):
            Image.fromarray(image).save(root / role / f"{i:03d}.png")
    return root


@pytest.fixture(scope="module")
def model(folders: Path) -> Path:
    out = folders / "model.safetensors"
    known = [folders / role for role in ("generated", "used", "unused")]
    vestige.train("siamese", *known, options=SMALL["siamese"], out=out)
    return out


def test_a_model_judges_images_it_never_saw(
    folders: Path, model: Path, tmp_path: Path, capsys: Any
) -> None:
    asked = ("--generated", folders / "generated", "--query", folders / "query")
    checks = ("--unused", folders / "others", "--out", tmp_path)
    found = call(capsys, "audit", *asked, *checks, "--model", model, "--quiet")
    assert found.code == 0, found.err
    result = json.loads((tmp_path / "result.json").read_text())
    assert [set(f["columns"]) for f in result["findings"]] == [{"siamese_model"}] * 60
    (digest,) = result["manifest"]["weights_sha256"].values()
    assert digest == json.loads(model.with_suffix(".json").read_text())["sha256"]
    scores = {f["id"]: f["columns"]["siamese_model"] for f in result["findings"]}
    used = [scores[f"{i:03d}.png"] for i in range(30)]
    unused = [scores[f"{i:03d}.png"] for i in range(30, 60)]
    assert np.mean(used) > np.mean(unused)
    same = vestige.audit(
        folders / "generated", query=folders / "query", unused=folders / "others", models=[model]
    )
    assert {f.id: f.columns["siamese_model"] for f in same.findings} == scores


def test_a_model_stands_beside_named_detectors(folders: Path, model: Path) -> None:
    result = vestige.audit(
        folders / "generated",
        query=folders / "query",
        unused=folders / "others",
        detectors=["nearest_distance"],
        models=[model, model],
    )
    wanted = ["nearest_distance", "siamese_model", "siamese_model_2"]
    assert list(result.findings[0].columns) == wanted


@pytest.mark.parametrize(
    ("generated", "query", "unused", "said"),
    [
        ("generated", "query", "unused", "learned from 40 of the unused images"),
        ("generated", "used", "others", "learned from 40 of the query images"),
        ("others", "query", "unused", "trained beside other generated images"),
    ],
)
def test_a_model_does_not_judge_what_it_knows(
    folders: Path, model: Path, generated: str, query: str, unused: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        vestige.audit(
            folders / generated, query=folders / query, unused=folders / unused, models=[model]
        )


def test_a_model_that_tells_nothing_of_its_training_is_refused(
    folders: Path, model: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes(model.read_bytes())
    card = json.loads(model.with_suffix(".json").read_text())
    bare.with_suffix(".json").write_text(json.dumps(card | {"training": {}}))
    with pytest.raises(InputError, match="does not say what it learned from"):
        vestige.audit(
            folders / "generated", query=folders / "query", unused=folders / "others", models=[bare]
        )
