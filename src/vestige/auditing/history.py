"""How often was this asked before? The cache notes each run, and p-values pay for the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vestige.auditing.checks import Checked
from vestige.auditing.gathering import Gathered
from vestige.auditing.request import Request
from vestige.auditing.scoring import Judged
from vestige.cache.run_history import Run, contents, digest, record_run
from vestige.checks.planted import PLAIN, spread_of
from vestige.judging.cohort import TARGET_ROLE, Mode
from vestige.schema.records import Problem, RunHistory, SetTest
from vestige.scoring.columns import Scored
from vestige.version import __version__


@dataclass(frozen=True)
class Noted:
    """What was tried before, and what was noticed when this run was noted."""

    run_history: RunHistory
    problems: tuple[Problem, ...]


def note_run(
    request: Request, gathered: Gathered, scored: Scored, judged: Judged, checked: Checked
) -> Noted:
    """Note this run in the cache, if there is one."""
    run = _run(request, gathered, scored.weights, judged.test, checked.spoilt)
    images = _open_images(gathered, request.mode)
    run_history, problems = record_run(run, images, request.options.cache)
    return Noted(run_history, tuple(problems))


def _run(
    request: Request,
    gathered: Gathered,
    weights: Mapping[str, str],
    test: SetTest | None,
    vetoed: bool,
) -> Run:
    """What the cache notes: the question, and whatever else can move its p-value."""
    mode, options, cohort = request.mode, request.options, gathered.cohort
    pixels = contents({role: images.sha256 for role, images in gathered.sets.items()})
    beside = [mode, pixels.pop("generated")]
    asked = [*beside, pixels.pop(TARGET_ROLE[mode])]
    columns: list[Any] = [[c.name, c.detector, dict(c.options), c.weight] for c in gathered.plan]
    columns += [str(one) for column in gathered.plan if (one := column.choice.origin)]
    moved = [
        __version__,
        columns,
        weights,
        pixels,
        cohort.group_index.tolist(),
        cohort.images.shape[1],
        options.harmonize,
    ]
    p_value = None if test is None else test.p_value
    names = tuple(column.name for column in gathered.plan)
    return Run(digest(asked), digest(moved), options.seed, names, p_value, digest(beside), vetoed)


def _open_images(gathered: Gathered, mode: Mode) -> list[str]:
    """Digests of the pixels of the candidates, but for plain ones.

    One blank slice is like another: it would make two questions about different images one.
    """
    cohort, rows = gathered.cohort, np.flatnonzero(gathered.candidates)
    images = cohort.images[rows]
    told = rows[spread_of(images) >= PLAIN]
    return [gathered.sets[TARGET_ROLE[mode]].sha256[k] for k in cohort.index[told]]
