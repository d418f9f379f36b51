"""The faults of `mutants.py` still fit the source; `make mutants` puts them in."""

import pytest

from mutants import MUTANTS, SOURCE, TESTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}: {mutant.old}")
def test_a_fault_has_its_place_and_tests(mutant: Mutant) -> None:
    text = (SOURCE / "vestige" / mutant.file).read_text(encoding="utf-8")
    assert mutant.old in text
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")
    for test in mutant.tests.split():
        assert (TESTS / test.partition("::")[0]).exists()


def test_there_are_enough_of_them_and_each_once() -> None:
    assert len(MUTANTS) >= 20
    assert len({(m.file, m.old, m.new) for m in MUTANTS}) == len(MUTANTS)
