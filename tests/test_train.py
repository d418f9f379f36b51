"""Training from Python: every learner, what the card says, and what cannot be trained or loaded."""

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

import vestige  # noqa: E402
from reference_worlds import reference_world  # noqa: E402
from small_detectors import SMALL, small_detector  # noqa: E402
from vestige.detectors import DETECTORS, DetectorEntry  # noqa: E402
from vestige.detectors.saving import write_model  # noqa: E402
from vestige.images.reading import read_images  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402
from vestige.training.models import load_model, pool_digest  # noqa: E402

WORLD = reference_world("copy", 3)
G, U, N = WORLD.generated[:30], WORLD.used[:12], WORLD.unused[:10]
X = np.concatenate([WORLD.used[12:16], WORLD.unused[12:16]])
LEARNERS = [name for name, choice in DETECTORS.items() if choice.needs_labels]
SHORT = {"draws": 8, "batch": 4}


def options(name: str, **more: Any) -> dict[str, Any]:
    short = SHORT if name.startswith("siamese") else {}
    return SMALL.get(name, {}) | short | more


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class Watched:
    """Keeps what it was given."""

    seed: int = 0
    seen: dict[str, Any] = field(init=False, default_factory=dict)

    def fit(
        self, generated: Any, used: Any = None, unused: Any = None, *, groups_used: Any = None,
        groups_unused: Any = None, folder: Any = None, progress: Any = None,
    ) -> Self:  # fmt: skip
        self.seen = dict(locals())
        return self

    def score_samples(self, images: Any) -> Any:
        return np.zeros(len(images))

    def save(self, path: Any, training: Any = None) -> None:
        write_model(path, "watched", {"seed": self.seed}, {}, {}, training)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = DetectorEntry("watched", lambda **given: Watched(**given), needs_labels=True)
    monkeypatch.setitem(DETECTORS, "watched", choice)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_scores_the_same_from_its_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "model.safetensors"
    detector = vestige.train(name, G, U, N, options=options(name), out=path)
    assert sorted(p.name for p in path.parent.iterdir()) == ["model.json", "model.safetensors"]
    loaded: Any
    loaded, card = load_model(path)
    assert type(loaded) is type(detector) and loaded == detector
    scores = detector.score_samples(X)
    assert np.ptp(scores) > 0
    np.testing.assert_array_equal(loaded.score_samples(X), scores)
    assert card.detector == name
    sets = [read_images(x, role="x") for x in (U, N)]
    assert card.training["learned_from"] == sorted(s for x in sets for s in x.sha256)
    assert card.training["counts"] == {"generated": 30, "used": 12, "unused": 10}
    assert card.training["working_size"] == 32
    loaded.save(tmp_path / "again.safetensors", card.training)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    assert (tmp_path / "again.json").read_bytes() == path.with_suffix(".json").read_bytes()


@pytest.mark.usefixtures("watched")
def test_it_learns_each_set_in_its_role_with_its_groups(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    rows = [f"{r}/{i:06d},{r[:2]}{i // 2}" for r, n in (("used", 12), ("unused", 10))
            for i in range(n)]  # fmt: skip
    table.write_text("\n".join(["id,group", *rows]))
    out = tmp_path / "m.safetensors"
    found: Any = vestige.train("watched", G, U, N, groups=table, seed=7, out=out)
    seen = found.seen
    for role, images in (("generated", G), ("used", U), ("unused", N)):
        np.testing.assert_array_equal(seen[role], images)
    assert seen["groups_used"].tolist() == [f"us{i // 2}" for i in range(12)]
    assert seen["groups_unused"].tolist() == [f"un{i // 2}" for i in range(10)]
    assert seen["folder"] == tmp_path / "m.training"
    assert found.seed == 7
    card = json.loads((tmp_path / "m.json").read_text())
    assert card["training"]["groups"] == 11
    assert card["training"]["groups_from"] == "CSV"
    assert len(card["training"]["patients_learned_from"]["digests"]) == 11
    with pytest.warns(UserWarning, match=r"10 group\(s\) .* are used as well"):
        found = vestige.train("watched", G, U, N, group_regex=r"(\d\d)$")
    assert found.seen["groups_used"].tolist() == [f"{i:02d}" for i in range(12)]
    assert found.seen["folder"] is None


@pytest.mark.usefixtures("watched")
def test_what_was_noticed_is_a_warning(tmp_path: Path) -> None:
    for k, image in enumerate(U):
        Image.fromarray(np.uint8(image * 255)).save(tmp_path / f"{k:02d}.png")
    (tmp_path / "odd.png").write_text("no picture")
    regex = r"(\d\d)(?:\.png)?$"
    with pytest.warns(UserWarning, match="odd.png|are used as well") as said:
        vestige.train("watched", G, tmp_path, N, group_regex=regex)
    assert ["used/odd.png" in str(w.message) for w in said] == [True, False]
    assert "10 group(s)" in str(said[1].message)


def test_a_pool_is_known_by_its_pictures_alone() -> None:
    first, again, other = (read_images(x, role="x") for x in (G, G[::-1].copy(), G[1:]))
    assert pool_digest(first) == pool_digest(again) != pool_digest(other)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("siames", {}, "unknown detector 'siames'. Did you mean 'siamese'"),
    ("mc_ball", {}, "mc_ball learns nothing from labels: use it in an audit .detectors=mc_ball"),
    ("siamese", {}, "siamese needs the weights of its network: options weights=FILE"),
    ("siamese_hybrid", {"options": {"weights": "none"}}, "options vit_weights=FILE"),
    ("siamese", {"options": {"weight": "x"}}, "does not take these options"),
    ("texture_pairs", {"options": {"seed": 1}}, "seed=N"),
    ("texture_pairs", {"seed": -1}, r"seed -1 is not between 0 and 2\^63"),
    ("texture_pairs", {"out": "model.pt"}, r"a model is named \*.safetensors, not model.pt"),
    ("texture_pairs", {"out": "/dev/null/m.safetensors"}, "cannot write /dev/null/m.safetensors"),
    ("texture_pairs", {"used": None}, "no used images were given: training needs used=DIR"),
    ("texture_pairs", {"unused": None}, "no unused images were given"),
    ("texture_pairs", {"unused": U}, "used and unused share 12 image"),
    ("texture_pairs", {"generated": G[:1]}, "1 generated image was read"),
    ("texture_pairs", {"group_regex": "("}, "is not valid"),
    ("siamese", {"used": U[:1], "options": SMALL["siamese"]}, "used has a single group"),
]


@pytest.mark.parametrize(("name", "given", "message"), REFUSED)
def test_what_cannot_be_trained_is_one_line(name: str, given: dict[str, Any], message: str) -> None:
    asked: dict[str, Any] = {"generated": G, "used": U, "unused": N} | given
    with pytest.raises(InputError, match=message) as caught:
        vestige.train(name, **asked)
    assert "\n" not in str(caught.value)


def test_nothing_remains_of_what_was_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="share 12 image"):
        vestige.train("texture_pairs", G, U, U, out=tmp_path / "a" / "b" / "m.safetensors")
    assert not list(tmp_path.iterdir())
    (tmp_path / "m.safetensors").mkdir()
    with pytest.raises(InputError, match="it is a folder"):
        vestige.train("texture_pairs", G, U, N, out=tmp_path / "m.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


@pytest.mark.parametrize("name", ["siamese", "siamese_hybrid", "vit_canet", "cosine_logistic"])
def test_images_smaller_than_a_patch_are_refused(name: str) -> None:
    vit = {"backbone": "tiny_vit"} if name in ("siamese", "cosine_logistic") else {}
    with pytest.raises(InputError, match=r"images of 6 x 6 px are smaller than one patch .*\(8 px"):
        small_detector(name, **vit).fit(G[:, :6, :6], U[:, :6, :6], N[:, :6, :6])


@pytest.mark.parametrize("missing", ["vestige.nets.training", "safetensors"])
def test_without_the_extra_one_line_says_so(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    name = "texture_pairs" if missing == "safetensors" else "cosine_logistic"
    with pytest.raises(InputError, match=rf"{name}.*pip install 'vestige\[deep\]'"):
        vestige.train(name, G, U, N, options=SMALL.get(name), out=tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


# --- the file
@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    vestige.train("texture_pairs", G, U, N, out=path)
    return path


def edit(path: Path, **changes: Any) -> None:
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | changes))


DAMAGE: list[tuple[Any, str]] = [
    (lambda p: p.write_bytes(p.read_bytes()[:-9]), "damaged or not the file model.json describes"),
    (lambda p: p.write_bytes(b""), "damaged or not the file"),
    (lambda p: p.unlink(), "model.safetensors not found: a model is"),
    (lambda p: p.with_suffix(".json").unlink(), "model.json not found: a model is"),
    (lambda p: p.with_suffix(".json").write_text("[1]"), "not the card of a model"),
    (lambda p: p.with_suffix(".json").write_text("{"), "not the card of a model"),
    (lambda p: p.with_suffix(".json").write_bytes(b"\xff\xfe"), "not the card of a model"),
    (lambda p: edit(p, schema=2), "not the card of a model of this version"),
    (lambda p: edit(p, training=[]), "not the card of a model of this version"),
    (lambda p: edit(p, detector="gan"), "a model of 'gan', which this version does not know"),
    (lambda p: edit(p, detector="mc_ball"), "a model of 'mc_ball', which this version"),
    (lambda p: edit(p, options={"sizes": 3}), "its options are not those of texture_pairs"),
    (lambda p: edit(p, detector="siamese"), "its options are not those of siamese"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_damaged_and_foreign_models_are_refused(
    damage: Any, message: str, model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / model.name
    for suffix in (".json", ".safetensors"):
        shutil.copy(model.with_suffix(suffix), copy.with_suffix(suffix))
    damage(copy)
    with pytest.raises(InputError, match=message) as caught:
        load_model(copy)
    assert "\n" not in str(caught.value)


def test_a_model_can_be_written_anew(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    detector: Any = load_model(model)[0]
    detector.save(path)
    assert load_model(path)[1].training == {}
    vestige.train("texture_pairs", G, U, N, options={"k": 2}, out=path)
    assert load_model(path)[1].options["k"] == 2


@pytest.mark.parametrize("stage", ["write", "replace", "second replace"])
def test_a_full_disk_leaves_the_earlier_model_or_none(
    stage: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    detector: Any = load_model(model)[0]
    detector.save(path)
    before = path.read_bytes()
    calls = 0
    method = "write_bytes" if stage == "write" else "replace"
    done = getattr(Path, method)

    def full(self: Path, given: Any) -> Any:
        nonlocal calls
        calls += 1
        if stage == "second replace" and calls == 1:
            return done(self, given)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, method, full)
    with pytest.raises(InputError, match=rf"cannot write {path}: No space left on device"):
        detector.save(path)
    monkeypatch.undo()
    there = sorted(p.name for p in tmp_path.iterdir())
    if stage == "write":
        assert there == ["m.json", "m.safetensors"] and path.read_bytes() == before
        load_model(path)
    else:
        assert there == []


def test_the_card_names_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    given = {"weights": "/home/smith/net.pt", "vit_weights": "none", "cache": "/home/smith", "k": 1}
    write_model(path, "x", given, {"a": np.array(1.5)}, {})
    options = json.loads(path.with_suffix(".json").read_text())["options"]
    assert options == {"weights": "net.pt", "vit_weights": "none", "cache": None, "k": 1}


def test_a_loaded_hybrid_asks_for_no_weights_file(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    detector: Any = vestige.train("siamese_hybrid", G, U, N, options=options("siamese_hybrid"))
    detector.vit_weights = "/gone/vit.safetensors"
    detector.save(path)
    scores = load_model(path)[0].score_samples(X)
    np.testing.assert_array_equal(scores, detector.score_samples(X))


# --- breaking off
class Killed(Exception):
    pass


def test_a_killed_training_goes_on_to_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestige.nets.training.CHECKPOINT_SECONDS", 0.0)
    asked = options("siamese")
    whole, path = tmp_path / "whole.safetensors", tmp_path / "m.safetensors"
    vestige.train("siamese", G, U, N, options=asked, out=whole)

    def kill(stage: str, done: int, total: int) -> None:
        if stage == "training" and done == 3:
            raise Killed

    with pytest.raises(Killed):
        vestige.train("siamese", G, U, N, options=asked, out=path, progress=kill)
    assert not path.exists()
    folder = tmp_path / "m.training"
    assert (folder / "checkpoint.safetensors").exists()
    with pytest.raises(InputError, match="belongs to other settings or images"):
        vestige.train("siamese", G, U, N, options=asked, out=path, seed=1)
    (folder / ".checkpoint.safetensors.99.tmp").touch()  # a kill while it was written
    told: list[int] = []
    vestige.train(
        "siamese", G, U, N, options=asked, out=path,
        progress=lambda stage, done, total: told.append(done) if stage == "training" else None,
    )  # fmt: skip
    assert told[0] == 3
    assert path.read_bytes() == whole.read_bytes()
    assert not folder.exists()


@pytest.mark.usefixtures("watched")
def test_a_folder_of_somebody_else_stays(tmp_path: Path) -> None:
    folder = tmp_path / "m.training"
    folder.mkdir()
    (folder / "notes.txt").touch()
    vestige.train("watched", G, U, N, out=tmp_path / "m.safetensors")
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]
