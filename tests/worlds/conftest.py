"""One folder of invented reals, and a small recipe, for all tests of worlds."""

from pathlib import Path

import pytest

from phantom_reals import SIZE, write_reals
from vestige.worlds.record import Recipe


@pytest.fixture(scope="session")
def reals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reals(tmp_path_factory.mktemp("source") / "reals")


@pytest.fixture(scope="session")
def recipe(reals: Path) -> Recipe:
    groups = str(reals.with_name("groups.csv"))
    return Recipe(
        generator="copier", images=str(reals), groups=groups, members=30, samples=20, size=SIZE
    )
