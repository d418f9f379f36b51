"""vestige: was this real medical image used to train the generator behind those images?"""

__version__ = "0.1.0"

from vestige import detectors
from vestige.audit import audit
from vestige.choices import InputError
from vestige.result import AuditResult

__all__ = ["AuditResult", "InputError", "__version__", "audit", "detectors"]
