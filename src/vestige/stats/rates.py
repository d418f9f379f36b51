"""Exact intervals of shares (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404)."""

from vestige.registry.entries import InputError
from vestige.schema.records import Estimate


def clopper_pearson(k: int, n: int, level: float = 0.95) -> Estimate:
    """Share k/n of independent images with its exact two-sided interval.

    Parameters
    ----------
    k, n : int
        Successes and trials, 0 <= k <= n, n >= 1.
    level : float
        Coverage at least this, 0..1.

    Raises
    ------
    InputError
        Without trials, or with k outside 0..n.
    """
    _check_counts(k, n)
    low, high = share_interval(k / n, n, level)
    return Estimate(k / n, low, high, n)


def share_interval(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson limits for a share of `n` independent units; `share * n` need not be whole.

    Groups of images use it with the number of groups as `n`, where a bootstrap has nothing to
    vary: as wide as if each group were one image.
    """
    tail = (1.0 - level) / 2.0
    low, high = _lower(share * n, n, tail), _upper(share * n, n, tail)
    return min(low, share), max(high, share)


def lower_limit(k: int, n: int, error: float) -> float:
    """One-sided exact lower limit of a share k/n; the true one is below it with chance <= `error`.

    Raises
    ------
    InputError
        Without trials, or with k outside 0..n.
    """
    _check_counts(k, n)
    return _lower(k, n, error)


def upper_limit(k: int, n: int, error: float) -> float:
    """One-sided exact upper limit, as `lower_limit`."""
    _check_counts(k, n)
    return _upper(k, n, error)


def fpr_upper_bound(k: int, n0: int, level: float = 0.95) -> float:
    """One-sided exact upper bound of the false positive rate after `k` of `n0` false positives.

    The two-sided bound is ``clopper_pearson(k, n0).high``.

    Raises
    ------
    InputError
        Without unused images, or with k outside 0..n0.
    """
    return upper_limit(k, n0, 1.0 - level)


def _lower(k: float, n: float, error: float) -> float:
    from scipy.special import betaincinv

    return 0.0 if k <= 0.0 else float(betaincinv(k, n - k + 1.0, error))


def _upper(k: float, n: float, error: float) -> float:
    from scipy.special import betaincinv

    return 1.0 if k >= n else float(betaincinv(k + 1.0, n - k, 1.0 - error))


def _check_counts(k: int, n: int) -> None:
    if n < 1 or not 0 <= k <= n:
        raise InputError(
            f"a share needs at least one image and 0 <= k <= n, found k={k}, n={n}. "
            "Give the number of successes and of images."
        )
