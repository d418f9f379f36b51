"""Root without its right to read everything, so that the modes of files count in tests."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

VERSION_3 = 0x20080522
OVERRIDE = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


@contextmanager
def modes_count() -> Iterator[None]:
    """Nobody in this thread may read what its mode forbids, root neither.

    Another user would not do: the folder for temporary files may be closed to others.
    """
    if os.name == "nt":
        pytest.skip("there are no such permissions on Windows")
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root reads everything here")
    system = ctypes.CDLL(None, use_errno=True)
    this_thread = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    had, has = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert system.capget(this_thread, had) == 0
    has[:] = had[:]
    has[0] &= ~OVERRIDE  # effective; what is permitted stays, to take it back
    assert system.capset(this_thread, has) == 0
    try:
        yield
    finally:
        assert system.capset(this_thread, had) == 0
