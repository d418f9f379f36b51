"""What a negative says: how much could be there and not be seen."""

from vestige.decision.audited import Audited
from vestige.decision.sentences import LEVELS, upper_text
from vestige.images.kinds import told_of
from vestige.report import charts, words
from vestige.report.blocks import Block, Chart, Charts, Row, Section, Table, Text
from vestige.report.guide import limits
from vestige.report.kinds import kind_of_result


def negative(result: Audited) -> Section:
    """Bounds, degradation levels, lower bounds of epsilon, and what no audit shows."""
    blocks: list[Block] = []
    if (test := result.set_test) is not None:
        auc, share = test.minimum_detectable_auc, test.minimum_detectable_share
        blocks.append(Text(words.power_meaning(auc, share)))
    if (bounds := result.bounds) is not None:
        limit = result.question.max_auc
        upper = upper_text(bounds.auc_upper, limit)
        below = "below" if bounds.auc_upper < limit else "not below"
        blocks.append(
            Text(
                f"With 95 % confidence the AUC is at most {upper}, {below} "
                f"the limit of {limit:.2f}. Up to {words.percent(bounds.exposed_share)} of the "
                "patients could be fully exposed and not be seen by the test of the whole set."
            )
        )
    if result.levels:
        shares = {one.level: one.share for one in bounds.copied_shares} if bounds else {}
        rows = tuple(
            Row(
                (
                    told_of(kind_of_result(result), LEVELS[one.level]),
                    f"{one.named} of {one.sources}",
                    f"{one.found} of {one.sources}",
                    words.percent(shares[one.level]) if one.level in shares else "–",
                    "missed" if one.level in result.decision.missed else "seen",
                ),
                "caution" if one.level in result.decision.missed else "",
            )
            for one in result.levels
        )
        blocks.append(
            Text(
                "Copies of unused images were put into the generated set, one at a time. “Named”: "
                "the copy is listed as a copy. “Stands out”: its real image has p ≤ .05. “At "
                "most”: the largest share of the patients of whom such copies can be in the "
                "generated set (95 % confidence)."
            )
        )
        head = ("A copy that is", "Named", "Stands out", "At most", "A single copy is")
        caption = "Planted copies, level by level."
        blocks.append(Table(head, rows, (1, 2, 3), (4,), (0,), caption))
        told = "Bars: planted copies that are listed as copies. Rings: those whose real image "
        told += "stands out. What lies at the left end would be missed."
        label = "; ".join(f"{row.cells[0]}: named {row.cells[1]}" for row in rows)
        blocks.append(Charts((Chart(charts.ladder(result.levels), label, told, wide=True),)))
    if (epsilon := result.epsilon) is not None:
        blocks.append(
            Text(
                "Used and unused patients were drawn by lot, so the audit bounds epsilon of "
                f"differential privacy from below: by the AUC {epsilon.by_auc:.2f} (delta "
                f"{epsilon.delta:g}), by pairs {epsilon.by_pairs:.2f} ({epsilon.right} of "
                f"{epsilon.pairs} random pairs guessed right). No audit gives an upper bound."
            )
        )
    blocks.append(limits(result))
    return Section("negative", "What could have been missed", tuple(blocks))
