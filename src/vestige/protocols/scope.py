"""Team SCOPE: Siamese network with cross-attention (docs/methods.md 1.1)."""

from vestige.protocols.result import Published
from vestige.protocols.siamese_pairs import run_pairs
from vestige.protocols.trial import Protocol

PROTOCOL = Protocol(
    "siamese",
    Published(
        *("accuracy", 0.9),
        *(-0.032, 0.484, 0.483, 0.456, 0.469),
        "Areeb, Vashist & Kalinathan, CLEF 2025 working notes, ImageCLEF 2025 run 1160",
        "own figure: ResNet-50 with cross-attention, F1 .5902; four rows of its table imply a "
        "prevalence of .10, where the majority constant has accuracy .90",
    ),
    run_pairs,
)
