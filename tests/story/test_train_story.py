"""Train a detector on labelled images by command: break it off, go on, keep the model."""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

import vestige  # noqa: E402
from story.world import call, names, release, write  # noqa: E402
from vestige.images.reading import read_images  # noqa: E402
from vestige.nets.training import Training  # noqa: E402
from vestige.training.models import load_model  # noqa: E402

OPTIONS: dict[str, Any] = {
    "backbone": "tiny", "weights": "none", "size": 32, "epochs": 2, "draws": 32, "batch": 8,
    "neighbours": 3, "tokens": "single", "learning_rate": 1e-3,
}  # fmt: skip
FILES = ["model.json", "model.safetensors"]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def asked(options: dict[str, Any]) -> list[object]:
    return [part for name, value in options.items() for part in ("--option", f"{name}={value}")]


@pytest.fixture(scope="module")
def trained(leaking: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of one whole run from Python."""
    path = tmp_path_factory.mktemp("trained") / "model.safetensors"
    roles = (leaking / role for role in ("generated", "used", "unused"))
    vestige.train("siamese", *roles, groups=leaking / "groups.csv", options=OPTIONS, out=path)
    return path


def test_the_command_trains_what_python_trains(
    leaking: Path, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "deep" / "model.safetensors"
    said = call(capsys, "train", "siamese", *release(leaking), *asked(OPTIONS), "--out", out)
    assert (said.code, said.err) == (0, "")
    assert "siamese learned from 40 used and 40 unused images (80 groups)" in said.out
    assert "on held-out groups" in said.out and str(out) in said.out
    assert names(out.parent) == FILES
    assert out.read_bytes() == trained.read_bytes()
    detector, card = load_model(out)
    assert card.figures["epochs_done"] == 2
    assert 0 <= card.figures["held_out_auc"] <= 1
    images = read_images(leaking / "unused", role="unused")
    assert set(images.sha256) < set(card.training["learned_from"])
    assert np.ptp(detector.score_samples(images)) > 0


def test_the_card_names_nobody(leaking: Path, trained: Path) -> None:
    text = trained.with_suffix(".json").read_text() + trained.read_bytes().decode("latin-1")
    with (leaking / "groups.csv").open() as file:
        rows = list(csv.DictReader(file))
    private = {row["group"] for row in rows} | {Path(row["id"]).stem for row in rows}
    private |= {leaking.name, str(leaking), "groups.csv", str(trained.parent)}
    assert len(private) > 80
    assert not [word for word in private if word in text]


def test_it_answers_in_json(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    odd = tmp_path / "used"
    odd.mkdir()
    for file in (leaking / "used").iterdir():
        (odd / file.name).write_bytes(file.read_bytes())
    (odd / "zz.png").write_text("no picture")
    roles = ["--generated", leaking / "generated", "--used", odd, "--unused", leaking / "unused"]
    out = tmp_path / "out" / "model.safetensors"
    small = asked({name: OPTIONS[name] for name in ("backbone", "weights", "size")})
    command = ["train", "cosine_logistic", *roles, *small, "--out", out]
    said = call(capsys, *command, "--json")
    assert (said.code, said.err) == (0, "")
    answer = json.loads(said.out)
    assert answer["model"] == str(out)
    assert answer["training"]["counts"] == {"generated": 120, "used": 40, "unused": 40}
    assert answer["training"]["problems"] == len(answer["problems"]) > 0
    assert "used/zz.png" in [problem["path"] for problem in answer["problems"]]
    assert "learned_from" not in answer["training"]
    said = call(capsys, *command, "--quiet")
    assert (said.code, said.out) == (0, "")
    assert "vestige: error: used/zz.png" in said.err


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on(
    leaking: Path, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "model.safetensors"
    arguments = ["train", "siamese", *release(leaking), *asked(OPTIONS), "--out", out]
    killed = (
        "import os, signal, torch\n"
        "from vestige.nets import training\n"
        "from vestige.cli.main import main\n"
        "torch.set_num_threads(1)\n"
        "training.CHECKPOINT_SECONDS = 0.0\n"
        "note = training.Training.note\n"
        "def noted(self, step, **k):\n"
        "    if step == 4:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    note(self, step, **k)\n"
        "training.Training.note = noted\n"
        f"main({[str(a) for a in arguments]!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", killed], stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "model.training" / "loss.csv").exists()
    assert not out.exists()
    steps: list[int] = []
    note = Training.note
    with pytest.MonkeyPatch.context() as watch:
        watch.setattr(
            Training, "note", lambda self, step, **k: (steps.append(step), note(self, step, **k))
        )
        assert call(capsys, *arguments, "--quiet").code == 0
    assert 0 < steps[0] < 8
    assert out.read_bytes() == trained.read_bytes()
    assert names(tmp_path) == FILES


@pytest.mark.parametrize("checkpoint", [True, False])
def test_ctrl_c_says_how_to_go_on(
    checkpoint: bool, leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestige.nets.training.CHECKPOINT_SECONDS", 0.0)
    note = Training.note

    def press(self: Training, step: int, **losses: Any) -> None:
        if step == 2 * checkpoint:
            raise KeyboardInterrupt
        note(self, step, **losses)

    monkeypatch.setattr(Training, "note", press)
    out = tmp_path / "deep" / "model.safetensors"
    said = call(capsys, "train", "siamese", *release(leaking), *asked(OPTIONS), "--out", out)
    assert (said.code, said.out) == (130, "")
    folder = out.with_suffix(".training")
    how = f"goes on from {folder}" if checkpoint else "starts again"
    assert said.err == f"vestige: interrupted; the same command {how}.\n"
    assert not out.exists() and folder.exists() == checkpoint == out.parent.exists()


BAD: list[tuple[str, list[object], str]] = [
    ("siames", [], "Did you mean 'siamese'"),
    ("mc_ball", [], "mc_ball learns nothing from labels"),
    ("siamese", [], "needs the weights of its network"),
    ("siamese", ["--option", "weights=none", "--option", "backbone=x"], "unknown backbone 'x'"),
    ("siamese", ["--option", "epochs=many"], "option epochs must be a whole number"),
    ("siamese", ["--option", "depth=2"], "detector 'siamese' has no option 'depth'. Known: "),
    ("siamese", ["--option", "epochs"], "NAME=VALUE"),
    ("siamese", ["--option", "weights=/nowhere.pt"], "cannot read weights /nowhere.pt"),
    ("vit_canet", asked({"backbone": "tiny_vit", "weights": "none", "taps": "2,9", "size": 32}),
     "taps 2, 9 do not fit: this ViT has 4 blocks"),
    ("texture_pairs", ["--window", "5"], "--window takes CENTRE,WIDTH"),
    ("texture_pairs", ["--seed", "-1"], "seed -1 is not between 0 and 2^63"),
    ("texture_pairs", ["--unused", "/nowhere"], "/nowhere"),
    ("texture_pairs", ["--out", "/dev/null/m.safetensors"], "cannot write /dev/null/m"),
    ("texture_pairs", ["--out", "model.pt"], "a model is named *.safetensors"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "more", "message"), BAD)
def test_what_cannot_be_trained_is_one_line(
    name: str, more: list[object], message: str, leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    out = ["--out", tmp_path / "new" / "model.safetensors"]
    said = call(capsys, "train", name, *release(leaking), *out, *more)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("vestige: ") and said.err.count("\n") == 1
    assert message in said.err
    assert names(tmp_path) == []


def test_weights_of_another_kind_are_refused(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    from safetensors.numpy import save_file

    files = {name: tmp_path / name for name in ("other.safetensors", "short.safetensors", "odd.pt")}
    save_file({"fc.weight": np.zeros((2, 2), np.float32)}, files["other.safetensors"])
    whole = files["other.safetensors"].read_bytes()
    files["short.safetensors"].write_bytes(whole[:-3])
    torch.save(Path("model"), files["odd.pt"])
    for name, message in (
        ("other.safetensors", "are not those of squeezenet1_1"),
        ("short.safetensors", "are truncated or damaged"),
        ("odd.pt", "not a plain state dict: refused"),
    ):
        given = {"backbone": "squeezenet1_1", "weights": files[name], "size": 32}
        out = ["--out", tmp_path / "new" / "model.safetensors"]
        said = call(capsys, "train", "siamese", *release(leaking), *asked(given), *out)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert message in said.err
    assert names(tmp_path) == sorted(files)


@pytest.mark.parametrize("missing", ["used", "unused"])
def test_one_class_alone_teaches_nothing(
    missing: str, leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    empty = write(tmp_path / "empty", [])
    arguments: list[object] = []
    for role in ("generated", "used", "unused"):
        arguments += [f"--{role}", leaking / role]
    k = arguments.index(f"--{missing}")
    without = arguments[:k] + arguments[k + 2 :]
    for given, message in (
        (without, f"Missing option '--{missing}'"),
        ([*without, f"--{missing}", empty], str(empty)),
    ):
        out = ["--out", tmp_path / "new" / "m.safetensors"]
        said = call(capsys, "train", "texture_pairs", *given, *out)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert message in said.err
    assert names(tmp_path) == ["empty"]
