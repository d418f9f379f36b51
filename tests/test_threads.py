"""A product uses one core, whenever its library was loaded."""

import os
import subprocess
import sys

LATE = """
import sys
import numpy
from threadpoolctl import threadpool_info
from vestige.engine.threads import one_core
assert "scipy.linalg" not in sys.modules
numpy.ones((300, 300)) @ numpy.ones((300, 300))
before = [pool["num_threads"] for pool in threadpool_info()]
with one_core():
    import scipy.linalg
    within = [pool["num_threads"] for pool in threadpool_info()]
assert max(before) == 2, before
assert len(within) > len(before)
assert set(within) == {1}, within
assert max(pool["num_threads"] for pool in threadpool_info()) == 2
"""


def test_a_library_that_a_column_loads_later_is_limited_as_well() -> None:
    """Else the last bit of a column depends on what was computed before it: a resumed audit."""
    two = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    done = subprocess.run([sys.executable, "-c", LATE], env=two, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
