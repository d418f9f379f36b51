"""vestige: was this real medical image used to train the generator behind those images?"""

from vestige import detectors
from vestige.audit import audit
from vestige.choices import InputError
from vestige.result import AuditResult
from vestige.scrub import ScrubResult, scrub
from vestige.train import train
from vestige.version import __version__

__all__ = [
    "AuditResult",
    "InputError",
    "ScrubResult",
    "__version__",
    "audit",
    "detectors",
    "scrub",
    "train",
]
