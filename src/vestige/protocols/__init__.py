"""The papers' systems run exactly as their papers did, beside our protocol on the same world.

A new one is one file and one line in `PROTOCOLS`; `vestige.protocols.run.run_protocols` runs them.
"""

from vestige.protocols import (
    gan_isi,
    kalinathan2026,
    medhastra,
    scope,
    zhou_ding,
    zhou_ding_cosine,
)
from vestige.protocols.trial import Protocol
from vestige.registry.entries import RegistryEntry

PROTOCOLS: dict[str, RegistryEntry[Protocol]] = {
    "scope": RegistryEntry(
        "Siamese network with cross-attention, accuracy over pairs (SCOPE, 2025)",
        lambda: scope.PROTOCOL,
        needs_labels=True,
        extra="deep",
    ),
    "kalinathan2026": RegistryEntry(
        "hybrid Siamese network, accuracy over pairs (2026; partly unknown)",
        lambda: kalinathan2026.PROTOCOL,
        needs_labels=True,
        extra="deep",
    ),
    "medhastra": RegistryEntry(
        "cosine threshold and a circular regression (Medhastra, 2025)",
        lambda: medhastra.PROTOCOL,
        needs_labels=True,
        extra="deep",
    ),
    "zhou_ding": RegistryEntry(
        "ViT fingerprints and CANet, kappa on validation images (zhouyijiang1, 2025)",
        lambda: zhou_ding.PROTOCOL,
        needs_labels=True,
        extra="deep",
    ),
    "zhou_ding_resnet50": RegistryEntry(
        "largest ResNet-50 cosine, threshold unpublished (zhouyijiang1, 2025)",
        lambda: zhou_ding_cosine.RESNET50,
        needs_labels=True,
        extra="deep",
    ),
    "zhou_ding_dual": RegistryEntry(
        "largest cosines of two networks, threshold unpublished (zhouyijiang1, 2025)",
        lambda: zhou_ding_cosine.DUAL,
        needs_labels=True,
        extra="deep",
    ),
    "gan_isi": RegistryEntry(
        "classifier of pairs on texture distances (GAN-ISI, 2023)",
        lambda: gan_isi.PROTOCOL,
        needs_labels=True,
    ),
}
