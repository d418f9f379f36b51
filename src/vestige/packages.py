"""What a result depends on beside the images: versions of packages, and our own code."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

DECODERS = (
    *("numpy", "scipy", "pillow", "tifffile", "pydicom", "nibabel", "h5py"),
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


@cache
def source_sha256() -> str:
    """Digest of our own modules: what unreleased code made is not taken for that of a release."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
