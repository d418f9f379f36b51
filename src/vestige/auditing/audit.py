"""The whole procedure, from folders of images to a verdict; read it from top to bottom."""

from __future__ import annotations  # a notebook shows `Source`, not the ten types it stands for

from collections.abc import Mapping
from dataclasses import replace
from typing import Unpack

from vestige.auditing.assemble import Evidence, assemble
from vestige.auditing.checks import run_checks
from vestige.auditing.gathering import gather
from vestige.auditing.history import note_run
from vestige.auditing.keywords import Keywords, check_names
from vestige.auditing.manifest import Clock
from vestige.auditing.options import AuditOptions
from vestige.auditing.question import question_digest
from vestige.auditing.request import open_request
from vestige.auditing.scoring import judge_scores, score
from vestige.cache.shelves import trim
from vestige.engine.engines import open_executor
from vestige.engine.threads import one_core
from vestige.images.listing import Source
from vestige.registry.old_names import accept_old_names
from vestige.result import AuditResult
from vestige.scoring.plan import Options
from vestige.types import Progress, quiet


@accept_old_names(conform="harmonize", controls="checks", limit_auc="max_auc")
def audit(
    generated: Source,
    used: Source | None = None,
    unused: Source | None = None,
    query: Source | None = None,
    reference: Source | None = None,
    *,
    options: AuditOptions | Options | None = None,
    **keywords: Unpack[Keywords],
) -> AuditResult:
    """Were these real images used to train the generator behind those synthetic ones?

    Release mode (`used` without `query`): are the training images visible in the generated set?
    Forensic mode (`query`): which of the queries were used?

    Parameters
    ----------
    generated, used, unused, query, reference
        Folders, CSV lists, lists of paths, addresses for fsspec ("s3://..."), or images in memory:
        arrays and tensors [n, h, w], [n, h, w, c] or [n, c, h, w], volumes [n, d, h, w] (uint8,
        uint16, float 0..1 or -1..1), lists of arrays or of Pillow images of any size, generators,
        data sets and data loaders of these, alone or each with a label (docs/python.md).
        `unused` calibrates; `reference` are further unused reals that detectors may fit on.
    options : AuditOptions, optional
        Keywords below change it for this audit. Or a dict, detector -> its options, such as
        ``{"siamese": {"backbone": "squeezenet1_1", "weights": "squeezenet.safetensors"}}``.

    Other Parameters
    ----------------
    groups : path, dict, list, array or column, optional
        A CSV file with columns id and group (patient); a dict, id -> group or role -> groups of
        its images; or one list for all real images, in the order used, unused, query, reference.
        Else `group_regex` on the id, else the DICOM patient; else files of several images, DICOM
        studies and images that look alike.
    ids : dict, optional
        Role -> the ids of its images in memory; they are numbered ("000000") without.
    detectors : names, objects or pairs, optional
        Names of `vestige.detectors.DETECTORS` or of plug-ins, objects of a class of yours
        (docs/adding-a-detector.md), and pairs of a name and its options; default: "auto", all of
        the effort. Detectors that learn from labels are cross-fitted by group.
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
    engine : "local", "local:N", "dask:ADDRESS", "cuda" or "cuda:N"
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
    check_names(keywords)
    changes = {name: value for name, value in keywords.items() if name != "progress"}
    if not isinstance(options, AuditOptions):
        options = AuditOptions(options=options or {})
    asked: AuditOptions = replace(options, **changes)  # type: ignore[arg-type]
    roles = {"used": used, "unused": unused, "query": query, "reference": reference}
    return run_audit({"generated": generated, **roles}, asked, keywords.get("progress", quiet))


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
    with open_executor(options.engine) as executor:
        # folders -> images -> patients, the unit of everything that follows
        gathered = gather(request, clock, executor)
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
