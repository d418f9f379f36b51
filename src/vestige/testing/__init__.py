"""The contracts of detectors, generators and readers, checked on small phantom images.

Each function returns nothing, or raises a `ContractError` that names the object and the rule of
`RULES` that it breaks. No test framework is needed.
"""

from vestige.registry.contract import RULES, ContractError
from vestige.testing.detectors import check_detector
from vestige.testing.generators import check_generator
from vestige.testing.readers import check_reader

__all__ = ["RULES", "ContractError", "check_detector", "check_generator", "check_reader"]
