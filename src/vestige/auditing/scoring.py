"""Images -> columns of evidence -> one score and p-value per image, and the test of the set."""

from dataclasses import dataclass

from vestige.auditing.cache_keys import scores_kept
from vestige.auditing.gathering import Gathered
from vestige.auditing.manifest import Clock
from vestige.auditing.request import Request
from vestige.copies.naming import Copies, find_copies
from vestige.decision.decide import TARGET_ROLES
from vestige.judging.judge import Judgement, judge, test_set
from vestige.schema.records import SetTest
from vestige.scoring.columns import PairJudge, Ready, Scored, score_columns
from vestige.scoring.plan import weights_digests


@dataclass(frozen=True)
class Judged:
    """What copies and columns say, before anything can veto it.

    copied : groups with a copied target image
    test : None where nothing calibrates
    """

    copies: Copies
    copied: frozenset[str]
    judgement: Judgement
    test: SetTest | None


def score(request: Request, gathered: Gathered, clock: Clock) -> Scored:
    """One score per image and column."""
    with clock.stage("detect"):
        return _score(request, gathered, clock)


def _score(request: Request, gathered: Gathered, clock: Clock) -> Scored:
    plan, progress, trained, steps = gathered.plan, request.progress, request.trained, 0

    def done(name: str, seconds: float) -> None:
        nonlocal steps
        steps += 1
        clock.add(f"detect {name}", seconds)
        progress("scoring", steps, len(plan))

    weights = weights_digests(plan[: len(plan) - len(trained)])
    kept = scores_kept(request.options.cache, gathered, weights)
    ready = Ready({model.column.name: model.detector for model in trained}, kept)
    judges: dict[str, PairJudge] = {}
    progress("scoring", 0, len(plan))
    columns, fitted = score_columns(
        plan, gathered.sets["generated"].pixels, gathered.reference, gathered.cohort.reals(plan),
        done, progress, ready, judges,
    )  # fmt: skip
    weights |= {model.column.name: model.sha256 for model in trained}
    named = {column.name: judges[column.name] for column in plan if column.name in judges}
    return Scored(plan, columns, fitted, ready, weights, named)


def judge_scores(request: Request, gathered: Gathered, scored: Scored, clock: Clock) -> Judged:
    """Copies, which are facts about pixels; then p-values of images and of the set."""
    options, cohort, candidates = request.options, gathered.cohort, gathered.candidates
    with clock.stage("copies"):
        copies = find_copies(
            gathered.sets, gathered.as_read, gathered.grouping.labels, cohort, options.views,
            options.effort == "high", scored.ready.kept,
        )  # fmt: skip
    with clock.stage("judge"):
        copied = frozenset(copy.group for copy in copies.copies if copy.role in TARGET_ROLES)
        columns, plan = scored.columns, scored.plan
        judgement = judge(columns, plan, cohort, candidates, options.seed, copied)
        test = test_set(
            columns, plan, cohort, candidates, judgement, request.mode, options.false_alarm_rate,
            options.seed,
        )  # fmt: skip
    return Judged(copies, copied, judgement, test)
