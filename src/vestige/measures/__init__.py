"""Published measures of a whole generated set; they inform and never change the verdict.

A measure is a function from a `SetComparison` to a `vestige.result.SetMeasure`. A new one is one
function and one line in `SET_MEASURES`.
"""

from collections.abc import Callable

from vestige.measures.comparison import MAX_GENERATED as MAX_GENERATED
from vestige.measures.comparison import SetComparison as SetComparison
from vestige.registry.entries import InputError, RegistryEntry
from vestige.registry.lazy import Lazy
from vestige.schema.records import SetMeasure

SET_MEASURES: dict[str, RegistryEntry[SetMeasure]] = {
    "data_copying": RegistryEntry(
        "C_T: are generated images nearer to targets than unused images are? (Meehan et al.)",
        Lazy("vestige.measures.published", "data_copying"),
    ),
    "authenticity": RegistryEntry(
        "AuthPct: generated images that are no copies of a target, in % (Alaa et al.)",
        Lazy("vestige.measures.published", "authenticity"),
    ),
    "closest_share": RegistryEntry(
        "DCR with hold-out: generated images nearer to a target than to a calibration image",
        Lazy("vestige.measures.published", "closest_share"),
    ),
}


def measure_sets(
    comparison: SetComparison, done: Callable[[str], None] = lambda name: None
) -> tuple[SetMeasure, ...]:
    """Take every measure; one that these sets do not allow says why and has no value."""
    rows = []
    for name, choice in SET_MEASURES.items():
        try:
            rows.append(choice.factory(comparison))
        except InputError as error:
            rows.append(SetMeasure(name, None, None, f"Not possible: {error.for_command}"))
        done(name)
    return tuple(rows)
