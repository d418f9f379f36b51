"""Versions of the packages that a result depends on."""

from collections.abc import Mapping
from functools import cache

DECODERS = (
    *("numpy", "scipy", "pillow", "tifffile", "pydicom", "nibabel"),
    *("pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg"),
)
"""What a decoded image depends on."""


@cache
def installed(*packages: str) -> Mapping[str, str]:
    """Versions of packages, "" for those that are not there; looked up once per process."""
    from importlib.metadata import PackageNotFoundError, version  # heavy, and rarely needed

    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found
