"""ViT and CANet as a detector: both phases, both libraries, files, and the errors of users."""

import pickle
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from reference_worlds import reference_world  # noqa: E402
from vestige.detectors.vit_canet import VitCanet  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402

WORLD = reference_world("copy", 3)
G, U, N = WORLD.generated[:14], WORLD.used[:8], WORLD.unused[:7]
X = np.concatenate([WORLD.used[12:15], WORLD.unused[12:15]])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def canet(**options: Any) -> VitCanet:
    small = {
        "backbone": "tiny_vit", "weights": "none", "size": 32, "epochs": 1, "batch": 8,
        "neighbours": 2, "strangers": 1, "candidates": 6, "graph": 5, "min_keep": 2,
        "tokens": "single",
    }  # fmt: skip
    return VitCanet(**{**small, **options})


def assert_close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{}, {"tokens": "patches"}, {"finetune_epochs": 1}, {"faiss": True}, {"augment": False},
     {"gate": True, "coords": "concat", "aggregate": "top3", "pair": "difference"}],
)  # fmt: skip
def test_scores_are_finite_and_ignore_order_and_company(options: dict[str, Any]) -> None:
    if options.get("faiss"):
        pytest.importorskip("faiss", reason="needs vestige[faiss]")
    detector = canet(**options).fit(G, U, N)
    scores = detector.score_samples(X)
    assert scores.dtype == np.float64 and np.isfinite(scores).all() and np.ptp(scores) > 0
    assert_close(detector.score_samples(X[::-1].copy()), scores[::-1])
    assert_close(detector.score_samples(X[2:3]), scores[2:3])
    turned = canet(**options).fit(G[::-1].copy(), U[::-1].copy(), N[::-1].copy())
    np.testing.assert_array_equal(turned.score_samples(X), scores)
    assert detector.figures["temperature"] > 0


def test_faiss_changes_no_score() -> None:
    pytest.importorskip("faiss", reason="needs vestige[faiss]")
    exact, index = (canet(faiss=faiss).fit(G, U, N) for faiss in (False, True))
    np.testing.assert_array_equal(exact.score_samples(X), index.score_samples(X))


def test_comes_back_from_files_and_pickles(tmp_path: Path) -> None:
    detector = canet(taps=(1, 3)).fit(G, U, N)
    detector.save(tmp_path / "model.safetensors")
    copies = [VitCanet.load(tmp_path / "model.safetensors")]
    copies.append(pickle.loads(pickle.dumps(detector)))  # noqa: S301
    for copy in copies:
        assert_close(copy.score_samples(X), detector.score_samples(X))
    assert copies[0].figures == detector.figures


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", [1, 3])
def test_a_training_killed_in_either_phase_goes_on_to_the_same_scores(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestige.nets.training.CHECKPOINT_SECONDS", 0.0)

    def make() -> VitCanet:
        return canet(finetune_epochs=1, batch=16)  # two steps in each phase

    wanted = make().fit(G, U, N).score_samples(X)

    def kill(stage: str, done: int, total: int) -> None:
        assert stage != "training" or total == 4
        if stage == "training" and done == at + 1:
            raise Killed

    with pytest.raises(Killed):
        make().fit(G, U, N, folder=tmp_path, progress=kill)
    again = make().fit(G, U, N, folder=tmp_path)
    np.testing.assert_array_equal(again.score_samples(X), wanted)
    once_more = make().fit(G, U, N, folder=tmp_path)  # complete: nothing left to do
    np.testing.assert_array_equal(once_more.score_samples(X), wanted)


def test_the_vit_learns_in_the_second_phase_only() -> None:
    fresh = canet()._networks("none")[0].vit.blocks[0].mlp[0].weight
    first = canet().fit(G, U, N).model_.encoder
    torch.testing.assert_close(first.vit.blocks[0].mlp[0].weight, fresh)
    # patience 50: the last weights may be the best, or not; the optimiser must have moved them
    seen: list[float] = []
    from vestige.nets import early_stop

    class Watching(early_stop.BestWeights):
        def see(self, auc: float, loss: float) -> None:
            seen.append(len(seen))
            super().see(float(len(seen)), loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(early_stop, "BestWeights", Watching)
        second = canet(finetune_epochs=1).fit(G, U, N).model_.encoder
    assert (second.vit.blocks[0].mlp[0].weight != fresh).any()
    assert len(seen) == 2


@pytest.mark.parametrize("library", ["real", "generated"])
def test_the_published_rule_flags_more_as_the_threshold_falls(library: Any) -> None:
    detector = canet().fit(G, U, N)
    limits = 1 / (1 + np.exp(-np.linspace(-9, 9, 7)))
    flags = [detector.paper_rule(X, float(limit), library) for limit in limits]
    for lower, higher in pairwise(flags):
        assert (lower >= higher).all()
    if library == "generated":  # one candidate pool per image: the rule is the score's sign
        scores = detector.score_samples(X)
        np.testing.assert_array_equal(detector.paper_rule(X, 0.5, "generated"), scores > 0)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"taps": (5,)}, "this ViT has 4 blocks"),
    ({"taps": "exact"}, "taps 6, 12, 18 do not fit: this ViT has 4 blocks"),
    ({"backbone": "tiny"}, "vit_canet takes a ViT .* not 'tiny'"),
    ({"tokens": "all"}, "unknown tokens"),
    ({"pair": "sum"}, "unknown pair 'sum'. Known: concat, difference"),
    ({"aggregate": "min"}, "unknown aggregate"),
    ({"batch": 1}, "batch must be 2 or more, 1 was given"),
    ({"learning_rate": 0.0}, "learning_rate must be above 0"),
    ({"size": 4}, "smaller than the patch of 8 px"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        canet(**options).fit(G, U, N)
    assert "\n" not in str(caught.value)


def test_one_class_only_is_refused() -> None:
    with pytest.raises(InputError, match="vit_canet learns from labelled images and got no unused"):
        canet().fit(G, U)
    with pytest.raises(InputError, match="stratum unused has a single group"):
        canet().fit(G, U, N[:1])


def test_without_faiss_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"pip install 'vestige\[faiss\]'"):
        canet(faiss=True).fit(G, U, N)


def test_an_unknown_library_is_refused() -> None:
    with pytest.raises(InputError, match="unknown library 'both'. Known: generated, real"):
        canet().fit(G, U, N).paper_rule(X, library="both")  # type: ignore[arg-type]


def test_the_preset_is_the_published_one() -> None:
    preset = VitCanet.paper()
    assert (preset.tokens, preset.taps, preset.finetune_epochs) == ("single", "existing", 20)
