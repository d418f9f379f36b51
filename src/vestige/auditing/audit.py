"""The whole procedure, from folders of images to a verdict; read it from top to bottom."""

import os
from collections.abc import Mapping, Sequence

from vestige.auditing.assemble import Evidence, assemble
from vestige.auditing.checks import run_checks
from vestige.auditing.gathering import gather
from vestige.auditing.history import note_run
from vestige.auditing.manifest import Clock
from vestige.auditing.options import MAX_AUC, AuditOptions
from vestige.auditing.question import question_digest
from vestige.auditing.request import open_request
from vestige.auditing.scoring import judge_scores, score
from vestige.cache.shelves import LIMIT_BYTES, trim
from vestige.detectors import Effort
from vestige.engine.threads import one_core
from vestige.images.choosing import ColourChoice
from vestige.images.dimensions import Dimensions
from vestige.images.listing import Source
from vestige.registry.old_names import accept_old_names
from vestige.result import AuditResult
from vestige.scoring.plan import Options
from vestige.symmetries import Views
from vestige.types import Detector, Progress, quiet


@accept_old_names(conform="harmonize", controls="checks", limit_auc="max_auc")
def audit(
    generated: Source,
    used: Source | None = None,
    unused: Source | None = None,
    query: Source | None = None,
    reference: Source | None = None,
    *,
    groups: str | os.PathLike[str] | None = None,
    group_regex: str | None = None,
    detectors: Sequence[str | Detector] | None = None,
    options: Options | None = None,
    effort: Effort | None = None,
    views: Views = "mirror",
    models: Sequence[str | os.PathLike[str]] = (),
    false_alarm_rate: float = 0.05,
    release_curve: bool = False,
    max_auc: float = MAX_AUC,
    assigned_by_lot: bool = False,
    window: tuple[float, float] | None = None,
    harmonize: bool = False,
    include_derived: bool = False,
    layout: str = "",
    colour: ColourChoice = "auto",
    dimensions: Dimensions = "auto",
    engine: str = "local",
    cache: str | os.PathLike[str] | None = None,
    cache_limit: float = LIMIT_BYTES / 1e9,
    checks: bool = True,
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
    detectors : names or objects, optional
        Names of `vestige.detectors.DETECTORS` or of plug-ins, and objects of a class of yours
        (docs/adding-a-detector.md); default: "auto", all of the effort. Detectors that learn from
        labels are cross-fitted by group.
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
        For DICOM and volumes; else from the file.
    harmonize : bool
        Prepare all sets alike before anything is scored (`vestige.images.harmonize`), to wash
        out traces of unlike preparation; the check "preparation" then judges what remains.
    include_derived : bool
        Also judge what lies in a study and is no image of the patient: segmentations, dose grids,
        localisers, screen captures and label maps (`vestige.images.derived`).
    layout : str
        What the axes of arrays mean where their lengths leave doubt, such as "n,h,w"
        (`vestige.images.layouts.parse_layout`).
    colour : "auto", "grey" or "rgb"
        What is compared; by default colour where the generated and the real images are in colour
        (`vestige.images.choosing.choose_kind`).
    dimensions : "auto", "2d" or "3d"
        Whether volumes are compared whole or slice by slice; by default whole where all roles hold
        volumes and no pictures (`vestige.images.dimensions.hold_volumes`).
    engine : "local", "local:N" or "dask:ADDRESS"
    cache : folder, optional
        Keeps decoded images and scores by their content; a killed audit goes on from there, a
        second one is quick. Also notes each run, so that p-values pay for asking the same question
        several times (`vestige.cache.run_history`).
    cache_limit : float
        Gigabytes kept in the cache; what was not used for longest goes first.
    checks : bool
        False switches off the checks that ask the audit again (all but `blind`), and the verdict
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
    asked = AuditOptions(
        groups=groups,
        group_regex=group_regex,
        detectors=detectors,
        options=options or {},
        effort=effort,
        views=views,
        models=models,
        false_alarm_rate=false_alarm_rate,
        release_curve=release_curve,
        max_auc=max_auc,
        assigned_by_lot=assigned_by_lot,
        window=window,
        harmonize=harmonize,
        include_derived=include_derived,
        layout=layout,
        colour=colour,
        dimensions=dimensions,
        engine=engine,
        cache=cache,
        cache_limit=cache_limit,
        checks=checks,
        seed=seed,
    )
    roles = {"used": used, "unused": unused, "query": query, "reference": reference}
    return run_audit({"generated": generated, **roles}, asked, progress)


@one_core()
def run_audit(
    sources: Mapping[str, Source | None], options: AuditOptions, progress: Progress = quiet
) -> AuditResult:
    """`audit`, with its options in one value.

    Parameters
    ----------
    sources : role -> images, as of `audit`
        "generated", "used", "unused", "query", "reference"; None stands for none.
    """
    clock = Clock()
    # what is asked, refused early where it cannot be answered
    request = open_request(sources, options, progress)
    # folders -> images -> patients, the unit of everything that follows
    gathered = gather(request, clock)
    question = question_digest(request)
    # images -> columns of evidence, one score per image and detector
    scored = score(request, gathered, clock)
    # copies; one score and p-value per image; the test of the whole set
    judged = judge_scores(request, gathered, scored, clock)
    # experiments with a known answer, which can veto; measures on which no verdict rests
    checked = run_checks(request, gathered, scored, judged, clock)
    # how often was this asked before? By the cache, which notes this run
    noted = note_run(request, gathered, scored, judged, checked)
    if options.cache is not None:
        trim(options.cache, int(options.cache_limit * 1e9), clock.since)
    seen = Evidence(request, gathered, scored, judged, checked, noted, question)
    return assemble(seen, clock)
