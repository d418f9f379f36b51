"""The page of a scrub: what is withheld and why, and the decision on what is left."""

from collections.abc import Mapping, Sequence
from functools import partial

from vestige.decision.audited import Audited
from vestige.decision.records import How, Withheld
from vestige.images.kinds import Kind, told_of
from vestige.report import words
from vestige.report.blocks import Block, Row, Section, Table, Text
from vestige.report.compared import beside
from vestige.report.copies import PICTURE_BUDGET, seen, told_of_pair
from vestige.report.gallery import Pictures, gallery, introduction
from vestige.report.kinds import LEAFING, PLANES, THROUGH_BEST, kind_of_result
from vestige.report.page import render_page

REASONS: dict[How, str] = {
    "same pixels": "has the pixels of the real image",
    "near copy": "is a near copy of the real image",
    "whitened cosine": "is nearer to it than generated images are to unused ones (whitened cosine)",
    "distance": "is nearer to it than generated images are to unused ones (distance)",
    "nearest": "is the nearest one to an image that stands out",
}
TWO_AUDITS = (
    "The audit of the whole set beside that of the images that are left. The images that are left "
    "were chosen by this audit and with these unused images, so the second column says less than "
    "an audit with unused images that took no part in the choice."
)


def render_scrub(
    before: Audited,
    remainder: Audited,
    withheld: Sequence[Withheld],
    kept: int,
    pictures: Mapping[str, bytes],
) -> str:
    """One offline page: the decision on what is left, both audits, and every withheld image.

    Parameters
    ----------
    before, remainder : the audits of the whole set and of what is left
    withheld : with the reason for each
    kept : number of images that are left
    pictures : PNG bytes, as `vestige.copies.pictures.draw_pairs` gives them
    """
    many = len(withheld)
    total = words.plural(many + kept, "generated image")
    blocks: list[Block] = [
        Text(
            f"{many:,} of {total} are withheld; {kept:,} may stay, if the gate above is open. The "
            "sentence above speaks of those that may stay."
        )
    ]
    kind = kind_of_result(remainder)
    why = partial(_why, kind)
    told = [told_of_pair(number, one, why(one), "") for number, one in enumerate(withheld)]
    if drawn := gallery(told, Pictures(pictures, PICTURE_BUDGET)):
        blocks.append(Text(introduction(pictures, "copy:")))
        if kind == "volume":
            blocks.append(Text(f"{PLANES} {THROUGH_BEST} {LEAFING}"))
        blocks += drawn
    rows = tuple(
        Row(
            (
                words.name(image.generated),
                words.name(image.real),
                image.role,
                words.name(image.group, 40),
                why(image),
                str(image.round),
            )
        )
        for image in withheld
    )
    head = ("Withheld", "Real image", "Role", "Patient", "Why", "Round")
    if rows:
        blocks.append(
            Table(
                head, rows, numeric=(5,), short=(2,), whole=(4,),
                caption="Generated images that are withheld.", choices=(2, 5),
            )
        )  # fmt: skip
    sections = [Section("withheld", "Withheld images", tuple(blocks))]
    if withheld:
        both = (Text(TWO_AUDITS), *beside(before, remainder, ("Before", "After")))
        sections.insert(0, Section("beside", "Before and after", both))
    return render_page(remainder, sections, "after withholding")


def _why(kind: Kind, image: Withheld) -> str:
    return told_of(kind, REASONS[image.by]) + seen(image)
