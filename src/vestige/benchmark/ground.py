"""What a benchmark stands on: worlds checked, kept decoded, and the machine it runs on."""

import hashlib
import os
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from vestige.benchmark.result import BenchmarkWorld
from vestige.engine.machine import cores
from vestige.registry.entries import InputError
from vestige.version import __version__
from vestige.worlds.record import RECORD, WorldRecord, verify_world


def open_worlds(folders: Sequence[str | os.PathLike[str]]) -> dict[Path, BenchmarkWorld]:
    """Check worlds against their records; a folder twice or changed is refused."""
    if not folders:
        raise InputError("which worlds? Name one folder or more, made by `vestige world build`.")
    worlds: dict[Path, BenchmarkWorld] = {}
    for folder in map(Path, folders):
        record: WorldRecord = verify_world(folder)
        name = folder.resolve().name
        if name in (world.name for world in worlds.values()):
            raise InputError(f"two worlds are called {name!r}: rename one of the folders.")
        worlds[folder] = BenchmarkWorld(
            name,
            hashlib.sha256((folder / RECORD).read_bytes()).hexdigest(),
            record.recipe.told(),
            record.counts,
            record.groups,
            record.figures,
        )
    return worlds


def arrays_file(place: Path, world: BenchmarkWorld) -> Path:
    """Where the decoded world is kept while a benchmark runs."""
    return place / "cache" / f"{world.sha256}.npz"


def clear_cache(place: Path, worlds: Iterable[BenchmarkWorld]) -> None:
    """Remove what was decoded of these worlds, and nothing else that lies there."""
    cache = place / "cache"
    for world in worlds:
        arrays_file(place, world).unlink(missing_ok=True)
    if not any(cache.iterdir()):
        cache.rmdir()


def environment() -> dict[str, str]:
    """Versions and machine."""
    versions = {name: metadata.version(name) for name in ("numpy", "scipy")}
    return {
        "vestige": __version__,
        "python": platform.python_version(),
        **versions,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": str(cores()),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
