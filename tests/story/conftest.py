"""One small world on disk for all stories."""

from pathlib import Path

import pytest

import vestige
from story.world import worlds
from vestige.worlds.embedded import write_world


@pytest.fixture(scope="session")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders used, unused, generated and groups.csv; read only."""
    return write_world(worlds()[0], tmp_path_factory.mktemp("leaking"))


@pytest.fixture(scope="session")
def usual(leaking: Path) -> vestige.AuditResult:
    """The audit of the leaking set as a user gets it who asks for nothing else."""
    asked = {role: leaking / role for role in ("generated", "used", "unused")}
    return vestige.audit(**asked, groups=leaking / "groups.csv")


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same reals, and a generated set that copies strangers."""
    return write_world(worlds()[1], tmp_path_factory.mktemp("clean"))
