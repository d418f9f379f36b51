"""vestige: was this real medical image used to train the generator behind those images?"""

from vestige import detectors
from vestige.auditing.audit import audit, run_audit
from vestige.auditing.options import AuditOptions
from vestige.registry.entries import InputError
from vestige.release.scrub import ScrubResult, scrub
from vestige.result import AuditResult
from vestige.training.train import train
from vestige.version import __version__

__all__ = [
    "AuditOptions",
    "AuditResult",
    "InputError",
    "ScrubResult",
    "__version__",
    "audit",
    "detectors",
    "run_audit",
    "scrub",
    "train",
]
