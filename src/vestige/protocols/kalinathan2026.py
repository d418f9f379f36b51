"""Kalinathan et al. 2026: hybrid Siamese network (docs/methods.md 1.2). Partly unknown."""

from vestige.protocols.result import Published
from vestige.protocols.siamese_pairs import run_pairs
from vestige.protocols.trial import Protocol

PROTOCOL = Protocol(
    "siamese_hybrid",
    Published(
        *("accuracy", 0.883),
        *(None, None, None, None, None),
        "Kalinathan, Areeb, Devi & Vashist, Scientific Reports 2026, "
        "doi:10.1038/s41598-026-57331-6; figures second-hand",
        "only the abstract was at hand; taken to be evaluated as the same authors' scope. Its own "
        "figures imply a prevalence of .10, where the majority constant scores about .895",
    ),
    run_pairs,
)
