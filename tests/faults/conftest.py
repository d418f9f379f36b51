"""One small world on disk for all faults."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from story.world import worlds
from vestige.worlds.embedded import write_world


@pytest.fixture(scope="session")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders used, unused, generated and groups.csv; read only."""
    return write_world(worlds()[0], tmp_path_factory.mktemp("leaking"))


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same reals, and a generated set that copies strangers."""
    return write_world(worlds()[1], tmp_path_factory.mktemp("clean"))


@pytest.fixture(autouse=True)
def _ctrl_c_arrives() -> Iterator[None]:
    """A suite started in the background of a shell ignores Ctrl-C, and so would these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
