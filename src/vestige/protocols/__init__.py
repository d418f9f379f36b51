"""The papers' systems run exactly as their papers did, beside our protocol on the same world.

A new one is one file and one line in `PROTOCOLS`; `vestige.protocols.run.run_protocols` runs them.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from vestige.registry.entries import RegistryEntry

if TYPE_CHECKING:
    from vestige.protocols.trial import Protocol


def _of(file: str, name: str = "PROTOCOL") -> "Callable[[], Protocol]":
    """What a file of this package holds by this name; it is imported when it is asked for."""

    def load() -> "Protocol":
        found: Protocol = getattr(import_module(f"vestige.protocols.{file}"), name)
        return found

    return load


PROTOCOLS: "dict[str, RegistryEntry[Protocol]]" = {
    "scope": RegistryEntry(
        "Siamese network with cross-attention, accuracy over pairs (SCOPE, 2025)",
        _of("scope"),
        needs_labels=True,
        extra="deep",
    ),
    "kalinathan2026": RegistryEntry(
        "hybrid Siamese network, accuracy over pairs (2026; partly unknown)",
        _of("kalinathan2026"),
        needs_labels=True,
        extra="deep",
    ),
    "medhastra": RegistryEntry(
        "cosine threshold and a circular regression (Medhastra, 2025)",
        _of("medhastra"),
        needs_labels=True,
        extra="deep",
    ),
    "zhou_ding": RegistryEntry(
        "ViT fingerprints and CANet, kappa on validation images (zhouyijiang1, 2025)",
        _of("zhou_ding"),
        needs_labels=True,
        extra="deep",
    ),
    "zhou_ding_resnet50": RegistryEntry(
        "largest ResNet-50 cosine, threshold unpublished (zhouyijiang1, 2025)",
        _of("zhou_ding_cosine", "RESNET50"),
        needs_labels=True,
        extra="deep",
    ),
    "zhou_ding_dual": RegistryEntry(
        "largest cosines of two networks, threshold unpublished (zhouyijiang1, 2025)",
        _of("zhou_ding_cosine", "DUAL"),
        needs_labels=True,
        extra="deep",
    ),
    "gan_isi": RegistryEntry(
        "classifier of pairs on texture distances (GAN-ISI, 2023)",
        _of("gan_isi"),
        needs_labels=True,
    ),
}
