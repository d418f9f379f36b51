"""Team zhouyijiang1: the earlier routes by largest cosine (docs/methods.md 1.4b).

Their decision rule is not published. Kappa at the best threshold on the queries is what tuning on
the test can show; the threshold chosen on the labelled images is what the method can.
"""

from vestige.protocols.measures import figure, rule
from vestige.protocols.result import PaperRun, Published
from vestige.protocols.trial import Protocol, Trial, best_threshold

SOURCE = "Zhou & Ding, CEUR-WS Vol-4038 paper 216, ImageCLEF 2025"


def run(trial: Trial) -> PaperRun:
    """Kappa on the queries, with both thresholds."""
    reals, queries = trial.labelled, trial.queries
    detector = trial.fit_label_free()
    known, scores = (detector.score_samples(side.images) for side in (reals, queries))
    nested = scores > best_threshold(known, reals.used)
    tuned = scores > best_threshold(scores, queries.used)
    told = "largest cosine above the best threshold on the labelled images"
    flattered = "largest cosine above the best threshold on the queries themselves"
    return PaperRun(
        figure("kappa", nested, queries.used, queries.groups, f"kappa on the queries; {told}"),
        figure("kappa", tuned, queries.used, queries.groups, f"kappa on the queries; {flattered}"),
        (rule(nested, queries, told), rule(tuned, queries, flattered, optimistic=True)),
    )


RESNET50 = Protocol(
    "resnet50_retrieval",
    Published(
        *("", None), *(0.060, 0.530, 0.519, 0.800, 0.629), SOURCE, "decision rule not published"
    ),
    run,
)
DUAL = Protocol(
    "dual_stream",
    Published(
        *("", None),
        *(0.103, 0.552, 0.538, 0.728, 0.619),
        SOURCE,
        "decision rule not published; this F1 is printed elsewhere as a validation figure",
    ),
    run,
)
