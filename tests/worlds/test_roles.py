from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestige.registry.entries import InputError
from vestige.worlds.roles import (
    LEFT_OUT,
    MEMBERS,
    REFERENCE,
    STRANGER,
    USED,
    Wanted,
    deal_roles,
    join_groups,
)

Asked = tuple[list[str], list[str], Wanted, int]


def images(sizes: list[int]) -> tuple[list[str], list[str]]:
    groups = [f"p{g}" for g, size in enumerate(sizes) for _ in range(size)]
    return [f"{k}.png" for k in range(len(groups))], groups


@st.composite
def asked(draw: Any) -> Asked:
    """Uneven groups, and counts for which there are enough even if every part wastes a group."""
    sizes = draw(st.lists(st.integers(1, 7), min_size=12, max_size=40))
    room = sum(sizes) - 5 * (max(sizes) - 1) - 3 * max(sizes)
    if room < 3:
        sizes, room = [1] * 12, 9
    members = draw(st.integers(1, room - 2))
    unused = draw(st.integers(1, room - members - 1))
    reference = draw(st.integers(0, room - members - unused))
    share = draw(st.floats(0, 1))
    wanted = Wanted(members, unused, reference, share, None, draw(st.booleans()))
    return *images(sizes), wanted, draw(st.integers(0, 2**31 - 1))


@given(asked())
def test_counts_are_exact_and_no_group_plays_two_roles(case: Asked) -> None:
    ids, groups, wanted, seed = case
    roles = deal_roles(ids, groups, wanted, seed)
    counts = Counter(roles)
    asked_members = round(wanted.query_share * wanted.members)
    assert counts["query used"] == asked_members
    assert counts["used"] == wanted.members - asked_members
    assert wanted.unused is not None
    assert counts["query unused"] == round(wanted.query_share * wanted.unused)
    assert counts["unused"] + counts["query unused"] == wanted.unused
    assert counts["reference"] == wanted.reference
    played: dict[str, set[str]] = {}
    for group, role in zip(groups, roles, strict=True):
        if role != LEFT_OUT:
            played.setdefault(group, set()).add(role)
    assert all(len(parts) == 1 for parts in played.values())
    # who is left out belongs to a group that filled its part
    left = {group for group, role in zip(groups, roles, strict=True) if role == LEFT_OUT}
    assert len(left) <= 5
    assert all(played[group] != {STRANGER} for group in left)
    if wanted.strangers:
        assert sum(parts == {STRANGER} for parts in played.values()) >= 3


@given(asked(), st.randoms(use_true_random=False))
def test_the_order_of_the_images_changes_nothing(case: Asked, chance: Any) -> None:
    ids, groups, wanted, seed = case
    roles = dict(zip(ids, deal_roles(ids, groups, wanted, seed), strict=True))
    order = list(range(len(ids)))
    chance.shuffle(order)
    shuffled = [ids[k] for k in order], [groups[k] for k in order]
    assert dict(zip(shuffled[0], deal_roles(*shuffled, wanted, seed), strict=True)) == roles


def test_members_do_not_depend_on_what_is_asked_of_later_parts() -> None:
    ids, groups = images([3] * 40)
    few = deal_roles(ids, groups, Wanted(20, 10, 5), 3)
    many = deal_roles(ids, groups, Wanted(20, 40, 30, strangers=True), 3)
    assert [r in MEMBERS for r in few] == [r in MEMBERS for r in many]


def test_the_seed_decides_who_is_a_member() -> None:
    ids, groups = images([2] * 60)
    chosen = [deal_roles(ids, groups, Wanted(30, 30, 0), seed) for seed in range(200)]
    assert len(set(chosen)) == 200
    times = np.sum([[r in MEMBERS for r in roles] for roles in chosen], axis=0)
    # binomial(200, 1/4) per image: 5 standard deviations are 31, false failure < 1e-4
    assert abs(times - 50).max() < 31


def test_no_group_gives_more_than_per_group_images() -> None:
    ids, groups = images([50, 1, 2, 40, 3, 5, 9, 30, 6])
    roles = deal_roles(ids, groups, Wanted(8, 8, None, per_group=4), 0)
    used = Counter(g for g, role in zip(groups, roles, strict=True) if role != LEFT_OUT)
    assert max(used.values()) == 4
    assert Counter(roles)[LEFT_OUT] >= 46 + 36 + 26


@pytest.mark.parametrize(
    ("wanted", "unused", "reference"),
    [
        (Wanted(200), 200, 600),  # as many as members; all that remains
        (Wanted(40), 100, 860),  # 100, where there is room
        (Wanted(40, reference=0), 100, 0),
        (Wanted(200, strangers=True), 200, 570),  # 5 % of the rest stay without a role
        (Wanted(450, strangers=True), 450, 95),
    ],
)
def test_defaults_use_what_there_is(wanted: Wanted, unused: int, reference: int) -> None:
    roles = deal_roles(*images([1] * 1000), wanted, 0)
    found = Counter(r.replace("query ", "") for r in roles)
    assert (found["unused"], found[REFERENCE]) == (unused, reference)


def test_with_few_images_half_of_the_rest_is_unused_and_the_reference_has_an_end() -> None:
    small = Counter(deal_roles(*images([1] * 50), Wanted(10, query_share=0), 0))
    assert (small[USED], small["unused"], small[REFERENCE]) == (10, 20, 20)
    large = Counter(deal_roles(*images([1] * 3000), Wanted(200), 0))
    assert (large[REFERENCE], large[STRANGER]) == (1000, 1600)


def test_three_groups_stay_for_a_generator_that_mixes_strangers() -> None:
    ids, groups = images([10] * 10)
    roles = deal_roles(ids, groups, Wanted(20, 20, strangers=True), 0)
    left = {g for g, role in zip(groups, roles, strict=True) if role == STRANGER}
    assert len(left) == 3


@pytest.mark.parametrize(
    ("wanted", "sizes", "says"),
    [
        (Wanted(0), [1] * 20, "members= must be 1 or more, not 0"),
        (Wanted(5, 0), [1] * 20, "unused= must be 1 or more, not 0"),
        (Wanted(5, 5, -1), [1] * 20, "reference= must be 0 or more, not -1"),
        (Wanted(5, per_group=0), [1] * 20, "per_group= must be 1 or more"),
        (Wanted(5, query_share=1.5), [1] * 20, "query_share= must lie in 0..1, not 1.5"),
        (Wanted(5, query_share=float("nan")), [1] * 20, "query_share= must lie in 0..1"),
        (Wanted(21), [1] * 20, "21 members were asked for, there are 20 images"),
        (Wanted(4, 4, 4), [5] * 4, "5 roles need 5 or more groups, there are 4"),
        (Wanted(2, 2, 2, strangers=True), [5] * 7, "8 roles need 8 or more groups, there are 7"),
        (Wanted(10, 20), [1] * 20, r"role 'query unused'.*10 were asked for, 0 \(of 0 groups\)"),
        (Wanted(5, 5, 20), [1] * 20, r"role 'reference'.*20 were asked for, 10 \(of 10 groups\)"),
        (Wanted(5, 5, 9, strangers=True), [1] * 20, "3 or more groups without a role, 1 are left"),
    ],
)
def test_what_cannot_be_dealt_is_refused_with_the_numbers(
    wanted: Wanted, sizes: list[int], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        deal_roles(*images(sizes), wanted, 0)


def test_groups_that_share_a_cluster_become_one() -> None:
    groups = ("d", "b", "c", "a", "e", "d")
    # d and c share cluster 0; a shares cluster 2 with the other image of d
    assert join_groups(groups, [0, 1, 0, 2, 3, 2]) == ("a", "b", "a", "a", "e", "a")
    assert join_groups(groups, range(6)) == groups
