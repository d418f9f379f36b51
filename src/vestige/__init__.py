"""vestige: was this real medical image used to train the generator behind those images?"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vestige.version import __version__

if TYPE_CHECKING:
    from vestige import detectors
    from vestige.auditing.audit import audit, run_audit
    from vestige.auditing.options import AuditOptions
    from vestige.registry.entries import InputError
    from vestige.release.scrub import ScrubResult, scrub
    from vestige.result import AuditResult
    from vestige.sites.combine import CombinedResult, combine
    from vestige.training.train import train
    from vestige.watch.watch import Watch

__all__ = [
    "AuditOptions",
    "AuditResult",
    "CombinedResult",
    "InputError",
    "ScrubResult",
    "Watch",
    "__version__",
    "audit",
    "combine",
    "detectors",
    "run_audit",
    "scrub",
    "train",
]

_HOMES = {
    "AuditOptions": "auditing.options",
    "AuditResult": "result",
    "CombinedResult": "sites.combine",
    "InputError": "registry.entries",
    "ScrubResult": "release.scrub",
    "Watch": "watch.watch",
    "audit": "auditing.audit",
    "combine": "sites.combine",
    "run_audit": "auditing.audit",
    "scrub": "release.scrub",
    "train": "training.train",
}
"""Where each name lives: what nobody asks for is not imported, so that the command starts soon."""


def __getattr__(name: str) -> Any:
    if name == "detectors":
        return import_module("vestige.detectors")
    if name not in _HOMES:
        raise AttributeError(f"module 'vestige' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"vestige.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
