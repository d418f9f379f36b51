"""Cosine systems: Medhastra and the two earlier routes of zhouyijiang1 (methods.md 1.3, 1.4b)."""

import csv
import pickle
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reference_worlds import reference_world  # noqa: E402
from vestige.detectors import cosine  # noqa: E402
from vestige.detectors.cosine import (  # noqa: E402
    CosineLogistic,
    CosineThreshold,
    best_of_groups,
    most_similar,
    unit,
)
from vestige.detectors.cosine_rules import (  # noqa: E402
    ALPHAS,
    GeneratedMaxima,
    alpha_table,
    best_alpha,
    demo_circular,
    rule_unknown,
    threshold,
)
from vestige.detectors.cosine_streams import DualStream, Resnet50Retrieval  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402
from vestige.stats.intervals import auc  # noqa: E402
from vestige.stats.splits import group_folds  # noqa: E402
from vestige.types import Floats  # noqa: E402

SQUEEZENET = (
    Path(__file__).resolve().parents[3] / "shared/weights/squeezenet1_1_imagenet.safetensors"
)
with_weights = pytest.mark.skipif(not SQUEEZENET.exists(), reason="no squeezenet weights here")
TINY: dict[str, Any] = {
    "backbone": "tiny",
    "weights": "none",
    "size": 32,
    "batch": 50,
    "precision": "float32",
}
TWO: dict[str, Any] = {
    "backbones": ("tiny", "squeezenet1_1"),
    "weights": ("none", "none"),
    "size": 32,
    "batch": 50,
    "precision": "float32",
}
WORLD = reference_world("copy", 3)
G, R, X = WORLD.generated[:80], WORLD.reference[:30], WORLD.used[:12]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_unit(n: int, d: int = 5) -> Floats:
    return unit(RNG.normal(size=(n, d)))


# the search


def test_most_similar_is_what_brute_force_finds() -> None:
    rows, pool = random_unit(9), random_unit(200)
    values, found = most_similar(rows, pool, 4)
    wanted = np.argsort(-(rows @ pool.T), axis=1)[:, :4]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(values, np.take_along_axis(rows @ pool.T, wanted, 1), atol=1e-12)


def test_the_lower_row_comes_first_among_copies_and_a_penalty_moves_the_best() -> None:
    pool = np.repeat(random_unit(1), 20, axis=0)
    values, found = most_similar(pool[:1], pool, 3)
    np.testing.assert_array_equal(found, [[0, 1, 2]])
    np.testing.assert_allclose(values, 1, atol=1e-12)
    penalty = np.where(np.arange(20) == 7, 0.25, 0.5)
    values, found = most_similar(pool[:1], pool, 1, penalty)
    assert (values[0, 0], found[0, 0]) == (pytest.approx(0.75), 7)


def test_the_cosine_of_a_zero_vector_is_zero() -> None:
    rows = unit(np.array([[0.0, 0.0], [2.0, 0.0]]))
    np.testing.assert_array_equal(most_similar(rows, rows[:1], 1)[0], [[0], [0]])
    np.testing.assert_array_equal(most_similar(rows[:1], rows, 1)[0], [[0]])


def test_a_common_rescaling_of_features_changes_nothing() -> None:
    rows, pool = RNG.normal(size=(4, 6)), RNG.normal(size=(50, 6))
    scaled = most_similar(unit(3e5 * rows), unit(1e-4 * pool), 2)[0]
    np.testing.assert_allclose(scaled, most_similar(unit(rows), unit(pool), 2)[0], atol=1e-12)


@pytest.mark.parametrize("block", [7, 2**23])
def test_best_of_groups_is_what_brute_force_finds(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosine, "BLOCK", block * 30)
    pool, rows = random_unit(30), random_unit(40)
    groups = RNG.integers(6, size=40)
    best, second, holder = best_of_groups(pool, rows, groups)
    products = pool @ rows.T
    np.testing.assert_allclose(best, products.max(axis=1))
    np.testing.assert_array_equal(holder, groups[products.argmax(axis=1)])
    outside = np.where(groups[None] == holder[:, None], -np.inf, products)
    np.testing.assert_allclose(second, outside.max(axis=1))


# cosine_threshold


def test_an_image_of_the_generated_set_scores_one() -> None:
    detector = CosineThreshold(**TINY).fit(G)
    np.testing.assert_allclose(detector.score_samples(G[:5]), 1, atol=1e-6)
    values, rows = detector.nearest(G[:5], 3)
    np.testing.assert_array_equal(rows[:, 0], np.arange(5))
    assert (np.diff(values, axis=1) <= 0).all()


def test_the_score_is_the_mean_of_the_largest_cosines() -> None:
    detector = CosineThreshold(**TINY, top_k=3).fit(G)
    rows, pool = (unit(detector.embed_.transform(images)) for images in (X, G))
    wanted = np.sort(rows @ pool.T, axis=1)[:, -3:].mean(axis=1)
    np.testing.assert_allclose(detector.score_samples(X), wanted, atol=1e-9)


def test_scores_ignore_company_and_order_to_the_last_bit() -> None:
    detector = CosineThreshold(**TINY).fit(G)
    scores = detector.score_samples(X)
    assert scores.dtype == np.float64
    assert np.ptp(scores) > 0
    np.testing.assert_array_equal(detector.score_samples(X[3:4]), scores[3:4])
    np.testing.assert_array_equal(detector.score_samples(X[::-1]), scores[::-1])
    turned = CosineThreshold(**TINY).fit(G[::-1], unused=R)
    np.testing.assert_allclose(turned.score_samples(X), scores, rtol=1e-12)


def test_survives_pickling_and_refuses_other_sizes() -> None:
    detector = CosineThreshold(**TINY).fit(G)
    copy = pickle.loads(pickle.dumps(detector))  # noqa: S301
    assert copy == detector
    assert "_=" not in repr(detector)
    np.testing.assert_array_equal(copy.score_samples(X), detector.score_samples(X))
    with pytest.raises(InputError, match="different sizes"):
        detector.score_samples(X[:, ::2, ::2])
    with pytest.raises(RuntimeError, match=r"call fit\(generated\) before scoring"):
        CosineThreshold(**TINY).score_samples(X)
    with pytest.raises(InputError, match="top_k must be 1 or more"):
        CosineThreshold(**TINY, top_k=0).fit(G).score_samples(X)


@with_weights
def test_real_weights_find_what_a_copier_used_and_nothing_where_nothing_is() -> None:
    options = {"backbone": "squeezenet1_1", "weights": str(SQUEEZENET), "size": 48}
    found = {}
    for name in ("copy", "null"):
        world = reference_world(name, 0)
        detector = CosineThreshold(**options).fit(world.generated[:250])
        found[name] = auc(detector.score_samples(world.used), detector.score_samples(world.unused))
    assert found["copy"] > 0.9 - 0.1  # half the generated set: some used images were not copied
    assert abs(found["null"] - 0.5) < 4 * 0.041


# the paper's rules


def maxima(m: int = 300) -> GeneratedMaxima:
    rng = np.random.default_rng(4)
    return GeneratedMaxima(*(0.92 + 0.02 * rng.normal(size=(2, m))), 0.8, 0.05)


@pytest.mark.parametrize("over", ["maxima", "pairs"])
def test_fewer_are_flagged_as_alpha_rises(over: Any) -> None:
    pair = maxima()
    flags = [pair.rule(alpha, over) for alpha in ALPHAS]
    assert all((a >= b).all() for a, b in pairwise(flags))
    assert flags[0].sum() > flags[-1].sum() or over == "pairs"
    assert not (flags[0] & (pair.max_used <= pair.max_unused)).any()


def test_over_pairs_nearly_every_maximum_exceeds_the_threshold() -> None:
    pair = maxima()
    wins = pair.max_used > pair.max_unused
    np.testing.assert_array_equal(pair.rule(1.0, "pairs"), wins)
    assert pair.rule(1.0, "maxima").sum() < wins.sum() / 2
    with pytest.raises(InputError, match="unknown over='all'. Known: maxima, pairs"):
        pair.threshold(0.5, "all")  # type: ignore[arg-type]


def test_the_threshold_uses_the_population_deviation_and_ignores_duplication() -> None:
    assert threshold(np.array([0.0, 2.0]), 0.5) == 1.5
    pair = maxima(40)
    twice = GeneratedMaxima(
        np.tile(pair.max_used, 2), np.tile(pair.max_unused, 2), pair.pair_mean, pair.pair_sd
    )
    assert twice.threshold() == pytest.approx(pair.threshold(), rel=1e-12)
    scores = RNG.normal(size=30)
    np.testing.assert_array_equal(
        rule_unknown(np.tile(scores, 2)), np.tile(rule_unknown(scores), 2)
    )


def test_maxima_of_generated_images_are_what_brute_force_finds() -> None:
    detector = CosineThreshold(**TINY).fit(G)
    found = detector.maxima(X, R)
    g, u, n = (unit(detector.embed_.transform(images)) for images in (G, X, R))
    np.testing.assert_allclose(found.max_used, (g @ u.T).max(axis=1), atol=1e-9)
    np.testing.assert_allclose(found.max_unused, (g @ n.T).max(axis=1), atol=1e-9)
    every = g @ np.concatenate([u, n]).T
    assert found.pair_mean == pytest.approx(every.mean(), abs=1e-9)
    assert found.pair_sd == pytest.approx(every.std(), abs=1e-6)


@pytest.mark.parametrize(("used", "unused", "name"), [(None, R, "used"), (X, None, "unused")])
def test_the_rule_on_generated_images_needs_both_labelled_sets(
    used: Any, unused: Any, name: str
) -> None:
    with pytest.raises(InputError, match=f"compares used with unused reals: {name} missing"):
        CosineThreshold(**TINY).fit(G).maxima(used, unused)


def test_the_table_over_alpha_says_what_each_threshold_does() -> None:
    scores = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 3.0])
    truth = np.array([False, False, True, False, True, True])
    rows = alpha_table(scores, truth, (0.1, 1.0))
    assert [row.flagged for row in rows] == [3, 1]
    assert (rows[0].precision, rows[0].recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (rows[1].precision, rows[1].f1) == (1, pytest.approx(0.5))
    assert rows[0].auc == rows[1].auc == auc(scores[truth], scores[~truth])
    assert best_alpha(rows) == 0.1
    with pytest.raises(InputError, match="needs used and unused"):
        alpha_table(scores, np.ones(6, bool))


def test_similarities_can_be_saved_and_drawn() -> None:
    pair = maxima(5)
    table = list(csv.reader(pair.table(["a,b.png", "=c", "d", "e", "f"]).splitlines()))
    assert table[0] == ["generated", "max_used", "max_not_used"]
    assert [row[0] for row in table[1:3]] == ["a,b.png", "'=c"]
    assert float(table[1][1]) == pytest.approx(pair.max_used[0], abs=1e-6)
    edges, used, unused = pair.histogram()
    assert (len(edges), used.sum(), unused.sum()) == (41, 5, 5)


# cosine_logistic


def test_logistic_features_follow_their_formula() -> None:
    groups = np.arange(len(R)) // 3
    detector = CosineLogistic(**TINY).fit(G, X, R, groups_unused=groups)
    g, u, n, q = (unit(detector.embed_.transform(i)) for i in (G, X, R, WORLD.unused[:9]))

    def features(row: Floats, group: int | None) -> list[float]:
        rivals = n[groups != group] if group is not None else n
        lead = g @ row - (g @ rivals.T).max(axis=1)
        return [(g @ row).max(), lead.max()]

    z = np.array(
        [features(row, None) for row in u] + [features(*p) for p in zip(n, groups, strict=True)]
    )
    np.testing.assert_allclose(detector.scale_[0], z.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(detector.scale_[1], z.std(axis=0), rtol=1e-4)
    wanted = (np.array([features(row, None) for row in q]) - z.mean(axis=0)) / z.std(axis=0)
    wanted = detector.model_[0] + wanted @ detector.model_[1:]
    np.testing.assert_allclose(detector.score_samples(WORLD.unused[:9]), wanted, rtol=1e-4)


def test_logistic_finds_what_a_copier_used() -> None:
    detector = CosineLogistic(**TINY).fit(G, WORLD.used[50:], WORLD.unused[50:])
    fresh = CosineLogistic(**TINY).fit(WORLD.generated[:300], WORLD.used[50:], WORLD.unused[50:])
    assert np.isfinite(detector.score_samples(X)).all()
    value = auc(fresh.score_samples(WORLD.used[:50]), fresh.score_samples(WORLD.unused[:50]))
    assert value > 0.85


def test_logistic_needs_both_labels_and_two_groups() -> None:
    for used, unused in ((None, R), (X, None)):
        with pytest.raises(InputError, match="cosine_logistic learns from labelled images"):
            CosineLogistic(**TINY).fit(G, used, unused)
    with pytest.raises(InputError, match="unused images of two groups or more"):
        CosineLogistic(**TINY).fit(G, X, R, groups_unused=np.zeros(len(R)))
    with pytest.raises(InputError, match="30 images but 2 group labels"):
        CosineLogistic(**TINY).fit(G, X, R, groups_unused=np.zeros(2))


def test_the_published_regression_is_circular() -> None:
    """Where nothing is to be found it is still nearly always right about its own labels."""
    world = reference_world("null", 1)
    reals = np.concatenate([world.used, world.unused])
    truth = np.arange(200) < 100
    folds = group_folds(np.arange(200), 2, seed=0, strata=truth)
    scores = np.empty(200)
    for fold in range(2):
        known = folds != fold
        detector = CosineLogistic(**TINY).fit(
            world.generated[:150], reals[known & truth], reals[known & ~truth]
        )
        scores[~known] = detector.score_samples(reals[~known])
    honest = np.mean((scores > 0) == truth)
    found = CosineThreshold(**TINY).fit(world.generated[:150]).maxima(world.used, world.unused)
    with pytest.warns(UserWarning, match="its accuracy is no evidence"):
        circular = demo_circular(found)
    assert circular > 0.9
    assert honest < 0.65


# the earlier routes of zhouyijiang1


def test_retrieval_is_the_largest_cosine_in_resnet50() -> None:
    assert Resnet50Retrieval().backbone == "resnet50"
    np.testing.assert_array_equal(
        Resnet50Retrieval(**TINY).fit(G).score_samples(X),
        CosineThreshold(**TINY).fit(G).score_samples(X),
    )


def test_one_stream_with_all_the_weight_is_the_cosine_detector() -> None:
    alone = CosineThreshold(**TINY).fit(G).score_samples(X)
    raw = DualStream.paper(**TWO, shares=(1, 0)).fit(G).score_samples(X)
    np.testing.assert_array_equal(raw, alone)
    standard = DualStream(**TWO, shares=(1, 0)).fit(G, unused=R).score_samples(X)
    np.testing.assert_array_equal(np.argsort(standard), np.argsort(alone))


def test_streams_are_standardised_over_the_reference_and_added() -> None:
    detector = DualStream(**TWO).fit(G, unused=R)
    wanted = np.zeros(len(X))
    for share, backbone in zip((0.6, 0.4), TWO["backbones"], strict=True):
        stream = CosineThreshold(**(TINY | {"backbone": backbone})).fit(G)
        of_reference = stream.score_samples(R)
        wanted += share * (stream.score_samples(X) - of_reference.mean()) / of_reference.std()
    np.testing.assert_allclose(detector.score_samples(X), wanted, rtol=1e-6)
    raw = DualStream.paper(**TWO).fit(G)
    assert not raw.standardise
    np.testing.assert_array_equal(raw.score_samples(X), raw.fit(G, unused=R).score_samples(X))


def test_a_bag_is_its_own_reference_in_any_order() -> None:
    detector = DualStream(**TWO).fit(G)
    cohort = np.concatenate([X, R])
    scores = detector.score_pool(cohort)
    assert np.ptp(scores) > 0
    np.testing.assert_allclose(detector.score_pool(cohort[::-1]), scores[::-1], rtol=1e-9)
    assert scores.mean() == pytest.approx(0, abs=1e-9)
    assert np.isfinite(detector.score_pool(np.repeat(X[:1], 3, axis=0))).all()


def test_dual_stream_names_what_is_missing() -> None:
    detector = DualStream(**TWO).fit(G)
    with pytest.raises(
        InputError, match=r"dual_stream .*unused real images .*fit\(generated, unused"
    ):
        detector.score_samples(X)
    with pytest.raises(InputError, match="two backbones, two weights and two shares"):
        DualStream(**(TWO | {"weights": ("none",)})).fit(G)
    with pytest.raises(RuntimeError, match=r"call fit\(generated\) before scoring"):
        DualStream(**TWO).score_samples(X)
