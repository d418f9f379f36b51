"""Worlds x the papers' systems: evaluated as published, and by our protocol beside it.

Each system gives three parts per world: the paper's own evaluation, our protocol on the published
form of its detector (what changes is the protocol alone), and on our default form. A finished part
is one small file, so that a run that was killed goes on where it was.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from vestige.benchmark.ground import clear_cache, environment, open_worlds
from vestige.files.whole import write_together
from vestige.images.kinds import NAMES, Kind
from vestige.protocols import PROTOCOLS
from vestige.protocols.forms import check_form, default_form, networks, published_form
from vestige.protocols.parts import PARTS, Asked, Job, measure_system, plain
from vestige.protocols.result import SCHEMA, ProtocolCell, Protocols, System
from vestige.protocols.tables import to_csv, to_html, to_latex, to_markdown
from vestige.registry.entries import InputError, choose
from vestige.registry.rules import SEED
from vestige.scoring.plan import Options
from vestige.types import Progress, quiet


def run_protocols(
    worlds: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    protocols: Sequence[str] | None = None,
    options: Options | None = None,
    seed: int = 0,
    progress: Progress = quiet,
) -> Protocols:
    """Run the papers' systems on worlds, and write tables of what was found.

    Writes protocols.json, protocols.md, protocols.csv and protocols.html to `out`, what a protocol
    itself writes to ``out/protocols/WORLD/NAME``, and a file per finished part to ``out/cells``.
    The same call again measures what is missing.

    Parameters
    ----------
    worlds : folders
        As `vestige.worlds.build.build_world` leaves them.
    out : folder
    protocols : names, optional
        See PROTOCOLS; default: all that can run here with these options. The others are listed as
        left out.
    options : protocol or detector -> its options, optional
        For both forms of the detector, of one protocol or of all that run it; what a paper
        prescribes stays unless named.
    seed : int
        Of splits, audits and, unless an option says otherwise, detectors.
    progress : callable
        Called as progress(stage, done, total).

    Returns
    -------
    Protocols
        Parts that failed stand in `errors`.

    Raises
    ------
    InputError
        For a folder that is no finished world or holds no grey images, an unknown protocol or
        option, a named protocol that cannot run, a folder that cannot be written. A part that fails
        raises nothing.
    """
    SEED.check(seed)
    asked, left_out = _choose(protocols, options or {}, seed)
    known = open_worlds(worlds)
    for world in known.values():
        refuse_kind(world.recipe.kind, f"the world {world.name}")
    place = Path(out).absolute()
    try:
        (place / "cells").mkdir(parents=True, exist_ok=True)
        (place / "cache").mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {place}: {error.strerror or error}") from error

    cells: list[ProtocolCell] = []
    total = len(PARTS) * len(known) * len(asked)
    for folder, world in known.items():
        for system in asked:
            progress("parts", len(PARTS) * len(cells), total)
            cells.append(measure_system(Job(system, world, folder, place, seed, progress)))
    progress("parts", total, total)

    found = Protocols(
        schema=SCHEMA,
        systems=tuple(_describe(system) for system in asked),
        left_out=left_out,
        worlds=tuple(known.values()),
        cells=tuple(cells),
        options={"seed": seed, **{name: plain(given) for name, given in (options or {}).items()}},
        environment=environment(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_together(
        {
            place / "protocols.md": to_markdown(found),
            place / "protocols.csv": to_csv(found),
            place / "protocols.tex": to_latex(found),
            place / "protocols.html": to_html(found),
            place / "protocols.json": found.to_json(),
        }
    )
    clear_cache(place, known.values())
    return found


def refuse_kind(kind: Kind, holder: str) -> None:
    """Refuse images that no paper compares; `holder` holds them.

    Raises
    ------
    InputError
    """
    if kind != "grey":
        raise InputError(
            f"the papers' protocols compare grey images, {holder} holds {NAMES[kind]}: name "
            "grey images, or leave --protocol out."
        )


def _choose(
    names: Sequence[str] | None, options: Options, seed: int
) -> tuple[tuple[Asked, ...], dict[str, str]]:
    """The systems that are asked for; those nobody named and that cannot run, with the reason."""
    asked, left_out = [], {}
    for name in dict.fromkeys(names or PROTOCOLS):
        protocol = choose(PROTOCOLS, name, "protocol").factory()
        both = {**options.get(protocol.detector, {}), **options.get(name, {})}
        given = {"seed": seed} | both
        forms = [form(protocol.detector, given) for form in (published_form, default_form)]
        try:
            for made in forms:
                check_form(name, protocol.detector, made)
        except InputError as error:
            if names or both:
                raise
            left_out[name] = error.for_command
            continue
        asked.append(Asked(name, protocol, *forms))
    runs = {system.name: system.protocol.detector for system in asked}
    for owner in options:
        if owner not in runs and owner not in runs.values():
            told = ", ".join(f"{name} ({detector})" for name, detector in runs.items())
            raise InputError(
                f"options were given for {owner}, which is no protocol that runs here and the "
                f"detector of none. Those that run: {told}."
            )
    return tuple(asked), left_out


def _describe(system: Asked) -> System:
    return System(
        system.name,
        PROTOCOLS[system.name].summary,
        system.protocol.detector,
        networks(system.published),
        system.protocol.published,
    )
