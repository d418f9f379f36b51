"""Maps of trained networks in an audit: of the network that judged the pair, where it is shown."""

import sys
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pytest

import vestige
from vestige.copies.maps import Maps
from vestige.copies.pictures import LARGE
from vestige.report import render_html
from vestige.result import AuditResult
from vestige.scoring.columns import LabelledSet, PairJudge, Reals, score_columns
from vestige.scoring.plan import plan_columns
from vestige.types import Float32s, Floats, Progress, quiet
from vestige.worlds.phantom import chest_phantoms

REALS = 20


@dataclass
class Corner:
    """Learns who was there, and sees every match in one corner of the images."""

    size: int = 8
    learned: set[Any] = field(init=False, default_factory=set)

    def fit(
        self,
        generated: Any,
        used: Any = None,
        unused: Any = None,
        *,
        groups_used: Any = None,
        groups_unused: Any = None,
        progress: Progress = quiet,
    ) -> Self:
        self.learned = {*groups_used.tolist(), *groups_unused.tolist()}
        return self

    def score_samples(self, images: Any) -> Floats:
        return np.asarray(images, np.float64).mean(axis=(1, 2))

    def explain_pairs(self, real: Any, generated: Any) -> Float32s | None:
        maps = np.zeros((len(real), 2, self.size, self.size), np.float32)
        maps[:, 0, :2, :2], maps[:, 1, -2:, -2:] = 3, 2.7
        return maps


@pytest.fixture(scope="module")
def levels() -> Any:
    return np.rint(chest_phantoms(140, 32, seed=5)[0] * 255).astype(np.uint8)


def audited(levels: Any, *detectors: Any) -> AuditResult:
    made = levels[2 * REALS : 2 * REALS + 80].copy()
    made[3], made[5] = levels[1], levels[2][:, ::-1]
    known = levels[:REALS], levels[REALS : 2 * REALS]
    return vestige.audit(
        made, *known, detectors=["nearest_distance_contrast", *detectors], checks=False
    )


def covered(png: bytes) -> Any:
    import io

    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(png)), int)
    return (picture.max(axis=2) - picture.min(axis=2)) > 40


def test_every_pair_is_explained_by_the_model_that_did_not_learn_from_its_patient(
    levels: Any,
) -> None:
    images = (levels[:40] / 255).astype(np.float32)
    groups, labels = np.arange(40) // 2, np.arange(40) % 2 == 0
    known = LabelledSet(labels, ~labels, np.arange(40) // 2 % 5)
    judges: dict[str, PairJudge] = {}
    plan = plan_columns([Corner()], True)
    score_columns(plan, images, None, Reals(images, groups, known), judges=judges)
    [judge] = judges.values()
    models = [judge.of(row) for row in range(40)]
    assert len({id(model) for model in models}) == 5
    for group, model in zip(groups, models, strict=True):
        assert isinstance(model, Corner)
        assert len(model.learned) == 16 and group not in model.learned


def test_the_page_shows_what_a_network_sees_in_both_images(levels: Any) -> None:
    found = audited(levels, Corner())
    plain = {(c.generated, c.view): k for k, c in enumerate(found.copies)}
    assert set(plain) == {("000003", "identity"), ("000005", "mirrored")}
    name = next(key for key in found.thumbnails if key.startswith("network:")).split(":")[1]
    for (_, view), k in plain.items():
        real, made = (
            covered(found.thumbnails[f"network:{name}:copy:{k}:{side}"])
            for side in ("real", "generated")
        )
        assert real[:8, :8].mean() > 0.8 and not real[12:].any() and not real[:, 12:].any()
        # of the mirrored copy the map is turned back with the image
        corner = np.s_[-8:, -8:] if view == "identity" else np.s_[-8:, :8]
        assert made[corner].sum() > 0.9 * made.sum() > 0
    page = render_html(found)
    assert page.count(f"What {name} sees") == sum(
        k.endswith("real") for k in found.thumbnails if k.startswith("network:")
    )
    assert f"{name} took part in this audit: it gives a pair of images a match score." in page
    named = [k for k in found.thumbnails if k.startswith(f"network:{name}:named:")]
    assert 0 < len(named) <= 2 * LARGE


def test_without_a_network_there_is_nothing_of_it(
    levels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vestige.nets.explaining", None)  # an import would fail
    found = audited(levels)
    assert not [key for key in found.thumbnails if key.startswith("network:")]
    page = render_html(found)
    assert "took part in this audit" not in page and "trained networks" not in page


def test_nothing_is_shown_of_who_sees_nothing(levels: Any) -> None:
    class Blind(Corner):
        def explain_pairs(self, real: Any, generated: Any) -> Float32s | None:
            return None if self.size else np.zeros((len(real), 2, 4, 4), np.float32)

    for size in (8, 0):
        judge = PairJudge({0: Blind(size)}, np.zeros(1, np.int64))
        made = type("Made", (), {"pixels": np.ones((1, 8, 8), np.float32)})()
        explainer = type("Known", (), {"reals": np.ones((1, 8, 8), np.float32)})()
        maps = Maps(explainer, {("used", "a"): 0}, made, {"g": 0}, {"blind": judge})
        assert maps.of_networks("used", "a", "g") == {}
        assert maps.of_networks("reference", "a", "g") == {}


def test_a_siamese_network_is_shown_with_its_name(levels: Any) -> None:
    pytest.importorskip("torch", reason="needs vestige[deep]")
    small = {"backbone": "tiny", "weights": "none", "size": 32, "epochs": 1, "draws": 16}
    found = audited(levels, ("siamese", {**small, "attention": False}))
    shown = [key for key in found.thumbnails if key.startswith("network:siamese:")]
    assert shown and "What siamese sees" in render_html(found)
