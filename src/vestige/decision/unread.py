"""How many files may go unread before a decision rests on what was not looked at."""

from collections.abc import Sequence

from vestige.decision.records import Unread

UNREAD_SHARE, UNREAD_LEVEL = 0.01, 0.01
"""The share of generated files that may go unread, and the p-value below which the shares of unread
files of two roles differ."""
ASIDE_SHARE = 0.1
"""The share of files of a real role that may be of unknown content or out of reach; of generated
files none may, because each may be a copy that is released with the others."""


def too_much(one: Unread) -> bool:
    """Whether so much of a role was not looked at that nothing can be said."""
    if one.role == "generated":
        return one.left_aside > 0 or one.unread > UNREAD_SHARE * one.listed
    return one.left_aside > ASIDE_SHARE * one.listed


def worst_unread(roles: Sequence[Unread]) -> tuple[int, int, str]:
    """Unread and listed files of the role that the sentence names.

    The generated set if too much of it is unread, else a role of which too much was left aside,
    else the role that differs most, else any.
    """

    def key(one: Unread) -> tuple[bool, bool, float, str]:
        much = too_much(one)
        p_value = 1.0 if one.p_value is None else one.p_value
        return not much, much and one.role != "generated", p_value, one.role

    unread = [one for one in roles if one.unread]
    if not unread:
        return 0, 0, ""
    worst = min(unread, key=key)
    return worst.unread, worst.listed, worst.role
