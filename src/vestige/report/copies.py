"""The first part of the page: generated images that are copies, beside the real ones."""

from vestige.copies.related import related
from vestige.decision.audited import Audited
from vestige.decision.records import Copy, CopySearch, Withheld
from vestige.images.kinds import Kind, told_of
from vestige.report import words
from vestige.report.blocks import Block, Row, Section, Table, Text
from vestige.report.gallery import Pictures, Told, gallery, introduction
from vestige.report.kinds import LEAFING, PLANES, THROUGH_BEST, kind_of_result
from vestige.report.lines import copy_line, moved_text

MOST_ROWS = 500
PICTURE_BUDGET = 5_200_000
"""Bytes of base64 that the pictures of copies may add to the page."""


def copies(result: Audited) -> Section | None:
    """Every copy in a table, the nearest with pictures; and how they were searched for."""
    search, kind = result.copy_search, kind_of_result(result)
    if search is None:
        return None
    blocks: list[Block] = [Text(_found(result))]
    if result.copies:
        # in a redacted page hashes beside hashes would show nothing
        redacted = result.manifest.options.get("redacted") is True
        if not redacted and (drawn := _drawn(result, kind)):
            blocks += introduction(result.thumbnails, "copy:")
            if kind == "volume":
                blocks.append(Text(f"{PLANES} {THROUGH_BEST} {LEAFING}"))
            blocks += drawn
        blocks += _tables(result.copies, kind)
    blocks.append(Text(_searched(search, kind)))
    return Section("copies", "Copies", tuple(blocks))


def _found(result: Audited) -> str:
    if not result.copies:
        return "No generated image is a copy of a real image in the views that were searched."
    generated = len({c.generated for c in result.copies})
    real = len({(c.role, c.real) for c in result.copies})
    patients = len({c.group for c in result.copies})
    who = "patient" if result.question.patient_ids else "group"
    return told_of(
        kind_of_result(result),
        f"{words.plural(generated, 'generated image')} {_are(generated)} of "
        f"{words.plural(real, 'real image')} of {words.plural(patients, who)}. A copy has "
        "the pixels of the real image, or it is nearer to it than any generated image is to the "
        "unused images. Look at the pictures: the difference is black where the two agree.",
    )


def _are(n: int) -> str:
    return "is a copy" if n == 1 else "are copies"


def _searched(search: CopySearch, kind: Kind) -> str:
    views = ", ".join("as it is" if v == "identity" else v for v in search.views)
    told = f"Views that were searched: {views}. Equal pixels were searched in all eight symmetries"
    told += " of the axial slices. " if kind == "volume" else ". "
    if search.line is None:
        told += (
            "So many unused images are copied that no line for near copies can be drawn: of the "
            "other roles only equal pixels are listed. "
        )
    else:
        told += (
            "A pair is a near copy if its lead, which is its similarity less that of the generated "
            f"image's five next patients, is above {search.line:.2f}. "
        )
        if search.bystanders and search.highest_bystander is not None:
            told += (
                f"The largest lead of {words.plural(search.bystanders, 'unused group')} is "
                f"{search.highest_bystander:.2f}. "
            )
        else:
            told += "Too few unused groups calibrate, so the line is cautious. "
    if search.moved:
        told += "Shifted and cropped copies were searched as well. "
    if search.duplicates:
        told += (
            f"{words.plural(search.duplicates, 'generated image')} with the pixels of another one: "
            "listed for each. "
        )
    if search.plain:
        plain = words.plural(search.plain, "nearly constant generated image")
        told += f"{plain} could not be compared."
    return told_of(kind, told.strip())


def told_of_pair(number: int, copy: Copy | Withheld, caption: str, line: str) -> Told:
    """What is said of the copy of this number, whose pictures `vestige.copies.pictures` drew."""
    return Told(
        key=f"copy:{number}",
        role=copy.role,
        real=copy.real,
        group=copy.group,
        generated=copy.generated,
        line=line,
        caption=f"{caption} · patient {words.name(copy.group, 40)}",
    )


def _drawn(result: Audited, kind: Kind) -> list[Block]:
    """The gallery of all copies."""
    told = [
        told_of_pair(number, copy, _how(kind, copy), copy_line(copy, result, kind))
        for number, copy in enumerate(result.copies)
    ]
    pictures = Pictures(result.thumbnails, PICTURE_BUDGET)
    return gallery(told, pictures, related(result.copies, result.findings))


def _how(kind: Kind, copy: Copy) -> str:
    if copy.by == "same pixels":
        return f"{told_of(kind, copy.by)}{seen(copy)}"
    return f"similarity {copy.value:.2f}{seen(copy)}"


def seen(copy: Copy | Withheld) -> str:
    """How the real image stands in the generated one, as the end of a clause."""
    view = "" if copy.view == "identity" else f", {copy.view}"
    view += ", inverted" if copy.inverted else ""
    return view + (f", {moved_text(copy)}" if copy.moved else "")


def _tables(found: tuple[Copy, ...], kind: Kind) -> list[Block]:
    rows = tuple(
        Row(
            (
                words.name(copy.generated),
                words.name(copy.real),
                copy.role,
                words.name(copy.group, 40),
                f"{copy.value:.2f}",
                "–" if copy.by == "same pixels" else f"{copy.beyond:.1f}",
                f"{told_of(kind, copy.by)}{seen(copy)}",
            ),
            "alarm",
        )
        for copy in found[:MOST_ROWS]
    )
    head = ("Generated", "Real", "Role", "Patient", "Similarity", "Beyond", "How")
    blocks: list[Block] = [
        Table(
            head, rows, numeric=(4, 5), short=(2,), whole=(6,),
            caption="Copies, the nearest first.", choices=(2,),
        )
    ]  # fmt: skip
    if len(found) > MOST_ROWS:
        blocks.append(
            Text(f"The {MOST_ROWS} nearest of {len(found):,}; all are in result.json.", "box")
        )
    return blocks
