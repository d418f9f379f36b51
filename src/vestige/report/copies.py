"""The first part of the page: generated images that are copies, beside the real ones."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from vestige.decision.audited import Audited
from vestige.decision.records import Copy, CopySearch, Withheld
from vestige.images.kinds import Kind
from vestige.report import words
from vestige.report.blocks import (
    Block,
    Gallery,
    Pair,
    Row,
    Section,
    Slice,
    Slices,
    Table,
    Text,
)
from vestige.report.kinds import LEAFING, PLANES, THROUGH_BEST, kind_of_result, told_of
from vestige.report.uris import data_uri

MOST_ROWS = 500
MOST_PAIRS = 24
PICTURE_BUDGET = 2_000_000
"""Bytes of base64 that the pictures of copies may add to the page."""


def copies(result: Audited) -> Section | None:
    """Every copy in a table, the nearest with pictures; and how they were searched for."""
    search, kind = result.copy_search, kind_of_result(result)
    if search is None:
        return None
    blocks: list[Block] = [Text(_found(result))]
    if result.copies:
        # in a redacted page hashes beside hashes would show nothing
        pictures = {} if result.manifest.options.get("redacted") is True else result.thumbnails
        if drawn := gallery(result.copies, pictures, partial(_how, kind)):
            if kind == "volume":
                blocks.append(Text(f"{PLANES} {THROUGH_BEST} {LEAFING}"))
            blocks.append(drawn)
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


def gallery(
    found: Sequence[Copy | Withheld], pictures: Mapping[str, bytes], say: Callable[[Any], str]
) -> Gallery | None:
    """Pairs with their difference, as far as there are pictures; `say` makes a caption."""
    pairs, left = [], PICTURE_BUDGET
    for number, copy in enumerate(found[:MOST_PAIRS]):
        uris = [
            data_uri(pictures.get(f"copy:{number}:{name}", b""))
            for name in ("real", "generated", "difference")
        ]
        left -= sum(map(len, uris))
        if left < 0 or not all(uris):
            break
        slices = _slices(number, pictures)
        needed = sum(len(one.uri) for one in slices.slices) if slices else 0
        slices = slices if needed <= left else None
        left -= needed if slices else 0
        pairs.append(
            Pair(
                real=f"{copy.role}: {words.name(copy.real, 80)}",
                generated=words.name(copy.generated, 80),
                real_uri=uris[0],
                generated_uri=uris[1],
                caption=f"{say(copy)} · patient {words.name(copy.group, 40)}",
                mark="alarm",
                difference_uri=uris[2],
                slices=slices,
            )
        )
    return Gallery(tuple(pairs)) if pairs else None


def _slices(number: int, pictures: Mapping[str, bytes]) -> Slices | None:
    """The slices that `vestige.copies.pictures` drew of a pair, None where it drew none."""
    start = f"copy:{number}:slice:"
    drawn = {
        int(key.removeprefix(start)): data_uri(png)
        for key, png in pictures.items()
        if key.startswith(start)
    }
    if not drawn or not all(drawn.values()):
        return None
    slices = tuple(Slice(z, uri) for z, uri in sorted(drawn.items()))
    return Slices(f"slices-{number}", next(iter(drawn)), slices)


def _how(kind: Kind, copy: Copy) -> str:
    if copy.by == "same pixels":
        return f"{told_of(kind, copy.by)}{seen(copy)}"
    return f"similarity {copy.value:.2f}{seen(copy)}"


def seen(copy: Copy | Withheld) -> str:
    """How the real image stands in the generated one, as the end of a clause."""
    view = "" if copy.view == "identity" else f", {copy.view}"
    view += ", inverted" if copy.inverted else ""
    return view + (", shifted or cropped" if copy.moved else "")


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
                _how(kind, copy),
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
