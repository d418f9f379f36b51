"""Was everything read? What was not read cannot be judged, and may be what was to be found."""

from collections.abc import Mapping
from dataclasses import dataclass

from vestige.bag import JUDGED, Mode
from vestige.images.imageset import ImageSet
from vestige.images.unread import FilesRead

LIMIT = 0.01
"""The p-value below which the roles were not read alike: the check "unread" has failed."""
MOST_UNREAD = 0.01
"""Share of the generated files that may be unread, 0..1."""


@dataclass(frozen=True)
class UnreadFacts:
    """What was read of each role, and whether that is enough.

    p_value : that the judged role and `unused` are unread alike; None where one has no files
    failed : the p-value lies below .01
    generated_share : of the generated files, those that were not read, 0..1
    too_many : that share is above 1 %: copies may be among them
    """

    roles: dict[str, FilesRead]
    p_value: float | None
    failed: bool
    generated_share: float
    too_many: bool


def unread_facts(sets: Mapping[str, ImageSet], mode: Mode) -> UnreadFacts:
    """Compare the unread files of the roles.

    Parameters
    ----------
    sets : role -> ImageSet
        As read.
    """
    roles = {role: images.files for role, images in sets.items()}
    pair = [roles.get(role, FilesRead()) for role in (JUDGED[mode], "unused")]
    p_value = None
    if all(one.files for one in pair):
        first, second = ((one.unread, one.read) for one in pair)
        p_value = unread_p_value(first, second)
    share = roles["generated"].share
    failed = p_value is not None and p_value < LIMIT
    return UnreadFacts(roles, p_value, failed, share, share > MOST_UNREAD)


def unread_p_value(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Fisher's exact test, two-sided, of (unread, read) files of two roles, 0..1."""
    from scipy.stats import fisher_exact

    return float(fisher_exact([first, second]).pvalue)
