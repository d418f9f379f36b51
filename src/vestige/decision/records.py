"""What a decision rests on, and the decision: frozen dataclasses, parts of result.json."""

from dataclasses import dataclass, field
from typing import Literal

from vestige.images.kinds import Kind
from vestige.schema.records import Check, Estimate, LevelCode, PlantedLevel, RunHistory, SetTest
from vestige.symmetries import Symmetry

State = Literal[
    "copies found", "leak found", "individuals stand out", "not found", "undecided"
]  # fmt: skip
Gate = Literal["open", "closed", "undecided"]
Mode = Literal["release", "forensic"]
RealRole = Literal["query", "used", "unused", "reference"]
Code = Literal[
    "copies",
    "copies_of_unused",
    "copies_of_reference",
    "generated_unread",
    "files_not_reached",
    "unread_unequal",
    "prepared_unlike",
    "check_failed",
    "finding_not_specific",
    "patients_guessed",
    "selected_part",
    "set_test",
    "distribution",
    "repeated_runs",
    "patients_named",
    "beyond_chance",
    "nothing_to_test",
    "uncalibrated",
    "calibration_used",
    "checks_off",
    "planted_missed",
    "planted_not_possible",
    "bound_above_limit",
    "nothing_found",
]
"""Why a decision is what it is; the first one decides."""
Remedy = Literal[
    "give_patient_ids",
    "withhold_copies",
    "check_roles",
    "convert_unread",
    "reach_files",
    "prepare_alike",
    "harmonize",
    "mend_split",
    "give_unused",
    "clean_unused",
    "give_open_queries",
    "run_checks",
    "all_detectors",
    "more_unused",
    "more_patients",
    "fix_the_run",
    "audit_all_asked",
    "scrub_or_retrain",
    "report_with_rate",
    "clean_assumed",
    "board_decides",
    "report_no_conclusion",
]
"""What to do next, as a code; `vestige.decision.sentences` has the words."""


@dataclass(frozen=True)
class Shown:
    """The part of a real image that a generated one shows, in shares of its side.

    A copy that is shifted down by a sixteenth begins at top -1/16; only a crop has a side below 1.
    """

    top: float
    left: float
    side: float


@dataclass(frozen=True)
class Copy:
    """A generated image that is a copy of a real image, whatever the role of that image.

    generated, real : ids
    group : patient (or near-duplicate cluster) of the real image
    value : similarity of the pair in the best view: whitened cosine, -1..1; 1 for equal pixels
    beyond : how far the value lies beyond the line that copies must pass, in standard deviations of
        the best values of bystanders; 0 where pixels are equal and no line is needed
    view : the symmetry in which the pair matches
    inverted : the grey scale is turned round
    moved : the real image is shifted or cropped in it
    by : equal pixels, or nearer than any bystander explains
    shown : of a copy that is moved, the part of the real image that it shows; None of all others
    """

    generated: str
    real: str
    role: RealRole
    group: str
    value: float
    beyond: float
    view: Symmetry
    inverted: bool
    by: Literal["same pixels", "near copy"]
    moved: bool = False
    shown: Shown | None = None


How = Literal["same pixels", "near copy", "whitened cosine", "distance", "nearest"]


@dataclass(frozen=True)
class Withheld:
    """A generated image that must stay behind, and the real image it gives away.

    by : what makes it a copy, or the space in which the pair stands out; "nearest" for the last
        resort, the nearest pair of an image that is called used although no pair stands out
    round : 0 for what the audit itself calls copies, else from 1
    view, inverted, moved, shown : as of a `Copy`
    """

    generated: str
    real: str
    role: RealRole
    group: str
    by: How
    round: int
    view: Symmetry = "identity"
    inverted: bool = False
    moved: bool = False
    shown: Shown | None = None


@dataclass(frozen=True)
class CopySearch:
    """How copies were searched for, and how near bystanders come.

    line : the lead from which a pair is a copy: its similarity less the mean of the five next
        patients; None: so many unused images are copied that no line can be drawn
    highest_bystander : the largest lead of a bystander that is no copy; None without bystanders
    bystanders : groups of unused images that the line rests on; 0: too few calibrate, and pairs of
        real images of different groups stand in for them
    views : the symmetries that were searched
    plain : generated images that are too plain (nearly constant) to be compared
    duplicates : generated images that have the very pixels of another generated image
    moved : shifted and cropped copies were searched as well
    """

    line: float | None
    highest_bystander: float | None
    bystanders: int
    views: tuple[Symmetry, ...]
    plain: int = 0
    duplicates: int = 0
    moved: bool = False


@dataclass(frozen=True)
class Unread:
    """Files of one role that gave no image.

    listed, unread : files
    example : path of the first one, "" without any
    p_value : Fisher's exact test against the unused files; None where it is not made
    left_aside : of the unread, files that no reader looked into: any picture may be in each
    ignored : entries beside the listed ones: documents, files of the system, links to folders that
        are read under another name
    """

    role: str
    listed: int
    unread: int
    example: str
    p_value: float | None = None
    left_aside: int = 0
    ignored: int = 0


@dataclass(frozen=True)
class Unlike:
    """Generated images whose grey scale or colours are not those of the real ones.

    statistic : what differs
    generated, reals : its medians
    distance : Kolmogorov distance of the two sets, 0..1
    share : estimated share of inverted images, 0..1; None where the range or the colours differ
    """

    code: Literal["inverted", "other range", "other colours"]
    statistic: str
    generated: float
    reals: float
    distance: float
    share: float | None = None


@dataclass(frozen=True)
class CopiedShare:
    """Largest share of target patients of whom copies of a level can be in the generated set."""

    level: LevelCode
    share: float


@dataclass(frozen=True)
class Bounds:
    """What a negative may say, each with 95 % confidence.

    auc_upper : one-sided upper bound of the AUC of the set test, by patient
    exposed_share : share of the patients who could be fully exposed and unseen by the set test
    copied_shares : per degradation level that is seen
    patients_needed : patients a side with which the upper bound would pass the limit, 80 % of the
        time if nothing leaks; None where no number would
    """

    auc_upper: float
    exposed_share: float
    copied_shares: tuple[CopiedShare, ...]
    patients_needed: int | None


@dataclass(frozen=True)
class Epsilon:
    """Lower bounds of epsilon of differential privacy, where used and unused were drawn by lot.

    by_auc : from the lower confidence bound of the AUC
    by_pairs : from `right` of `pairs` random pairs (used, unused) that were guessed right
    delta : of (epsilon, delta)
    """

    by_auc: float
    by_pairs: float
    pairs: int
    right: int
    delta: float


@dataclass(frozen=True)
class Chance:
    """Target patients that stand out at the asked false-alarm rate, and how many chance explains.

    patients : sum over patients of the share of their images with p at most the rate
    most : the number that chance passes with probability .01 at most
    """

    patients: float
    most: int


@dataclass(frozen=True)
class Evidence:
    """All that `decide` looks at.

    joined : share of the real images that count as one patient with others because they look alike,
        where nobody told the patients
    kind : what the images were compared as
    """

    mode: Mode
    false_alarm_rate: float
    max_auc: float
    patient_ids: bool
    generated: int
    targets: int
    unused_groups: int
    copies: tuple[Copy, ...] = ()
    unread: tuple[Unread, ...] = ()
    unlike: Unlike | None = None
    checks: tuple[Check, ...] = ()
    test: SetTest | None = None
    run_history: RunHistory | None = None
    chance: Chance | None = None
    named_patients: int = 0
    levels: tuple[PlantedLevel, ...] = ()
    bounds: Bounds | None = None
    joined: float = 0.0
    kind: Kind = "grey"


@dataclass(frozen=True)
class Facts:
    """The numbers of the sentence; 0 or None where a decision needs none.

    patient_ids : whether patients are known; else every group of near-duplicates counts as one
    guessed : whether images that look alike count as one patient, as nobody told the patients
    carried_by : the statistic that the set test rests on; "" without a test
    seen_auc, seen_share : the smallest AUC and share of copied patients that the set test sees with
        80 % power
    kind : what the images were compared as; of volumes the sentence says voxels
    """

    mode: Mode
    targets: int
    patient_ids: bool = True
    copies: int = 0
    copied_images: int = 0
    copied_patients: int = 0
    same_pixels: int = 0
    copies_of_others: int = 0
    unread: int = 0
    listed: int = 0
    role: str = ""
    checks: tuple[str, ...] = ()
    unlike: str = ""
    auc: Estimate | None = None
    p_value: float | None = None
    runs: int = 1
    part_of: int = 0
    named_patients: int = 0
    stand_out: int = 0
    chance: int = 0
    unused_groups: int = 0
    groups_needed: int | None = None
    auc_upper: float | None = None
    max_auc: float = 0.65
    copied_share: float | None = None
    exposed_share: float | None = None
    guessed: bool = False
    carried_by: Literal["mean", "tail", "stack", ""] = ""
    seen_auc: float | None = None
    seen_share: float | None = None
    kind: Kind = "grey"


@dataclass(frozen=True)
class Decision:
    """The one answer of an audit.

    state, gate : what was found, and whether the generated set may be released by this audit
    codes : why, the deciding one first
    missed : degradation levels of which a single copy would not be named
    remedy : what to do next
    text : the sentence that terminal, report, gate and scrub print, made of codes and facts
    """

    state: State
    gate: Gate
    codes: tuple[Code, ...]
    facts: Facts
    missed: tuple[LevelCode, ...] = ()
    remedy: tuple[Remedy, ...] = ()
    text: str = field(default="")

    @property
    def exit_code(self) -> Literal[0, 3, 4]:
        """What `--gate` exits with."""
        codes: dict[Gate, Literal[0, 3, 4]] = {"open": 0, "closed": 3, "undecided": 4}
        return codes[self.gate]
