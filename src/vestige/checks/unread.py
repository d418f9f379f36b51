"""Was everything read? What was not read cannot be judged, and may be what was to be found."""

from collections.abc import Mapping

from vestige.decision.records import Unread
from vestige.images.imageset import ImageSet
from vestige.images.unread import Ledger
from vestige.judging.cohort import TARGET_ROLE, Mode


def unread_by_role(sets: Mapping[str, ImageSet], mode: Mode) -> tuple[Unread, ...]:
    """Files of each role that gave no image; none of arrays, which have no files.

    The target role and `unused` are compared by Fisher's exact test.

    Parameters
    ----------
    sets : role -> ImageSet
        As read.
    """
    files = {role: images.files for role, images in sets.items()}
    targets, unused = (files.get(role, Ledger()) for role in (TARGET_ROLE[mode], "unused"))
    p_value = None
    if targets.files and unused.files:
        p_value = unread_p_value((targets.unread, targets.read), (unused.unread, unused.read))
    return tuple(
        Unread(
            role,
            one.files,
            one.unread,
            one.first,
            p_value if role == TARGET_ROLE[mode] else None,
            one.left_aside,
            one.entries - one.files,
        )
        for role, one in files.items()
        if one.files
    )


def unread_p_value(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Fisher's exact test, two-sided, of (unread, read) files of two roles, 0..1."""
    if first[0] == second[0] == 0:
        return 1.0  # nothing to test, and importing scipy.stats takes a second
    from scipy.stats import fisher_exact

    return float(fisher_exact([first, second]).pvalue)
