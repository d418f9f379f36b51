"""The parts of the page that explain it: how to read it, its limits, how to repeat the audit."""

from vestige.decision.audited import Audited
from vestige.images.kinds import told_of
from vestige.report import words
from vestige.report.blocks import Points, Row, Section, Table, Text
from vestige.report.kinds import kind_of_result
from vestige.schema.records import Q_LEVEL


def reading(result: Audited) -> Section | None:
    """How to read the page."""
    points = [
        (
            "Rank",
            (
                "The place of an image among the unused images, as a score on the normal scale: "
                "higher = more likely used, always. It orders images whose p-values are equal."
            ),
        ),
        (
            "Copy, named, stands out",
            (
                f"Copy: the {told_of(kind_of_result(result), 'pixels')} say so. Named: among the "
                "names at most one in ten is expected "
                f"to be false (q ≤ {Q_LEVEL:.2f}). Stands out: p is at most the false-alarm rate, "
                "which happens to that share of unused images too."
            ),
        ),
        (
            "A finding is about a patient.",
            "It says that an image of this patient, or a near copy of it, was used.",
        ),
        (
            "p-value of an image",
            (
                "The share of calibration images that would score at least as high. It is not the "
                "probability that the image was unused."
            ),
        ),
        (
            "q-value",
            (
                "If every image up to this one is named, at most this share of the names is "
                f"expected to be false. Name images or patients only with q ≤ {Q_LEVEL:.2f}. "
                f"{_q_rule(result)}"
            ),
        ),
        ("AUC", "0.50 is guessing, 1.00 is certainty. “Used” is always the positive class."),
        (
            "Interval",
            "95 %, by group: patients (or clusters) are drawn, never single images of a patient.",
        ),
    ]
    feasible = _naming_needs(result)
    if feasible:
        points.append(("Naming", feasible))
    return Section("reading", "How to read this page", (Points(tuple(points)),), folded=True)


def limits(result: Audited) -> Points:
    """What no audit of this kind shows."""
    points = [
        (
            "“Not found” never means private.",
            (
                "It means that these detectors saw nothing as large as the smallest visible AUC. A "
                "better attack, or a larger synthetic set, may see more."
            ),
        ),
        (
            "Only this synthetic set was judged,",
            "not the generator itself, its weights or later samples from it.",
        ),
        (
            "Used, or a near relative?",
            "A high score can come from other images of the same patient in the training set.",
        ),
        (
            "The calibration images must be like the targets.",
            (
                "p-values are right if targets and calibration images differ in nothing but "
                "training: same source, same preparation."
            ),
        ),
    ]
    if result.question.mode == "forensic":
        points.append(("A score is no proof of use.", "It is evidence, beside other evidence."))
    else:
        points.append(
            ("Averages hide people.", "A low AUC can go with a few patients who are fully exposed.")
        )
    return Points(tuple(points), "What this page does not show")


def _unit(result: Audited) -> str:
    """What q-values are of: images, or what several of them belong to."""
    groups = [*(f.group for f in result.findings), *result.calibration.groups]
    if len(set(groups)) == len(groups):
        return "image"
    return "patient" if result.question.patient_ids else "group"


def _q_rule(result: Audited) -> str:
    rule, unit = "The q-values are Benjamini and Hochberg's with Storey's factor.", _unit(result)
    if unit == "image":
        return rule
    return f"{rule} They are those of {unit}s, and images share that of their {unit}."


def _naming_needs(result: Audited) -> str:
    """The rule for q can only fire if enough patients beat every unused one (methods.md 4.2)."""
    from vestige.stats.naming import fewest_named

    judged = len({f.group for f in result.findings if f.q_value is not None})
    units = len(set(result.calibration.groups))
    if not judged or not units:
        return ""
    needed = fewest_named(units, judged, Q_LEVEL)
    what = _unit(result)
    smallest = (
        f"With {words.plural(units, f'unused {what}')} the smallest possible p-value is "
        f"{words.p_text(1 / (units + 1))}. "
    )
    if needed > judged:
        return f"{smallest}So no {what} can reach q ≤ {Q_LEVEL:.2f}: more unused ones are needed."
    return (
        f"{smallest}So {what}s can reach q ≤ {Q_LEVEL:.2f} only if at least {needed:,} of the "
        f"{judged:,} stand above all unused ones."
    )


def _option(value: object) -> str:
    """A value as a person writes it: a list with commas, "yes", "none"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_option(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_option, value)) or "none"
    return "none" if value is None else str(value)


def manifest(result: Audited) -> Section | None:
    """Everything needed to repeat the audit."""
    made = result.manifest
    rows = [
        ("vestige", made.vestige),
        ("Python", made.python),
        ("Seed", str(made.seed)),
        ("Started", made.started),
        ("Seconds", ", ".join(f"{stage} {s:.1f}" for stage, s in made.seconds.items())),
        ("Peak memory", f"{made.peak_rss_bytes / 2**20:,.0f} MiB"),
        *((f"Option: {name}", _option(value)) for name, value in made.options.items()),
        *((f"SHA-256 of {name}", digest) for name, digest in made.inputs_sha256.items()),
        *((("SHA-256 of the question's file", made.config_sha256),) if made.config_sha256 else ()),
        *(("Overruled by the command line", name) for name in made.overruled),
        *((f"Weights: {name}", digest) for name, digest in made.weights_sha256.items()),
        *((f"Package: {name}", version) for name, version in made.dependencies.items()),
    ]
    lead = "What is needed to repeat this audit, or to check that these are the same files."
    cells = tuple(Row((words.name(a), words.name(b, 400))) for a, b in rows)
    title = "Manifest"
    return Section(
        "manifest",
        title,
        (Text(lead), Table(("", ""), cells, caption="What this audit was made with.")),
    )
