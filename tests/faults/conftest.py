"""One small world on disk for all faults."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dask_cluster import SOURCE
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


@pytest.fixture(scope="session")
def another_vestige(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("another")
    shutil.copytree(SOURCE / "vestige", folder / "vestige", copy_function=shutil.copyfile)
    (folder / "vestige" / "version.py").write_text('"""Another."""\n\n__version__ = "0.0.9"\n')
    return folder


@pytest.fixture(scope="session")
def no_vestige(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("none")
    (folder / "vestige.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'vestige'\", name='vestige')\n"
    )
    return folder


@pytest.fixture(autouse=True)
def _ctrl_c_arrives() -> Iterator[None]:
    """A suite started in the background of a shell ignores Ctrl-C, and so would these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
