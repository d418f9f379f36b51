"""Sums of exponentials that are kept as logarithms, cut and merged in any way."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp

from vestige.stats.density import LogSum, merge_sums, sum_of
from vestige.types import Floats

CHECK = settings(deadline=None, derandomize=True, max_examples=100)
# far beyond what exp can hold, and -inf for what does not count
EXPONENT = st.one_of(st.floats(-5000, 5000), st.just(-np.inf))


@st.composite
def cut_exponents(draw: Any) -> tuple[Floats, list[slice]]:
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 30))
    cuts = sorted(draw(st.sets(st.integers(1, m), max_size=5)) - {m})
    parts = [slice(*ends) for ends in zip([0, *cuts], [*cuts, m], strict=True)]
    return draw(arrays(np.float64, (n, m), elements=EXPONENT)), draw(st.permutations(parts))


@CHECK
@given(cut_exponents(), st.randoms(use_true_random=False))
def test_any_cut_merged_in_any_order_is_the_sum(
    drawn: tuple[Floats, list[slice]], random: Any
) -> None:
    exponents, parts = drawn
    sums = [sum_of(exponents[:, part].copy()) for part in parts]
    while len(sums) > 1:
        first = sums.pop(random.randrange(len(sums)))
        sums.append(merge_sums(sums.pop(random.randrange(len(sums))), first))
    np.testing.assert_allclose(sums[0].log(), logsumexp(exponents, axis=1), rtol=1e-12, atol=1e-12)


def test_nothing_added_is_the_neutral_element() -> None:
    empty = LogSum(np.full(2, -np.inf), np.zeros(2))
    some = sum_of(np.array([[1.0, 2.0], [-np.inf, -np.inf]]))
    for both in (merge_sums(empty, some), merge_sums(some, empty)):
        np.testing.assert_array_equal(both.top, some.top)
        np.testing.assert_array_equal(both.total, some.total)
    assert (empty.log() == -np.inf).all()
