"""Faults put into the source by hand: does a quick test see each of them?

``python tests/mutants.py`` copies the package, puts in one fault at a time, runs the tests named
beside it and tells which faults stay unseen. ``python tests/mutants.py judge.py naming`` tries only
those whose file or old text holds one of the words.
"""

import os
import shutil
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest  # this and scipy are loaded once for all faults
import scipy.ndimage
import scipy.sparse.csgraph
import scipy.stats  # noqa: F401

TESTS = Path(__file__).resolve().parent
SOURCE = TESTS.parent / "src"


@dataclass(frozen=True)
class Mutant:
    """One fault.

    file : below src/vestige
    old, new : the right text, every place where it stands, and the wrong one
    tests : files or tests below tests/, separated by blanks
    """

    file: str
    old: str
    new: str
    tests: str


DECIDE = "decision/test_decide.py"
BOTH_SIDES = "test_set_test.py::test_patients_on_both_sides_leave_both"
JUDGE = f"{BOTH_SIDES} test_set_rows.py test_judge.py test_findings.py"
CONFORMAL = "stats/test_full_conformal.py test_judge.py"
CALIBRATION = "stats/test_calibration.py"
SET = "stats/test_set_test.py"
COHORT = "test_cohort.py test_plain.py"
PATIENTS = "test_findings.py test_patients.py"
GROUPS = "images/test_groups.py images/test_groups_edges.py"


def _of(file: str, tests: str, *changes: tuple[str, str]) -> list[Mutant]:
    return [Mutant(file, old, new, tests) for old, new in changes]


MUTANTS = [
    *_of(
        "stats/looks.py", "stats/test_looks.py",
        ("allowed - rows.sum(axis=1)", "allowed"),
        ("ordered[waiting] > line", "ordered[waiting] >= line"),
        ("self.levels * spent_share(looks, planned) + 1e-9", "self.levels + 1e-9"),
        ("int(held[-1]) + 1", "0"),
    ),
    *_of(
        "watch/watch.py", "watch/test_watch.py",
        ("past.crossed = crossed", "pass"),
        ("if (old, known) == (step, digest):", "if old == step:"),
    ),
    *_of(
        "watch/reals.py", "watch/test_watch.py",
        ("return _joined(told, pixels)", "return told"),
        ("pixels = np.where(blank, n + np.arange(n), pixels)", "pass"),
    ),
    *_of(
        "decision/decide.py", DECIDE,
        ("p_value is not None and p_value <= rate", "p_value is not None and p_value < rate"),
        ("max(test.p_value, run_history.p_adjusted)", "min(test.p_value, run_history.p_adjusted)"),
        ('judged images": _copies,', 'judged images": _contradicted,'),
        ('check.takes_back == "any"', 'check.takes_back == "finding"'),
        ("if check.spoils and", 'if check.state == "failed" and'),
        ("one.named < LEAST_SEEN * one.sources", "one.named <= LEAST_SEEN * one.sources"),
        ("one.p_value < UNREAD_LEVEL", "one.p_value > UNREAD_LEVEL"),
        ("chance.patients > chance.most", "chance.patients >= chance.most"),
        ("min(before, test.p_value) > evidence", "min(before, test.p_value) >= evidence"),
        ("bounds.auc_upper >= evidence.max_auc", "bounds.auc_upper > evidence.max_auc"),
        ("copy.role in TARGET_ROLES]", "copy.role not in TARGET_ROLES]"),
    ),
    *_of(
        "decision/unread.py", DECIDE,
        ("one.unread > UNREAD_SHARE * one.listed", "one.unread >= UNREAD_SHARE * one.listed"),
        ("one.left_aside > 0 or", ""),
        ("one.left_aside > ASIDE_SHARE", "one.left_aside >= ASIDE_SHARE"),
    ),
    *_of(
        "judging/judge.py", JUDGE,
        ("plan, cohort, cohort.unused)", "plan, cohort, cohort.calibration)"),
        ("candidates & ~np.isin(cohort.groups, list(copied))", "suspects"),
        ("np.minimum(1, each[late] * late.sum())", "each[late] * late.sum()"),
        ("score[is_candidate], score[~is_candidate]", "score[~is_candidate], score[is_candidate]"),
        ("groups, seed=seed)\n    if learned", "groups)\n    if learned"),
        ("float(adjusted[d + 1])", "float(adjusted[d])"),
        ("if fpr * len(low) >= 1", "if fpr * len(low) > 1"),
        ("rows = candidates | cohort.calibration", "rows = candidates | cohort.unused"),
    ),
    *_of(
        "judging/naming.py", JUDGE,
        ("rows = candidates | cohort.calibration", "rows = cohort.targets | cohort.calibration"),
        ("asked = np.isin(names, targets)", "asked = ~np.isin(names, targets)"),
        ("named[np.searchsorted(targets, cohort.group_index[candidates])]", "named[0]"),
    ),
    *_of(
        "stats/naming.py", "stats/test_naming.py",
        ("(1.0 + float((p > HALF).sum()))", "float((p > HALF).sum())"),
        ("share_of_nulls(p), p))", "share_of_nulls(p), 0))"),
        ("return min(1.0, (1.0 + float", "return max(0.0, (1.0 + float"),
        ("level * (n_calibration + 1) + 1e-9", "level * n_calibration + 1e-9"),
    ),
    *_of(
        "stats/calibration.py", CALIBRATION,
        ("(1.0 + at_least) / (1.0 + n_groups)", "at_least / n_groups"),
        ('scores, side="left")', 'scores, side="right")'),
        ("calibration >= scores[:, np.newaxis]", "calibration > scores[:, np.newaxis]"),
        ("1.0 / (n_groups + 1.0)", "1.0 / n_groups"),
        ("np.minimum.accumulate(p[order] * (p.size / ranks))", "p[order] * (p.size / ranks)"),
        ("smallest_p_value(n_groups) <= rate", "smallest_p_value(n_groups) < rate"),
    ),
    *_of(
        "stats/full_conformal.py", CONFORMAL,
        ("keep, scores = at[others], scores[others]", "keep, scores = at, scores"),
        ("totals[0] - moments(here, alike[rows])", "totals[0]"),
        ("totals[1] - moments(here, high[rows])", "totals[1]"),
        ("totals[2] + moments(here, own[rows] - unused[rows])", "totals[2]"),
        ("positives & ~np.isin(index, index[pool])", "positives"),
        ("- np.maximum(values[0] - scores, 0.0)", "+ np.maximum(values[0] - scores, 0.0)"),
        ("np.cumsum(at) - 0.5 * at", "np.cumsum(at)"),
    ),
    *_of(
        "stats/sites.py", "stats/test_sites.py",
        ("half = len(p) * shares", "half = np.full(len(p), 1.0)"),
        ("every / max(len(q), 1)", "1.0"),
        ("((shares * distances) ** 2).sum()", "(shares * distances).sum() ** 2"),
        ("gammaincc(half.sum(), gammainccinv(half, p).sum())", "1 - p.max() ** len(p)"),
    ),
    *_of(
        "sites/merging.py", "sites/test_combine.py",
        ("if code in SPOILS", "if not code"),
        ("WORST.index(check.state) < WORST.index", "WORST.index(check.state) > WORST.index"),
        ("if name not in aside else []", ""),
        ("if copied else ()", ""),
        ("p = corrected_p(site.test, site.result.run_history)", "p = site.test.p_value"),
    ),
    *_of(
        "sites/combine.py", "sites/test_combine.py",
        ('if together.gate == "closed":', 'if together.gate != "open":'),
        ('if one.result.decision.gate == "closed":', "if False:"),
        ("if one.name in aside:", "if False:"),
    ),
    *_of(
        "sites/agreeing.py", "sites/test_combine.py",
        ("if digest in theirs", "if False"),
        ("if key in also", "if False"),
        ("if made[0] != made[1]", "if False"),
    ),
    *_of(
        "stats/set_test.py", SET,
        (">= here.max() - 1e-9", "> here.max() + 1e-9"),
        ("above = len(law) - np.searchsorted", "above = np.searchsorted"),
        ("np.random.default_rng([seed, 1])", "np.random.default_rng()"),
        ("keep * np.log(best)", "np.log(best)"),
        ("(low, middle) if found(middle) >= power", "(low, middle) if found(middle) < power"),
    ),
    *_of(
        "judging/cohort.py", COHORT,
        (
            'calibration = (role == "unused") & ~np.isin(groups, candidates)',
            'calibration = role == "unused"',
        ),
        ("or not blank[role][i]", ""),
        ("if targets[row] and sha in known", "if sha in known"),
        ('resolved |= dict.fromkeys(plain, "plain")', "resolved |= {}"),
        ("candidates = np.unique(groups[seen])", "candidates = np.unique(groups[targets])"),
        ("order = sorted(", "order = list("),
        ("np.argsort(first)] = np.arange", "np.argsort(-first)] = np.arange"),
        ("if min(map(len, labelled)) < 2", "if min(map(len, labelled)) < 1"),
        ("if sha in where", "if sha not in where"),
        ("label not in theirs for", "label in theirs for"),
        ("np.intersect1d(targets, unused))", "np.union1d(targets, unused))"),
    ),
    *_of(
        "judging/patients.py", PATIENTS,
        ("p <= false_alarm_rate and not vetoed", "p <= false_alarm_rate"),
        ("q <= Q_LEVEL and not vetoed", "q <= Q_LEVEL"),
        ('if status == "used"}', "}"),
        ("open_ = cohort.targets & ~cohort.answered", "open_ = cohort.targets"),
        ("told[f.group in used]", "told[f.group not in used]"),
        ("if name in copied or", "if"),
    ),
    *_of(
        "images/groups.py", GROUPS,
        ("joined[blank] = apart[blank]", "pass"),
        ("mirrored=True", "mirrored=False"),
        ("(one, first + other)", "(one, other)"),
        ("enumerate(first, 1)", "enumerate(first)"),
        ("if role != _GENERATED", ""),
        ("if len(some) > 1}", "if len(some) > 0}"),
        ("len(set(labels)) < len(labels)", "len(set(labels)) <= len(labels)"),
        ("min(names.get(label, key)", "max(names.get(label, key)"),
        ("start += len(images)", "start += 1"),
    ),
]  # fmt: skip


def killed(mutant: Mutant, package: Path) -> str:
    """The first failed test of the copy with this fault; empty if none fails."""
    file = package / "vestige" / mutant.file
    right = file.read_text(encoding="utf-8")
    if mutant.old not in right:
        raise SystemExit(f"{mutant.file} no longer holds {mutant.old!r}: write the fault anew")
    file.write_text(right.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        code, said = run_tests(mutant.tests, package)
    finally:
        file.write_text(right, encoding="utf-8")
    if code not in (0, 1, 2):
        raise SystemExit(f"pytest did not run:\n{said}")
    failed = [line for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0].split(" - ")[0] if failed else ""


def run_tests(tests: str, package: Path) -> tuple[int, str]:
    """Exit code and output of pytest, in a fork that finds numpy and scipy loaded already."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        if (child := os.fork()) == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os.chdir(TESTS)
            sys.dont_write_bytecode = True
            sys.path.insert(0, str(package))
            os.environ["PYTHONPATH"] = str(package)
            quick = ("-x", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist")
            code = 3
            try:
                code = int(pytest.main([*quick, *tests.split()]))
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return code, output.read()


def main(words: list[str]) -> int:
    """Try the faults; 1 if there is one that no test sees."""
    assert "vestige" not in sys.modules
    chosen = [m for m in MUTANTS if not words or any(w in f"{m.file} {m.old}" for w in words)]
    unseen = 0
    with tempfile.TemporaryDirectory() as folder:
        package = Path(shutil.copytree(SOURCE, Path(folder) / "src"))
        for tests in dict.fromkeys(m.tests for m in chosen):  # a red test would kill every mutant
            code, said = run_tests(tests, package)
            if code:
                raise SystemExit(f"fails without any fault:\n{said}")
        for mutant in chosen:
            by = killed(mutant, package)
            unseen += not by
            said = f"killed by {by}" if by else "SURVIVED"
            print(f"{mutant.file}: {mutant.old} -> {mutant.new or 'nothing'}: {said}", flush=True)
    print(f"{len(chosen) - unseen} of {len(chosen)} killed")
    return min(unseen, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
