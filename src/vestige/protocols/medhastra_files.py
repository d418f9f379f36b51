"""What team Medhastra's paper shows, as files: two figures, two tables, and the run."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields

from vestige.detectors.cosine_rules import AlphaRow, GeneratedMaxima
from vestige.imageclef.challenge import natural_key
from vestige.imageclef.runfile import FORMATS, refuse_collisions, validate_run
from vestige.protocols.trial import Reals
from vestige.registry.entries import InputError, create
from vestige.report import charts
from vestige.types import Bools, Floats


def similarities_svg(maxima: GeneratedMaxima) -> str:
    """Histogram of S_u (filled) over S_n (line): 40 bins on a shared axis."""
    edges, used, unused = maxima.histogram(40)
    names = ("to used", "to unused")
    axes = ("largest cosine of a generated image", "generated images")
    return _alone(charts.bars(edges, used, unused, names, axes))


def roc_svg(scores: Floats, queries: Reals, seed: int) -> str:
    """ROC of the largest cosine of the queries, with its band by group."""
    used = queries.used
    sides = (scores[used], scores[~used], queries.groups[used], queries.groups[~used])
    return _alone(charts.roc(charts.roc_of(*sides, seed)))


def alphas_csv(tables: Mapping[str, Sequence[AlphaRow]]) -> str:
    """One line per set of images and alpha."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["images", *(f.name for f in fields(AlphaRow))])
    for images, rows in tables.items():
        writer.writerows([images, *astuple(row)] for row in rows)
    return text.getvalue()


def run_csv(ids: Sequence[str], used: Bools) -> str:
    """The decisions as a run of ImageCLEF 2025, in natural order."""
    rules = create(FORMATS, "imageclef2025", "format")
    refuse_collisions(ids, rules.row_name, f"{rules.name} names")
    decided = dict(zip(ids, used, strict=True))
    lines = [f"{rules.row_name(i)},{int(decided[i])}" for i in sorted(ids, key=natural_key)]
    text = "\n".join(lines) + "\n"
    if faults := validate_run(text, ids):
        raise InputError(f"{rules.name} cannot hold this run: {faults[0]}. Rename the files.")
    return text


def _alone(svg: str) -> str:
    """A chart made for a page, as a file of its own."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"'
    return svg.replace("<svg", head, 1) + "\n"
