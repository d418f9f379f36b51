"""Names of version 0.1 in Python: they work until 0.3 and warn."""

from collections.abc import Callable

import numpy as np
import pytest

import vestige
from vestige.registry.entries import InputError
from vestige.registry.old_names import accept_old_names
from vestige.result import OLD_FIELDS, AuditResult


@accept_old_names(conform="harmonize", controls="checks")
def ask(harmonize: bool = False, *, checks: bool = True) -> tuple[bool, bool]:
    return harmonize, checks


def test_an_old_keyword_works_and_warns() -> None:
    with pytest.warns(
        DeprecationWarning, match=r"^conform= is now harmonize= and will go in 0\.3\.$"
    ):
        assert ask(conform=True) == (True, True)  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match="controls= is now checks="):
        assert ask(True, controls=False) == (True, False)  # type: ignore[call-arg]


def test_both_names_at_once_are_refused() -> None:
    with pytest.raises(InputError, match="give checks= alone: controls= is its old name"):
        ask(checks=True, controls=True)  # type: ignore[call-arg]


def test_new_names_do_not_warn() -> None:
    assert ask(harmonize=True, checks=False) == (True, False)


def test_audit_takes_the_keywords_of_0_1() -> None:
    images = np.zeros((3, 8, 8), np.uint8)
    for old, new in (("conform", "harmonize"), ("controls", "checks")):
        with (
            pytest.warns(DeprecationWarning, match=f"{old}= is now {new}="),
            pytest.raises(InputError),  # too few images: it went on
        ):
            vestige.audit(images, images, images, **{old: False})  # type: ignore[arg-type]


@pytest.mark.parametrize(("old", "new"), OLD_FIELDS.items())
def test_fields_of_a_result_by_their_old_names(
    make_result: Callable[..., AuditResult], old: str, new: str
) -> None:
    result = make_result("leak found")
    with pytest.warns(DeprecationWarning, match=rf"\.{old} is now \.{new}"):
        assert getattr(result, old) == getattr(result, new)


def test_other_names_are_no_attributes(make_result: Callable[..., AuditResult]) -> None:
    with pytest.raises(AttributeError, match="no attribute 'bag'"):
        make_result("leak found").bag  # noqa: B018
