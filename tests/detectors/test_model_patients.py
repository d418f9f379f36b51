"""A trained model judges no patient it learned from; who they were is not told (A4)."""

import hashlib
import json
from typing import Any

import pytest

from image_sets import as_read
from images.test_duplicates import textures
from vestige.images.groups import Grouping, assign_groups
from vestige.registry.entries import InputError
from vestige.scoring.plan import Column
from vestige.training.models import Model, check_patients, patients_learned_from

REGEX = r"^(\w+)-"


def grouping(regex: str | None = REGEX, **roles: list[str]) -> Grouping:
    """Images of these ids, all different."""
    pictures, sets = textures(12, seed=len(str(roles))), {}
    for role, ids in roles.items():
        sets[role], pictures = as_read(pictures[: len(ids)], ids), pictures[len(ids) :]
    return assign_groups(sets, regex=regex)


def model(training: dict[str, Any]) -> Model:
    column = Column("siamese_model", "siamese", {}, 1.0, pool=False)
    detector: Any = None
    return Model("model.safetensors", column, detector, training, "")


def trained(regex: str | None = REGEX) -> Model:
    learned = grouping(regex, used=["ann-0", "ben-0"], unused=["cy-0", "cy-1"])
    return model({"patients_learned_from": patients_learned_from(learned, ["a digest"])})


@pytest.mark.parametrize("role", ["query", "used", "unused"])
def test_other_images_of_its_patients_are_refused(role: str) -> None:
    roles = {"query": ["dan-0"], "used": ["eve-0"], "unused": ["fay-0"]}
    assert check_patients([trained()], grouping(**roles)) == []
    roles[role] = [*roles[role], "ben-7"]
    with pytest.raises(InputError, match=f"learned from other images of 1 of the {role} patients"):
        check_patients([trained()], grouping(**roles))


def test_a_patient_under_another_name_is_refused_where_images_show_it() -> None:
    pictures = textures(3)
    sets = {
        "query": as_read(pictures[:1], ["dan-0"]),
        "unused": as_read(pictures[1:], ["fay-0", "gus-0"]),
        "reference": as_read(pictures[:1], ["ann-5"]),
    }
    with pytest.raises(InputError, match="1 of the query patients"):
        check_patients([trained()], assign_groups(sets, regex=REGEX))


@pytest.mark.parametrize(
    ("learned", "asked", "why"),
    [
        (model({}), REGEX, "its card names no patient"),
        (trained(None), REGEX, "its card names no patient"),
        (trained(), None, "nothing names the patients of this audit"),
    ],
)
def test_what_cannot_be_checked_is_told(learned: Model, asked: str | None, why: str) -> None:
    [row] = check_patients([learned], grouping(asked, query=["ben-7"], unused=["fay-0"]))
    assert row.severity == "warning"
    assert row.what.startswith("whether the model siamese_model learned from other images")
    assert why in row.what


def test_the_card_keeps_no_name_and_no_plain_digest() -> None:
    learned = grouping(used=["ann-0", "ben-0"])
    card = patients_learned_from(learned, ["one", "two"])
    text = json.dumps(card)
    assert len(card["digests"]) == 2
    for name in ("ann", "ben"):
        for digest in (name, hashlib.sha256(name.encode()).hexdigest(),
                       hashlib.blake2b(name.encode(), digest_size=16).hexdigest()):  # fmt: skip
            assert digest not in text
    assert patients_learned_from(learned, ["one", "two"]) == card
    other = patients_learned_from(learned, ["one", "three"])
    assert not set(other["digests"]) & set(card["digests"])


@pytest.mark.parametrize(
    "damaged", [[], {"salt": "xy", "digests": []}, {"salt": "", "digests": ["a"]}, {"salt": "00"}]
)
def test_a_damaged_card_is_one_line(damaged: Any) -> None:
    with pytest.raises(InputError, match="is damaged: train it again"):
        check_patients([model({"patients_learned_from": damaged})], grouping(query=["ben-7"]))
