"""`vestige scrub`."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from vestige.cli.options import (
    IMAGES,
    OUTPUT,
    QUESTION,
    Cache,
    DetectorOptions,
    Engine,
    GroupRegex,
    Groups,
    Json,
    Query,
    Quiet,
    Reference,
    Unused,
    Used,
)
from vestige.cli.terminal import given, output, progress_bars, say
from vestige.files.places import refuse_within
from vestige.registry.entries import InputError


def scrub(
    result: Annotated[
        Path,
        typer.Argument(metavar="RESULT.json", help="The result.json that `vestige audit` wrote."),
    ],
    *,
    generated: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="The synthetic images that were audited. Give all folders as in the audit.",
            rich_help_panel=IMAGES,
        ),
    ],
    used: Used = None,
    unused: Unused = None,
    query: Query = None,
    reference: Reference = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    max_share: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="The largest share of the generated images, between 0 and 1, that may be "
            "withheld.",
            rich_help_panel=QUESTION,
        ),
    ] = 0.5,
    option: DetectorOptions = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="KEEP.txt",
            help="The file to write, with the ids of the images that may be released, one a line.",
            rich_help_panel=OUTPUT,
        ),
    ],
    copy_to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Copy the files that may be released to this new folder, if the gate is open.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
    engine: Engine = "local",
    cache: Cache = None,
) -> int:
    """Withhold generated images until an audit of the rest finds nothing.

    The exit code is that of `vestige audit --gate` for the rest.
    """
    from vestige.decision.sentences import gate_line
    from vestige.release.scrub import beside, called_used
    from vestige.release.scrub import scrub as run_scrub
    from vestige.scoring.plan import parse_options

    for file in (out, *beside(out)):
        if file.is_dir():
            raise InputError(f"cannot write {file}: it is a folder. Name a file, such as keep.txt.")
    inputs = given(
        generated=generated, used=used, unused=unused, query=query, reference=reference,
        groups=groups,
    )  # fmt: skip
    inputs += [("the result", result)]
    files = (out, *beside(out))
    if cache is not None:
        refuse_within(("--cache", cache), [("--out", file) for file in files])
    if copy_to is not None:
        refuse_within(("--copy-to", copy_to), [*inputs, *given(cache=cache), ("--out", out)])
    with output(out.parent, inputs, files), progress_bars(quiet) as progress:
        found = run_scrub(
            result,
            generated,
            used,
            unused,
            query,
            reference,
            groups=groups,
            group_regex=group_regex,
            options=parse_options(option or []),
            max_share=max_share,
            engine=engine,
            cache=cache,
            copy_to=copy_to,
            progress=progress,
        )
        withheld, report = found.save(out)
    test = found.remainder.set_test
    if as_json:
        answer: dict[str, Any] = {
            "decision": asdict(found.outcome),
            "keep": list(found.keep),
            "withheld": [asdict(image) for image in found.withheld],
            "unreadable": found.unreadable,
            "called_used": {"before": called_used(found.before),
                            "after": called_used(found.remainder)},
            "auc": asdict(test.auc) if test else None,
            "copied": found.copied,
            "left_out": list(found.left_out),
            "files": [str(out), str(withheld), str(report)],
        }  # fmt: skip
        say(json.dumps(answer, indent=1))
    elif not quiet:
        reasons = Counter(image.by for image in found.withheld)
        told = ", ".join(f"{n} by {by}" for by, n in reasons.most_common())
        say(
            f"{len(found.withheld)} of {len(found.withheld) + len(found.keep)} generated images "
            f"withheld{f' ({told})' if told else ''}: {withheld}. May stay: {out}. Report: {report}"
        )
        if found.unreadable:
            say(f"{found.unreadable} generated file(s) could not be read and are in neither.")
        if copy_to is not None and found.copied is None:
            say(f"The gate is not open, so nothing was copied to {copy_to}.")
        elif copy_to is not None:
            say(f"{found.copied} files were copied to {copy_to}.")
        elif any("#" in id_ for id_ in found.keep):
            say("Give --copy-to DIR to write arrays and volumes without the withheld images.")
        if found.left_out:
            say(
                f"{len(found.left_out)} file(s) hold withheld images beside others and were left "
                f"out, such as {found.left_out[0]}."
            )
        say(f"The rest: {gate_line(found.outcome)}")
    return found.outcome.exit_code
