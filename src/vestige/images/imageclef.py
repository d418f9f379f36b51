"""The folder names of the ImageCLEFmedical GANs challenge, 2023 and 2025."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from vestige.registry.entries import InputError

_ROLES = {
    "generated": re.compile(r"generated(_\d+)?"),
    "used": re.compile(r"(real_)?used"),
    "unused": re.compile(r"(real_)?not_used"),
    "query": re.compile(r"real_unknown(_\d+)?"),
}
_DEPTH = 3
"""Training and test data unpack into one or two folders of their own."""


def open_imageclef(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Find the roles in a challenge folder.

    Layouts: 2023 (generated, used, not_used; generated_1, real_unknown_1) and 2025 (generated,
    real_used, real_not_used, real_unknown), directly or in subfolders, training and test data
    together too if every role occurs once.

    Returns
    -------
    dict
        Role ("generated", "used", "unused", "query") to folder; "generated" and at least one
        other are always there.

    Raises
    ------
    InputError
        When a folder is missing or a role has two candidates; lists what was found.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"no such folder: {root}")
    found: dict[str, list[Path]] = {}
    for role, path in _candidates(root, _DEPTH):
        found.setdefault(role, []).append(path)
    for role, paths in found.items():
        if len(paths) > 1:
            names = ", ".join(sorted(p.relative_to(root).as_posix() for p in paths))
            raise InputError(
                f"{root} has {len(paths)} folders of {role} images ({names}); "
                "give the folder that holds one of them, or name the folders one by one"
            )
    if "generated" not in found or len(found) < 2:
        names = ", ".join(sorted(p.relative_to(root).as_posix() for [p] in found.values()))
        raise InputError(
            f"{root} is no ImageCLEF folder: it needs generated, and real_used, real_not_used or "
            f"real_unknown (2023: used, not_used, real_unknown_1). Found: {names or 'none of them'}"
        )
    return {role: found[role][0] for role in _ROLES if role in found}


def _candidates(folder: Path, depth: int) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith((".", "__")):
            continue
        role = next((r for r, name in _ROLES.items() if name.fullmatch(path.name.lower())), None)
        if role is not None:
            yield role, path
        elif depth > 1:
            yield from _candidates(path, depth - 1)
