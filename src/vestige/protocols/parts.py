"""One system on one world in three parts: each is measured, kept, or fails by itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from vestige.benchmark.arrays import WorldArrays
from vestige.benchmark.cells import RATE, Task, measure
from vestige.benchmark.ground import arrays_file
from vestige.benchmark.result import BenchmarkWorld
from vestige.detectors import DETECTORS
from vestige.files.places import without_places
from vestige.files.whole import write_together
from vestige.protocols.forms import changed_options, networks
from vestige.protocols.result import Ours, PaperRun, ProtocolCell
from vestige.protocols.trial import Protocol, Trial
from vestige.registry.entries import InputError
from vestige.schema.decode import decode
from vestige.types import Progress
from vestige.version import __version__
from vestige.worlds.record import GENERATED, read_truth

PART_SCHEMA = 1
PAPER, PUBLISHED, DEFAULT = "paper", "ours, published form", "ours, default form"
PARTS = (PAPER, PUBLISHED, DEFAULT)


@dataclass(frozen=True)
class Asked:
    """A system with its unfitted detector, in the published form and in ours."""

    name: str
    protocol: Protocol
    published: Any
    default: Any


@dataclass(frozen=True)
class Job:
    """A system on a world; `folder` holds the world, `out` everything that is written."""

    system: Asked
    world: BenchmarkWorld
    folder: Path
    out: Path
    seed: int
    progress: Progress

    @property
    def results(self) -> Path:
        """What the protocol itself writes."""
        return self.out / "protocols" / self.world.name / self.system.name


@dataclass(frozen=True)
class Part:
    """A finished part, as it is kept."""

    paper: PaperRun | None
    ours: Ours | None
    seconds: float


def measure_system(job: Job) -> ProtocolCell:
    """The three parts of one system on one world, those that are kept and those that are not."""
    parts: dict[str, Part] = {}
    errors: dict[str, str] = {}
    for part in PARTS:
        path = _part_file(job, part)
        if (kept := _kept(path, job.results)) is not None:
            parts[part] = kept
            continue
        start = perf_counter()
        try:
            found = _measure(job, part)
        except InputError as error:
            errors[part] = without_places(error.for_command)
        except Exception as error:  # nobody foresaw it: it costs this part and no other
            errors[part] = without_places(f"{type(error).__name__}: {error}")
        else:
            parts[part] = replace(found, seconds=round(perf_counter() - start, 3))
            write_together({path: json.dumps(asdict(parts[part]), indent=1) + "\n"})
    return ProtocolCell(
        job.world.name,
        job.system.name,
        parts[PAPER].paper if PAPER in parts else None,
        parts[PUBLISHED].ours if PUBLISHED in parts else None,
        parts[DEFAULT].ours if DEFAULT in parts else None,
        {part: found.seconds for part, found in parts.items()},
        errors,
    )


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON gives them back."""
    made: dict[str, Any] = json.loads(json.dumps(options))
    return made


def _measure(job: Job, part: str) -> Part:
    arrays = arrays_file(job.out, job.world)
    if not arrays.exists():
        WorldArrays.read(job.folder).save(arrays)
    protocol = job.system.protocol
    if part == PAPER:
        return Part(protocol.run(_trial(job, WorldArrays.load(arrays))), None, 0.0)
    name, options = protocol.detector, _options(job, part)
    told = job.world
    cell = measure(
        Task(str(arrays), told.name, told.sha256, name, False, job.seed, {name: options})
    )
    return Part(None, Ours(plain(options), cell.release, cell.forensic, cell.blind), 0.0)


def _trial(job: Job, world: WorldArrays) -> Trial:
    queries = [row.id for row in read_truth(job.folder) if row.role == "query"]
    files = [file.name for file in (job.folder / GENERATED).iterdir() if file.name[0] != "."]
    return Trial(
        world,
        job.system.published,
        tuple(queries),
        tuple(sorted(files)),
        job.results,
        job.seed,
        lambda stage, done, total: job.progress(f"{job.system.name}, {stage}", done, total),
    )


def _form(job: Job, part: str) -> Any:
    return job.system.default if part == DEFAULT else job.system.published


def _options(job: Job, part: str) -> dict[str, Any]:
    return changed_options(job.system.protocol.detector, _form(job, part))


def _part_file(job: Job, part: str) -> Path:
    """Our protocol knows detectors, not papers: forms that are equal are measured once."""
    detector = job.system.protocol.detector
    name = job.system.name if part == PAPER else detector
    hidden = DETECTORS[detector].weights  # files of weights are known by their digests
    options = {o: value for o, value in _options(job, part).items() if o not in hidden}
    asked = [part == PAPER, name, options, networks(_form(job, part)), job.seed]
    told = [PART_SCHEMA, __version__, RATE, job.world.sha256, *asked]
    return job.out / "cells" / f"{hashlib.sha256(json.dumps(told).encode()).hexdigest()}.json"


def _kept(path: Path, results: Path) -> Part | None:
    if not path.exists():
        return None
    try:
        part: Part = decode(Part, json.loads(path.read_text(encoding="utf-8")), "part")
    except (OSError, ValueError):
        return None  # damaged: measured again and replaced
    files = part.paper.files if part.paper else ()
    return part if all((results / name).exists() for name in files) else None
