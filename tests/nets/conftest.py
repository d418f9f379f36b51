"""Tiny networks: more threads would only wait for each other."""

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="needs vestige[deep]")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
