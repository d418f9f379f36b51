"""Options of detectors in an audit: given by name, written down; no download unasked."""

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from reference_worlds import reference_world
from vestige.detectors import DETECTORS
from vestige.registry.entries import InputError
from vestige.scoring.plan import parse_options, plan_columns, weights_digests

WORLD = reference_world("copy", 0)
SETS: dict[str, Any] = {
    "generated": WORLD.generated[:40],
    "used": WORLD.used[:24],
    "unused": WORLD.unused[:24],
}


def test_options_reach_their_detector_and_the_manifest() -> None:
    chosen = {"mc_ball": {"size": 8}}
    plain, other = (
        vestige.audit(**SETS, detectors=["mc_ball", "nearest_distance"], options=options)
        for options in (None, chosen)
    )
    assert other.manifest.options["detector_options"] == chosen
    for detector, same in (("mc_ball", False), ("nearest_distance", True)):
        pairs = [
            (a.columns[detector], b.columns[detector])
            for a, b in zip(plain.findings, other.findings, strict=True)
        ]
        assert all(a == b for a, b in pairs) == same


def test_options_are_read_in_the_types_that_detectors_declare() -> None:
    texts = ["siamese.epochs=3", "siamese.weights=a.pt", "vit_canet.taps=1,2", "mc_ball.form=log"]
    assert parse_options(texts) == {
        "siamese": {"epochs": 3, "weights": "a.pt"},
        "vit_canet": {"taps": (1, 2)},
        "mc_ball": {"form": "log"},
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["epochs=3"], "options takes DETECTOR.NAME=VALUE, not 'epochs'"),
        (["siamese.epochs"], "options takes NAME=VALUE"),
        (["siamse.epochs=3"], "Did you mean 'siamese'"),
        (["siamese.epoch=3"], "'siamese' has no option 'epoch'"),
        (["siamese.epochs=many"], "option epochs must be a whole number, not 'many'"),
    ],
)
def test_options_that_mean_nothing_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_options(texts)


def test_options_of_a_detector_that_does_not_run_are_refused() -> None:
    with pytest.raises(InputError, match="options were given for siamese, which does not run"):
        plan_columns(["mc_ball"], True, {"siamese": {}})


@pytest.mark.parametrize("name", [n for n, choice in DETECTORS.items() if choice.weights])
def test_networks_do_not_run_until_their_weights_are_named(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} needs the weights .* {name}.weights=imagenet to"):
        plan_columns([name], True)


def test_weights_are_told_by_their_digest(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"weights")
    options = {
        "siamese": {"weights": str(file)},
        "dual_stream": {"weights": (str(file), "none")},
        "cosine_threshold": {"weights": "imagenet"},
    }
    digest = hashlib.sha256(b"weights").hexdigest()
    assert weights_digests(plan_columns(list(options), True, options)) == {
        "siamese.weights": digest,
        "dual_stream.weights": f"{digest}, none",
        "cosine_threshold.weights": "imagenet",
    }
    options["siamese"]["weights"] = str(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"cannot read .*none.safetensors: No such file"):
        weights_digests(plan_columns(list(options), True, options))


def test_a_network_in_an_audit_is_told_with_its_weights() -> None:
    pytest.importorskip("torch", reason="needs vestige[deep]")
    own = {"backbone": "tiny", "weights": "none", "size": 32}
    result = vestige.audit(
        **SETS, detectors=["cosine_threshold"], options={"cosine_threshold": own}
    )
    assert result.manifest.weights_sha256 == {"cosine_threshold.weights": "none"}
    assert "torch" in result.manifest.dependencies
    assert np.isfinite([finding.score for finding in result.findings]).all()


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"nearest_distance": {}}, 64),
        ({"nearest_distance": {}, "texture_wasserstein": {}}, 128),
        ({"siamese": {"weights": "none"}}, 256),
    ],
)
def test_images_are_read_as_large_as_a_detector_looks_at_them(
    options: dict[str, dict[str, Any]], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(source: Any, *, size: int, **rest: Any) -> None:
        raise InputError(f"read at {size} px")

    monkeypatch.setattr(import_module("vestige.auditing.gathering"), "read_images", stop)
    images = np.zeros((19, 300, 300), np.uint8)
    with pytest.raises(InputError, match=f"read at {size} px"):
        vestige.audit(images, images, images, detectors=list(options), options=options)
