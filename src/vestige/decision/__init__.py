"""From all the evidence to one decision: records of the evidence, one function, one text."""

from vestige.decision.decide import decide
from vestige.decision.records import Decision, Evidence

__all__ = ["Decision", "Evidence", "decide"]
