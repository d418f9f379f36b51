"""The Siamese detectors: contract, memory, files, and the errors of users."""

import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from reference_worlds import reference_world  # noqa: E402
from vestige.detectors.pair_network import PairNetwork  # noqa: E402
from vestige.detectors.siamese import Siamese  # noqa: E402
from vestige.detectors.siamese_hybrid import SiameseHybrid  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402
from vestige.stats.intervals import auc  # noqa: E402

WORLD = reference_world("copy", 3)
G, U, N = WORLD.generated[:30], WORLD.used[:12], WORLD.unused[:10]
X = np.concatenate([WORLD.used[12:16], WORLD.unused[12:16]])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SMALL: dict[str, Any] = {
    "weights": "none", "size": 32, "epochs": 2, "draws": 8, "batch": 4, "neighbours": 3,
    "anchors": 4,
}  # fmt: skip


def plain(**options: Any) -> Siamese:
    return Siamese(**{"backbone": "tiny", "attention": False, **SMALL, **options})


def single(**options: Any) -> Siamese:
    return Siamese(**{"backbone": "tiny", "tokens": "single", **SMALL, **options})


def hybrid(**options: Any) -> SiameseHybrid:
    small = {"cnn": "tiny", "vit": "tiny_vit", "vit_weights": "none", **SMALL}
    return SiameseHybrid(**{**small, "tokens": "single", **options})


MAKERS = {"plain": plain, "single": single, "hybrid": hybrid}
every = pytest.mark.parametrize("name", MAKERS)


def assert_close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@every
@pytest.mark.parametrize("pairing", ["nearest", "random"])
def test_scores_are_finite_and_ignore_order_and_company(name: str, pairing: str) -> None:
    make = MAKERS[name]
    detector = make(pairing=pairing)
    assert detector.fit(G, U, N) is detector
    scores = detector.score_samples(X)
    assert scores.dtype == np.float64 and scores.shape == (8,)
    assert np.isfinite(scores).all() and np.ptp(scores) > 0
    assert_close(detector.score_samples(X[::-1].copy()), scores[::-1])
    assert_close(detector.score_samples(X[2:3]), scores[2:3])
    turned = make(pairing=pairing).fit(G[::-1].copy(), U[::-1].copy(), N[::-1].copy())
    np.testing.assert_array_equal(turned.score_samples(X), scores)
    assert detector.paper_rule(X).dtype == bool


def test_another_seed_gives_another_network() -> None:
    assert (
        plain().fit(G, U, N).score_samples(X) != plain(seed=1).fit(G, U, N).score_samples(X)
    ).any()


@every
def test_comes_back_from_files_and_pickles(name: str, tmp_path: Path) -> None:
    detector = MAKERS[name]().fit(G, U, N)
    scores = detector.score_samples(X)
    detector.save(tmp_path / "model.safetensors")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    copies = [type(detector).load(tmp_path / "model.safetensors")]
    copies.append(pickle.loads(pickle.dumps(detector)))  # noqa: S301
    for copy in copies:
        assert copy == detector
        assert_close(copy.score_samples(X), scores)


def test_a_trunk_that_learns_is_saved_with_the_one_that_searches(tmp_path: Path) -> None:
    detector = plain(trunk_trainable="last_stage", trunk_rate=0.01).fit(G, U, N)
    assert detector.model_.search is not detector.model_.net
    before, after = (n.trunk.stages for n in (detector.model_.search, detector.model_.net))
    torch.testing.assert_close(before[1][0].weight, after[1][0].weight)
    assert (before[2][0].weight != after[2][0].weight).any()
    detector.save(tmp_path / "model.safetensors")
    copy = Siamese.load(tmp_path / "model.safetensors")
    scores = detector.score_samples(X)
    assert_close(copy.score_samples(X), scores)
    with torch.no_grad():  # another search finds other neighbours
        torch.nn.init.normal_(copy.model_.search.trunk.stages[0][0].weight)
    assert (np.abs(copy.score_samples(X) - scores) > 1e-3).any()


def test_all_of_the_trunk_can_learn() -> None:
    detector = plain(trunk_trainable="all", trunk_rate=0.01, pairing="random").fit(G, U, N)
    fresh = plain().network("none").trunk.stages
    assert (detector.model_.net.trunk.stages[0][0].weight != fresh[0][0].weight).any()
    frozen = plain().fit(G, U, N).model_.net.trunk.stages
    torch.testing.assert_close(frozen[0][0].weight, fresh[0][0].weight)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-9]), "damaged or not the file"),
        (lambda p: p.with_suffix(".json").write_text("{}"), "not the card of a model"),
        (lambda p: p.unlink(), "not found"),
    ],
)
def test_damaged_models_are_refused(damage: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    plain().fit(G, U, N).save(path)
    with pytest.raises(InputError, match="a model of 'siamese', not of 'siamese_hybrid'"):
        SiameseHybrid.load(path)
    damage(path)
    with pytest.raises(InputError, match=message):
        Siamese.load(path)
    with pytest.raises(InputError, match=r"a model is named \*.safetensors, not model.pt"):
        Siamese.load(tmp_path / "model.pt")


class Killed(Exception):
    pass


@every
def test_a_killed_training_goes_on_to_the_same_scores(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestige.nets.training.CHECKPOINT_SECONDS", 0.0)
    wanted = MAKERS[name]().fit(G, U, N).score_samples(X)

    def kill(stage: str, done: int, total: int) -> None:
        if stage == "training" and done == 3:
            raise Killed

    with pytest.raises(Killed):
        MAKERS[name]().fit(G, U, N, folder=tmp_path, progress=kill)
    assert (tmp_path / "checkpoint.safetensors").exists()
    told: list[int] = []
    again = MAKERS[name]().fit(
        G,
        U,
        N,
        folder=tmp_path,
        progress=lambda s, d, t: told.append(d) if s == "training" else None,
    )
    assert told[0] == 3  # the third step was not kept
    np.testing.assert_array_equal(again.score_samples(X), wanted)
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint.safetensors", "loss.csv"}
    with pytest.raises(InputError, match="belongs to other settings or images"):
        MAKERS[name](learning_rate=0.5).fit(G, U, N, folder=tmp_path)


def test_it_stops_when_nothing_gets_better() -> None:
    detector = plain(epochs=50, patience=2, learning_rate=1e-12).fit(G, U, N)
    assert detector.figures["epochs_done"] < 10


def test_finds_what_a_copier_used() -> None:
    options = {"learning_rate": 1e-3, "neighbours": 3, "epochs": 10, "batch": 32, "draws": 1000}
    detector = plain(**options).fit(WORLD.generated, WORLD.used[:60], WORLD.unused[:60])
    used, unused = (detector.score_samples(x[60:]) for x in (WORLD.used, WORLD.unused))
    assert auc(used, unused) > 0.8


def test_shuffled_labels_teach_nothing() -> None:
    mixed = np.concatenate([WORLD.used, WORLD.unused])
    found = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(200)
        a, b, rest = mixed[order[:50]], mixed[order[50:100]], order[100:]
        detector = plain(neighbours=3, learning_rate=1e-3, draws=500, batch=32).fit(
            WORLD.generated, a, b
        )
        label = np.random.default_rng(seed + 9).permutation(np.repeat([True, False], 50))
        scores = detector.score_samples(mixed[rest])
        found.append(auc(scores[label], scores[~label]))
    assert abs(np.mean(found) - 0.5) < 0.13  # four standard deviations


BAD: list[tuple[dict[str, Any], str]] = [
    ({"pairing": "all"}, "unknown pairing 'all'. Known: nearest, random"),
    ({"trunk_trainable": "some"}, "unknown trunk_trainable 'some'"),
    ({"aggregate": "min"}, "unknown aggregate 'min'"),
    ({"backbone": "resnet5"}, "unknown backbone 'resnet5'"),
    ({"epochs": 0}, "epochs must be 1 or more, 0 was given"),
    ({"draws": 0}, "draws must be 1 or more, 0 was given"),
    ({"learning_rate": 0.0}, "learning_rate must be above 0"),
    ({"precision": "int8"}, "precision must be auto"),
    ({"weights": "/nothing.safetensors", "backbone": "squeezenet1_1"}, "cannot read weights"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plain(**options).fit(G, U, N)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [plain, hybrid])
def test_both_classes_are_needed(make: Any) -> None:
    for sets, missing in (((None, N), "used"), ((U, None), "unused"), ((None, None), "used")):
        with pytest.raises(InputError, match=f"got no {missing} ones: give both used= and unused="):
            make().fit(G, *sets)
    with pytest.raises(InputError, match="stratum used has a single group"):
        make().fit(G, U[:1], N)


def test_sizes_must_agree() -> None:
    with pytest.raises(InputError, match="different sizes"):
        plain().fit(G[:, ::2, ::2], U, N)


def test_the_hybrid_needs_both_kinds_of_trunk() -> None:
    with pytest.raises(InputError, match="a convolutional trunk and a ViT"):
        hybrid(vit="tiny").fit(G, U, N)


def test_scoring_before_fitting_names_the_missing_call() -> None:
    with pytest.raises(RuntimeError, match=r"siamese: call fit\(generated\) before scoring"):
        plain().score_samples(X)


def test_without_torch_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vestige.nets.training", None)
    with pytest.raises(InputError, match=r"siamese needs torch .* pip install 'vestige\[deep\]'"):
        plain().fit(G, U, N)
    with pytest.raises(InputError, match=r"pip install 'vestige\[deep\]'"):
        Siamese.load("model.safetensors")


def test_patients_of_an_image_set_are_held_out_together() -> None:
    class Record:
        def __init__(self, patient: str, name: str) -> None:
            self.patient, self.id = patient, name

    class Set:
        def __init__(self, images: Any, patient: str) -> None:
            self.pixels, self.records = (
                images,
                [Record(patient, str(i)) for i in range(len(images))],
            )

    with pytest.raises(InputError, match="single group"):
        plain().fit(G, Set(U, "p1"), N)


@pytest.mark.parametrize("kind", [Siamese, SiameseHybrid])
def test_the_preset_is_the_published_one(kind: type[PairNetwork]) -> None:
    preset = kind.paper(size=64)
    assert (preset.trunk_trainable, preset.pairing, preset.size) == ("all", "random", 64)
    assert preset.tokens == ("single" if kind is SiameseHybrid else "patches")


def test_building_only_stores() -> None:
    assert plain() == plain() and "_=" not in repr(plain())
    shown = repr(detector := plain())
    assert repr(detector.fit(G, U, N)) == shown


def test_saving_over_a_folder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        plain().fit(G, U, N).save(tmp_path / "model.safetensors")
    shutil.rmtree(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
