"""The whole procedure, from folders of images to a verdict; read it from top to bottom."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from functools import partial

import numpy as np

from vestige.auditing.before_reading import refuse_early
from vestige.auditing.cache_keys import answers_kept, noted_run, open_images, scores_kept
from vestige.auditing.manifest import Clock, write_manifest
from vestige.cache.run_history import record_run
from vestige.cache.shelves import LIMIT_BYTES, trim
from vestige.controls import ALWAYS, CONTROLS, CONTROLS_OFF, compare, run_controls
from vestige.controls.conformity import (
    compare_sets,
    mismatch_problems,
    suspects_and_controls,
    without_patients,
)
from vestige.controls.pipeline import Pipeline, open_pipeline
from vestige.controls.unlike import find_unlike, unlike_problems
from vestige.controls.unread import unread_by_role
from vestige.copies.naming import Copies, find_copies
from vestige.copies.pictures import draw_pairs
from vestige.decision.decide import SPARING, TARGET_ROLES, is_found, vetoing
from vestige.detectors import Effort
from vestige.engine.engines import open_executor, side_by_side
from vestige.engine.threads import one_core
from vestige.images.groups import assign_groups
from vestige.images.imageset import ImageSet
from vestige.images.listing import Source, listed, peek_size
from vestige.images.preparation import find_preparation
from vestige.images.reading import MEASURED, read_images
from vestige.judging.cohort import (
    Bag,
    check_roles,
    fill_bag,
    find_mode,
    own_reference,
    with_reference,
)
from vestige.judging.combination import combine
from vestige.judging.findings import draw_gallery, find_evidence, make_findings, name_evidence
from vestige.judging.judge import check_rate, judge, test_set
from vestige.judging.negative import bound_epsilon, bound_negative, by_chance, check_lot
from vestige.judging.patients import judge_patients, relate
from vestige.judging.release_curve import check_curve
from vestige.judging.release_curve import release_curve as draw_curve
from vestige.measures import MOST_GENERATED, SetComparison, measure_sets
from vestige.registry.choices import InputError
from vestige.result import AuditResult
from vestige.schema.records import (
    Calibration,
    Control,
    Likeness,
    PatientFinding,
    Problem,
    Question,
    SetMeasure,
    SetTest,
    planted_levels,
)
from vestige.scoring.columns import Known, notes_of, score_columns
from vestige.scoring.plan import Column, Options, plan_columns, weights_digests
from vestige.scoring.score_cache import KeptScores, array_of, rows_of
from vestige.symmetries import Views
from vestige.training.models import Model, check_models, check_patients, open_models
from vestige.types import Bools, Detector, Floats, Progress, quiet

ROLES = ("generated", "query", "used", "unused", "reference")
MAX_AUC = 0.65


@one_core()
def audit(
    generated: Source,
    used: Source | None = None,
    unused: Source | None = None,
    query: Source | None = None,
    reference: Source | None = None,
    *,
    groups: str | os.PathLike[str] | None = None,
    group_regex: str | None = None,
    detectors: Sequence[str] | None = None,
    options: Options | None = None,
    effort: Effort | None = None,
    views: Views = "mirror",
    models: Sequence[str | os.PathLike[str]] = (),
    false_alarm_rate: float = 0.05,
    release_curve: bool = False,
    max_auc: float = MAX_AUC,
    assigned_by_lot: bool = False,
    window: tuple[float, float] | None = None,
    conform: bool = False,
    engine: str = "local",
    cache: str | os.PathLike[str] | None = None,
    cache_limit: float = LIMIT_BYTES / 1e9,
    controls: bool = True,
    seed: int = 0,
    progress: Progress = quiet,
) -> AuditResult:
    """Were these real images used to train the generator behind those synthetic ones?

    Release mode (`used` without `query`): are the training images visible in the generated set?
    Forensic mode (`query`): which of the queries were used?

    Parameters
    ----------
    generated, used, unused, query, reference
        Folders, CSV lists, lists of paths, addresses for fsspec ("s3://..."), or arrays
        [n, h, w] (uint8, uint16, float 0..1).
        `unused` calibrates; `reference` are further unused reals that detectors may fit on.
    groups : path, optional
        CSV with columns id and group (patient). Else `group_regex` on the id, else the DICOM
        patient; else files of several images, DICOM studies and images that look alike.
    detectors : names, optional
        See `vestige.detectors.DETECTORS`; default: "auto", all of the effort. Detectors that learn
        from labels are cross-fitted by group.
    options : detector -> its options, optional
        Such as ``{"siamese": {"backbone": "squeezenet1_1", "weights": "squeezenet.safetensors"}}``.
    effort : "low", "normal" or "high", optional
        What the detectors of "auto" may cost (`vestige.detectors.EFFORTS`); default: "normal". The
        manifest tells the seconds of each.
    views : "none", "mirror" or "all"
        Symmetries in which copies are looked for (`vestige.symmetries`): none, left-right
        mirroring, or all eight of a square. It is the option of that name of every detector that
        has it (`vestige list detectors`), unless `options` give another.
    models : paths, optional
        What `vestige.train` wrote, as columns beside the named detectors (alone when none is
        named). None of the judged or unused images may be among those it learned from.
    false_alarm_rate : float
        Largest accepted probability that an unused image is called used.
    release_curve : bool
        Also ask how much random parts of the generated set would give away, and which is the
        largest whose AUC stays below `max_auc` (release mode; costs several scorings).
    max_auc : float
        The gate opens only if the one-sided 95 % upper bound of the AUC lies below this, .5..1.
    assigned_by_lot : bool
        Used and unused patients were drawn by lot from one pool: the result then also gives lower
        bounds of epsilon (differential privacy).
    window : (centre, width), optional
        For DICOM and NIfTI; else from the file.
    conform : bool
        Prepare all sets alike before anything is scored (`vestige.images.preparation`), to wash
        out traces of unlike preparation; the control "conformity" then judges what remains.
    engine : "local", "local:N" or "dask:ADDRESS"
    cache : folder, optional
        Keeps decoded images and scores by their content; a killed audit goes on from there, a
        second one is quick. Also notes each run, so that p-values pay for asking the same question
        several times (`vestige.cache.run_history`).
    cache_limit : float
        Gigabytes kept in the cache; what was not used for longest goes first.
    controls : bool
        False switches off the controls that ask the audit again (all but `blind`), and the verdict
        says so.
    seed : int
        Of permutations and bootstraps. Same seed, same input: same findings.csv.
    progress : callable, optional
        Called as progress(stage, done, total).

    Returns
    -------
    AuditResult

    Raises
    ------
    InputError
        Anything the user can mend; the message says how.
    """
    clock = Clock()
    if not 0 < false_alarm_rate < 1:
        raise InputError(f"false-alarm rate {false_alarm_rate:g} is not between 0 and 1.")
    if seed < 0:
        raise InputError(f"seed {seed} is negative; give 0 or more.")
    if not cache_limit >= 0:
        raise InputError(f"a cache of {cache_limit:g} GB cannot be; give 0 or more.")
    mode = find_mode(used, unused, query)
    if not 0.5 < max_auc <= 1.0:
        raise InputError(f"the largest accepted AUC lies above .5 up to 1, found {max_auc:g}.")
    if release_curve:
        check_curve(mode, unused is not None)
    trained = open_models(models)
    named = bool(detectors) or not trained  # models alone, when nothing else is named

    def planned(has_reference: bool) -> tuple[Column, ...]:
        known = plan_columns(detectors, has_reference, options, effort, views) if named else ()
        return known + tuple(model.column for model in trained)

    plan = planned(reference is not None)
    if assigned_by_lot:
        check_lot(mode, unused is not None, plan)

    # 1. folders -> images of one working size
    given = dict(zip(ROLES, (generated, query, used, unused, reference), strict=True))
    sources = {role: listed(source) for role, source in given.items() if source is not None}
    refuse_early(sources, mode, false_alarm_rate, groups, group_regex)
    seen = max(column.seen for column in plan)
    with clock.stage("read"), open_executor(engine) as executor:
        sets = _read(sources, seen, window, executor, cache, progress)
    problems = [problem for images in sets.values() for problem in images.problems]
    problems += check_roles(sets, mode)
    check_models(trained, sets)
    as_read = sets
    unread, unlike = unread_by_role(sets, mode), find_unlike(sets)
    problems += unlike_problems(unlike)
    preparation = find_preparation(sets) if conform else None
    if preparation is not None:
        sets = {role: preparation.apply(images) for role, images in sets.items()}

    # 2. patients (or near-duplicate clusters): the unit of everything that follows
    with clock.stage("group"):
        reals = {role: images for role, images in sets.items() if role != "generated"}
        grouping = assign_groups(reals, csv=groups, regex=group_regex)
        problems += [*grouping.problems, *check_patients(trained, grouping)]
        labels, own, notes = own_reference(grouping.labels)
        problems += notes
        if own is not None:
            sets = with_reference(sets, own)
            plan = _replanned(planned, "reference" in sets, notes)
        bag, notes = fill_bag(sets, grouping.labels, mode)
        problems += notes
        problems += check_rate(bag, false_alarm_rate, grouping.guessed)

    # 3. images -> columns of evidence, one score per image and detector
    with clock.stage("detect"):
        weights = weights_digests(plan[: len(plan) - len(trained)])
        kept = scores_kept(cache, sets, bag, preparation, weights)
        columns, fitted = _score(plan, trained, sets, bag, kept, clock, progress)
        problems += notes_of(fitted)

    # 4. generated images that are copies of a real one: facts about pixels
    with clock.stage("copies"):
        copies = find_copies(sets, as_read, grouping.labels, bag, views, effort == "high", kept)

    # 5. columns -> one score, one p-value per image; the test for the whole set
    with clock.stage("judge"):
        settled = np.isin(np.arange(len(bag.ids)), list(bag.settled))
        suspects = bag.judged & ~settled & ~bag.mixed
        copied = {copy.group for copy in copies.copies if copy.role in TARGET_ROLES}
        judgement = judge(columns, plan, bag, suspects, seed, copied)
        test = test_set(columns, plan, bag, suspects, judgement, mode, false_alarm_rate, seed)

    # 6. experiments with a known answer, which can veto; beside them, a core each, published
    # measures of the whole set (no verdict rests on them) and the pictures behind what is said
    with clock.stage("likeness"):
        likeness = compare_sets(sets, labels, bag, suspects, mode, conform, seed)
        if grouping.guessed:
            likeness = without_patients(likeness, as_read)
        problems += mismatch_problems(likeness, mode)
        alike = suspects_and_controls(likeness, mode)
        learned = [model.column.name for model in trained]
        asked = open_pipeline(plan, columns, bag, suspects, sets, labels, learned, kept, fitted)
        said = answers_kept(
            kept, asked, test, alike, false_alarm_rate, controls, seed, copies.search
        )
    control = partial(
        _control, asked, test, alike, copies, false_alarm_rate, controls, clock, progress, seed
    )
    measure = partial(_measure, bag, suspects, sets["generated"], test, seed)
    find = partial(find_evidence, fitted, bag, sets["generated"])
    with clock.stage("side by side"):
        outcomes, measures, nearest = side_by_side(
            clock.timed("controls", partial(rows_of, said, Control, "controls", control)),
            clock.timed("measures", partial(rows_of, said, SetMeasure, "measures", measure)),
            clock.timed("evidence", partial(array_of, kept, "evidence", find)),
        )
    problems += [] if controls else [CONTROLS_OFF]
    spoilt = any(c.state == "failed" and c.name not in SPARING for c in outcomes)

    # how often was this asked before? By the cache, which notes this run
    weights |= {model.column.name: model.sha256 for model in trained}
    run = noted_run(plan, weights, sets, bag, mode, test, spoilt, conform, seed)
    tried, notes = record_run(run, open_images(sets, bag, mode, suspects), cache)
    problems += notes

    if cache is not None:
        trim(cache, int(cache_limit * 1e9), clock.since)

    # 7. what is said of each image
    with clock.stage("findings"):
        found = is_found(test, tried, false_alarm_rate)
        vetoed = bool(vetoing(outcomes, found)) or tried.part_of > 0
        near = name_evidence(nearest, sets["generated"])
        findings = make_findings(
            columns, plan, bag, judgement, near, false_alarm_rate, vetoed, copies.copies
        )
        thumbnails = draw_gallery(findings, sets, mode) | draw_pairs(copies.copies, as_read)

    # 8. and of each patient, where patients are known
    patients: tuple[PatientFinding, ...] = ()
    if grouping.patients:
        findings = relate(findings, bag, mode)
        patients = judge_patients(bag, judgement, findings, false_alarm_rate, vetoed, copied)

    # 9. what a negative may say, from all that was seen
    levels = planted_levels(outcomes)
    bounds = epsilon = None
    if test is not None:
        combined = combine(columns, plan, bag, suspects, judgement.stack)
        bounds = bound_negative(combined, test, bag, suspects, copies.copies, levels, max_auc)
        if assigned_by_lot:
            epsilon = bound_epsilon(combine(columns, plan, bag, suspects, None), seed)

    # 10. how much a part of the generated set would give away, if asked
    curve = None
    if release_curve:
        with clock.stage("curve"):
            references = sets["reference"].pixels if "reference" in sets else None
            curve = draw_curve(
                sets["generated"], references, bag, suspects, max_auc, seed, progress
            )

    told = {
        "detectors": [column.name for column in plan],
        "detector_options": {name: dict(given) for name, given in (options or {}).items()},
        "effort": effort or "normal",
        "views": views,
        "max_auc": max_auc,
        "assigned_by_lot": assigned_by_lot,
        "weights": {column.name: column.weight for column in plan},
        "pool": [column.name for column in plan if column.pool],
        "combination": judgement.combination,
        "working_size": int(bag.images.shape[1]),
        "window": list(window) if window else None,
        "conform": asdict(preparation) if preparation else None,
        "engine": engine,
    }
    hashes = {role: images.inputs_sha256 for role, images in as_read.items()}
    return AuditResult(
        question=Question(
            mode=mode,
            counts={role: len(sets[role]) if role in sets else 0 for role in ROLES},
            groups=len(np.unique(bag.groups)),
            groups_from=grouping.source,
            false_alarm_rate=false_alarm_rate,
            patient_ids=grouping.patients,
            max_auc=max_auc,
        ),
        findings=findings,
        set_test=test,
        controls=outcomes,
        problems=tuple(problems),
        manifest=write_manifest(clock, seed, told, hashes, weights),
        calibration=Calibration(
            tuple(id_ for id_, c in zip(bag.ids, bag.unused, strict=True) if c),
            tuple(str(g) for g in bag.groups[bag.unused]),
            tuple(float(s) for s in judgement.control_scores),
        ),
        set_measures=measures,
        patients=patients,
        release_curve=curve,
        conformity=likeness,
        tried=tried,
        copies=copies.copies,
        copy_search=copies.search,
        unread=unread,
        unlike=unlike,
        chance=by_chance(judgement, bag, suspects, false_alarm_rate),
        bounds=bounds,
        epsilon=epsilon,
        thumbnails=thumbnails,
    )


def _replanned(
    planned: Callable[[bool], tuple[Column, ...]], has_reference: bool, notes: Sequence[Problem]
) -> tuple[Column, ...]:
    """The plan once reference images were left out; a detector that needs them says why."""
    try:
        return planned(has_reference)
    except InputError as error:
        raise InputError(f"{notes[-1].what}. {error}") from error


def _read(
    sources: Mapping[str, Source],
    seen: int,
    window: tuple[float, float] | None,
    executor: Executor | None,
    cache: str | os.PathLike[str] | None,
    progress: Progress,
) -> dict[str, ImageSet]:
    size = peek_size(sources.values(), seen)
    return {
        role: read_images(
            source,
            role=role,
            size=size,
            window=window,
            executor=executor,
            cache=cache,
            progress=partial(progress, f"reading {role}"),
            measured=MEASURED if role == "generated" else None,
        )
        for role, source in sources.items()
    }


def _score(
    plan: Sequence[Column],
    trained: Sequence[Model],
    sets: Mapping[str, ImageSet],
    bag: Bag,
    kept: KeptScores | None,
    clock: Clock,
    progress: Progress,
) -> tuple[Floats, dict[str, Detector]]:
    steps = 0

    def done(name: str, seconds: float) -> None:
        nonlocal steps
        steps += 1
        clock.add(f"detect {name}", seconds)
        progress("scoring", steps, len(plan))

    reference = sets["reference"].pixels if "reference" in sets else None
    progress("scoring", 0, len(plan))
    known = None
    if bag.folds is not None and any(column.learns for column in plan):
        known = Known(bag.known_used, bag.control, bag.folds)
    generated = sets["generated"].pixels
    return score_columns(
        plan, generated, reference, bag.images, bag.units, done, known, progress,
        {model.column.name: model.detector for model in trained}, kept,
    )  # fmt: skip


def _control(
    pipeline: Pipeline,
    test: SetTest | None,
    alike: Likeness | None,
    copies: Copies,
    false_alarm_rate: float,
    controls: bool,
    clock: Clock,
    progress: Progress,
    seed: int,
) -> tuple[Control, ...]:
    if test is None:
        return ()
    names = tuple(CONTROLS) if controls else ALWAYS

    def done(name: str, seconds: float) -> None:
        clock.add(f"control {name}", seconds)
        progress("controls", names.index(name) + 1, len(names))

    progress("controls", 0, len(names))
    named = partial(copies.named, more=pipeline.reference)
    required = ("verbatim", *(("mirrored",) if "mirrored" in copies.search.views else ()))
    asked = compare(pipeline, test, false_alarm_rate, seed, alike, named, required)
    # those that ask the audit again beside those that do not, a core each
    parts = [tuple(n for n in names if (n in ALWAYS) == always) for always in (True, False)]
    rows = side_by_side(*(partial(run_controls, asked, done, part) for part in parts if part))
    return tuple(sorted(itertools.chain(*rows), key=lambda row: names.index(row.name)))


def _measure(
    bag: Bag, suspects: Bools, generated: ImageSet, test: SetTest | None, seed: int
) -> tuple[SetMeasure, ...]:
    if test is None:
        return ()
    rows = suspects | bag.control
    # by digest: a part that the order and the names of the files do not choose
    part = sorted(range(len(generated)), key=generated.sha256.__getitem__)[:MOST_GENERATED]
    images, sides = generated.pixels[part], (bag.images[rows], suspects[rows], bag.units[rows])
    return measure_sets(SetComparison(images, *sides, seed, n_generated=len(generated)))
