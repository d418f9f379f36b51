"""retrieval_count and mean_rank against loops over every generated image."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import vestige.detectors.retrieval as retrieval
from reference_worlds import reference_world
from vestige.detectors import MeanRank, RetrievalCount
from vestige.types import Floats, Images, Ints

WORLD = reference_world("copy", 4)
G, R = WORLD.generated[:60], WORLD.reference[:30]
X = np.concatenate([WORLD.used[:9], WORLD.unused[:9]])
GROUPS = np.array([0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 6, 7, 7, 8, 9, 9, 9, 9])


def squared(images: Images, g: Images) -> Floats:
    difference = images.reshape(len(images), -1).astype(np.float64) - g.reshape(-1)
    return np.asarray((difference**2).sum(axis=1))


def ranks(x: Images, rivals: Images, generated: Images) -> Ints:
    """1 + number of rivals strictly nearer to g than x, for each g."""
    return np.array([1 + (squared(rivals, g) < squared(x[None], g)[0]).sum() for g in generated])


def ranks_against_reference() -> list[Ints]:
    return [ranks(x, R, G) for x in X]


def ranks_in_bag() -> list[Ints]:
    return [ranks(x, X[group != GROUPS], G) for x, group in zip(X, GROUPS, strict=True)]


def nearest_generated() -> Floats:
    return np.array([np.sqrt(min(squared(G, x))) for x in X])


def test_counts_equal_a_loop() -> None:
    wanted = np.array([(r == 1).sum() for r in ranks_against_reference()])
    assert wanted.max() > wanted.min()
    found = RetrievalCount().fit(G, unused=R).score_samples(X)
    np.testing.assert_allclose(found, wanted - 1e-6 * nearest_generated(), rtol=1e-6, atol=1e-11)


def test_counts_in_a_bag_equal_a_loop() -> None:
    wanted = np.array([(r == 1).sum() for r in ranks_in_bag()])
    assert wanted.max() > wanted.min()
    found = RetrievalCount().fit(G).score_pool(X, GROUPS)
    np.testing.assert_allclose(found, wanted - 1e-6 * nearest_generated(), rtol=1e-6, atol=1e-11)


def test_an_image_ties_with_its_duplicates() -> None:
    # a rival is only nearer if it is strictly nearer, so a verbatim copy of x takes nothing away
    doubled = np.concatenate([R, X[:6]])
    wanted = np.array([(ranks(x, doubled, G) == 1).sum() for x in X])
    assert wanted[:6].max() > 0
    found = RetrievalCount().fit(G, unused=doubled).score_samples(X)
    np.testing.assert_array_equal(np.round(found), wanted)
    cohort = np.concatenate([X, X[:6]])
    wanted = np.array(
        [(ranks(x, np.delete(cohort, i, 0), G) == 1).sum() for i, x in enumerate(cohort)]
    )
    found = RetrievalCount().fit(G).score_pool(cohort)
    np.testing.assert_array_equal(np.round(found), wanted)
    ranked = MeanRank(summary="mean").fit(G, unused=doubled).score_samples(X)
    np.testing.assert_allclose(ranked, [-ranks(x, doubled, G).mean() for x in X], rtol=1e-6)


SUMMARIES: dict[str, Any] = {
    "mean": lambda r: -r.mean(),
    "log": lambda r: -np.log(r).mean(),
    "best": lambda r: -np.sort(r)[:3].mean(),  # 1 % of 60, at least 3
}


@pytest.mark.parametrize("summary", SUMMARIES)
def test_mean_rank_equals_a_loop(summary: Any) -> None:
    detector = MeanRank(summary=summary)
    wanted = [SUMMARIES[summary](r) for r in ranks_against_reference()]
    np.testing.assert_allclose(detector.fit(G, unused=R).score_samples(X), wanted, rtol=1e-6)
    wanted = [SUMMARIES[summary](r) for r in ranks_in_bag()]
    np.testing.assert_allclose(detector.fit(G).score_pool(X, GROUPS), wanted, rtol=1e-6)


def test_best_is_the_smallest_percent_of_a_large_set() -> None:
    many = np.concatenate([WORLD.generated] * 2)  # 1,000: the ten best
    wanted = [-np.sort(ranks(x, R, many))[:10].mean() for x in X[:3]]
    np.testing.assert_allclose(
        MeanRank().fit(many, unused=R).score_samples(X[:3]), wanted, rtol=1e-6
    )


def test_a_closed_bag_shares_out_every_generated_image() -> None:
    counts = np.round(RetrievalCount().fit(G).score_pool(X))
    assert counts.sum() == len(G)


def test_a_rank_lies_between_1_and_one_more_than_the_rivals() -> None:
    found = -MeanRank(summary="mean").fit(G, unused=R).score_samples(X)
    assert ((found >= 1) & (found <= len(R) + 1)).all()
    alone = -MeanRank(summary="mean").fit(X[:1], unused=R).score_samples(X[:1])
    assert alone == [1.0]  # a verbatim copy has no nearer rival


def test_one_patient_alone_has_no_rivals() -> None:
    found = RetrievalCount().fit(G).score_pool(X, np.zeros(len(X)))
    np.testing.assert_array_equal(np.round(found), len(G))


def test_equal_counts_are_told_apart_by_distance_alone() -> None:
    far = np.clip(X + np.float32(0.9), 0, 1)
    found = RetrievalCount().fit(G, unused=R).score_samples(far)
    assert np.round(found).tolist() == [0.0] * len(X)
    by_distance = [np.sqrt(min(squared(G, x))) for x in far]
    np.testing.assert_array_equal(np.argsort(-found), np.argsort(by_distance))


@pytest.mark.parametrize("detector", [RetrievalCount(), MeanRank(), MeanRank(summary="log")])
def test_the_block_size_changes_nothing(
    detector: RetrievalCount | MeanRank, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both() -> tuple[Floats, Floats]:
        scores = detector.fit(G, unused=R).score_samples(X)
        return scores, detector.fit(G).score_pool(X, GROUPS)

    found = [both()]
    for size in (1, 4 * 48 * 7, 4 * 48 * 59):
        monkeypatch.setattr(retrieval, "BLOCK_BYTES", size)
        found.append(both())
    for (a, b), (c, d) in pairwise(found):
        np.testing.assert_allclose(a, c, rtol=1e-6)
        np.testing.assert_allclose(b, d, rtol=1e-6)
