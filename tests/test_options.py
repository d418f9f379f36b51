from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from vestige.registry.entries import InputError
from vestige.registry.options import split_options, typed_options


@dataclass
class Made:
    count: int = 0
    rate: float = 0.5
    flip: bool = False
    word: str = "a"
    draws: int | None = None
    side: Literal["left", "right"] = "left"
    coords: Literal["add", "concat"] | None = "add"
    taps: str | Sequence[int] = "even"
    names: Sequence[str] = ()
    shares: Sequence[float] = ()
    model_: Any = field(init=False, default=None)


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("count", "3", 3),
        ("rate", "1", 1.0),
        ("flip", "True", True),
        ("word", "7", "7"),
        ("draws", "12", 12),
        ("draws", "none", None),
        ("side", "right", "right"),
        ("coords", "None", None),
        ("coords", "concat", "concat"),
        ("taps", "relative", "relative"),
        ("taps", "3,6, 9", (3, 6, 9)),
        ("taps", "6", (6,)),
        ("names", "resnet50,vit_b_16", ("resnet50", "vit_b_16")),
        ("shares", "[.3,.7]", (0.3, 0.7)),
    ],
)
def test_a_text_takes_the_type_of_its_field(option: str, text: str, value: Any) -> None:
    found = typed_options(Made(), {option: text}, "detector", "made")[option]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("count", "3.5", "option count must be a whole number, not '3.5'"),
        ("rate", "nan", "option rate must be a number"),
        ("rate", "-inf", "option rate must be a number"),
        ("flip", "1", "option flip must be true or false"),
        ("draws", "many", "option draws must be a whole number"),
        ("side", "up", "option side must be one of left, right"),
        ("coords", "up", "option coords must be one of add, concat"),
        ("shares", ".3,x", "option shares must be a number, not 'x'"),
        ("model_", "1", "detector 'made' has no option 'model_'. Known: count, rate"),
    ],
)
def test_a_text_of_another_type_is_refused(option: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words.replace(".", r"\.")):
        typed_options(Made(), {option: text}, "detector", "made")


@pytest.mark.parametrize("texts", [["share"], ["=1"], ["a=1", "a=2"]])
def test_options_are_names_with_values_each_once(texts: list[str]) -> None:
    with pytest.raises(InputError, match="NAME=VALUE"):
        split_options(texts)


def test_a_value_may_hold_an_equals_sign() -> None:
    assert split_options(["weights=a=b.pt"]) == {"weights": "a=b.pt"}
