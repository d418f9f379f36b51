"""What is needed to repeat an audit: versions, options, hashes, seconds, memory."""

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TypeVar

from vestige.images.kinds import Kind
from vestige.packages import installed
from vestige.schema.records import Manifest
from vestige.version import __version__

DEPENDENCIES = (
    *("numpy", "scipy", "scikit-image", "pillow", "tifffile", "pydicom", "nibabel"),
    *("torch", "torchvision", "timm", "faiss-cpu"),
)


T = TypeVar("T")


class Clock:
    """Wall seconds per stage."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self.started, self.since = now.isoformat(timespec="seconds"), now.timestamp()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage."""
        start = perf_counter()
        yield
        self.add(name, perf_counter() - start)

    def timed(self, name: str, function: Callable[[], T]) -> Callable[[], T]:
        """The same function as a stage."""

        def measured() -> T:
            with self.stage(name):
                return function()

        return measured

    def add(self, name: str, seconds: float) -> None:
        """Note the seconds of a stage."""
        self.seconds[name] = round(self.seconds.get(name, 0.0) + seconds, 4)


def write_manifest(
    clock: Clock,
    seed: int,
    options: Mapping[str, Any],
    inputs: Mapping[str, str],
    weights: Mapping[str, str],
    kind: Kind,
    question: str,
) -> Manifest:
    """Collect the manifest at the end of an audit."""
    return Manifest(
        vestige=__version__,
        python=platform.python_version(),
        dependencies={n: v for n, v in installed(*DEPENDENCIES).items() if v},
        seed=seed,
        options=dict(options),
        inputs_sha256=dict(inputs),
        weights_sha256=dict(weights),
        started=clock.started,
        seconds=dict(clock.seconds),
        peak_rss_bytes=_peak_memory(),
        kind=kind,
        question_sha256=question,
    )


def _peak_memory() -> int:
    """Largest resident set of this process so far, bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
