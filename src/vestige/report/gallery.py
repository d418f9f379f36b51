"""Pairs of pictures on the page: large ones, small ones, and as many as fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vestige.copies.pictures import LARGE
from vestige.copies.related import Related
from vestige.report import words
from vestige.report.blocks import Block, Gallery, Pair, Seen, Slice, Slices, Strip, Text
from vestige.report.uris import data_uri

PARTS = ("real", "generated", "difference")
MAP = (
    "The fourth picture is the map of the match: the generated image in grey, and in blue to "
    "yellow the places that add to the whitened similarity of the two, beyond what the generated "
    "image shares with other patients there, and where the two agree around the place as well. "
    "A copy that is shifted or cropped is moved back to its place in the real image first, and "
    "what it does not show is black. A map that is spread over the whole image speaks for a copy "
    "of the whole, one that is bright in a part for a copy of that part."
)
NETWORK = (
    "{names} took part in this audit: {each} gives a pair of images a match score. The two "
    "pictures in the row of its name show in blue to yellow what in the real image and what in the "
    "generated image raises that score, compared with the same image without its details. The "
    "strongest place of the two pictures is yellow in every pair, so the colours of two pairs "
    "cannot be compared. The network that is asked did not learn from the patient. The first "
    "{most} pairs of a gallery have these pictures."
)
NETWORK_TITLE = "What the maps of trained networks show"
SEEN = "What {name} sees"
MAP_TITLE = "What the map shows"
CLICK = "Click a picture to enlarge it, and again to close it."
MOST_IN_STRIP = 24
IN_SIGHT = 6
"""Pairs that are not folded."""


@dataclass(frozen=True)
class Told:
    """What is said of one pair; `key` is the start of the names of its pictures."""

    key: str
    role: str
    real: str
    group: str
    generated: str
    line: str
    caption: str
    mark: Literal["alarm", "caution", "calm", ""] = "alarm"

    @property
    def names(self) -> tuple[str, str]:
        """Of the real and the generated image, for the page."""
        return f"{self.role}: {words.name(self.real, 80)}", words.name(self.generated, 80)


@dataclass
class Pictures:
    """Hands out pictures as data URIs until the page would become too large.

    left : bytes of base64 that may still be added
    """

    pictures: Mapping[str, bytes]
    left: int

    def take(self, keys: Sequence[str]) -> list[str] | None:
        """The pictures of these names, "" for one that is missing; None where they do not fit."""
        uris = [data_uri(self.pictures.get(key, b"")) for key in keys]
        needed = sum(map(len, uris))
        if needed > self.left:
            return None
        self.left -= needed
        return uris


def gallery(
    told: Sequence[Told],
    pictures: Pictures,
    found: Related | None = None,
    in_sight: int = IN_SIGHT,
) -> list[Block]:
    """Pairs with difference and map, as far as there are pictures and they fit; and what is not.

    The first `LARGE` pairs are as large as they were drawn, with the rows of `found` below; the
    others are small. All but the first `in_sight` open on click.
    """
    pairs: list[Pair] = []
    for number, one in enumerate(told):
        uris = pictures.take([f"{one.key}:{part}" for part in PARTS])
        if uris is None:
            break
        if not all(uris):
            continue
        shown = pictures.take([f"{one.key}:map"]) or [""]
        seen = _seen(one, pictures) if number < LARGE else ()
        slices = _slices(one.key, number, pictures)
        strips = _strips(one, found, pictures) if found and number < LARGE else ()
        pairs.append(
            Pair(
                *one.names, uris[0], uris[1],
                caption=one.caption, mark=one.mark, difference_uri=uris[2], slices=slices,
                map_uri=shown[0] or None, line=one.line, strips=strips, seen=seen,
            )
        )  # fmt: skip
    if not pairs:
        return []
    if len(pairs) <= in_sight + 2:  # one or two need no fold
        in_sight = len(pairs)
    blocks: list[Block] = [Gallery(tuple(pairs[:in_sight]))]
    if more := tuple(pairs[in_sight:LARGE]):
        blocks.append(Gallery(more, words.plural(len(more), "more pair")))
    if rest := tuple(pairs[LARGE:]):
        title = f"{words.plural(len(rest), 'more pair')}, in small pictures"
        blocks.append(Gallery(rest, title, small=True))
    if len(pairs) < len(told):
        text = f"Pictures of {len(pairs):,} of {words.plural(len(told), 'pair')} are shown: with "
        blocks.append(Text(text + "those of all, the page would be too large to be opened.", "box"))
    return blocks


def introduction(pairs: Mapping[str, bytes], start: str) -> list[Block]:
    """What the pictures under these names show, as far as it is the same for all kinds."""
    has_maps = any(key.startswith(start) and key.endswith(":map") for key in pairs)
    blocks: list[Block] = [Text(CLICK), *([Text(MAP, title=MAP_TITLE)] if has_maps else [])]
    if names := _networks(pairs, start):
        each = "it" if len(names) == 1 else "each"
        told = NETWORK.format(names=" and ".join(names), each=each, most=LARGE)
        blocks.append(Text(told, title=NETWORK_TITLE))
    return blocks


def _networks(pictures: Mapping[str, bytes], start: str) -> tuple[str, ...]:
    """The columns of networks that have maps of pairs, in the order in which they were drawn."""
    told = (
        key.removeprefix("network:").partition(":") for key in pictures if key[:8] == "network:"
    )
    return tuple(dict.fromkeys(name for name, _, pair in told if pair.startswith(start)))


def _seen(one: Told, pictures: Pictures) -> tuple[Seen, ...]:
    """What each network sees of a pair, as far as the pictures fit."""
    found = []
    for name in _networks(pictures.pictures, f"{one.key}:"):
        start = f"network:{name}:{one.key}"
        uris = pictures.take([f"{start}:real", f"{start}:generated"])
        if uris is not None and all(uris):
            found.append(
                Seen(SEEN.format(name=words.name(name, 40)), (uris[0], uris[1]), one.names)
            )
    return tuple(found)


def _slices(key: str, number: int, pictures: Pictures) -> Slices | None:
    """The slices that `vestige.copies.pictures` drew of a pair, None where it drew none."""
    start = f"{key}:slice:"
    numbers = [int(k.removeprefix(start)) for k in pictures.pictures if k.startswith(start)]
    uris = pictures.take([f"{start}{z}" for z in numbers]) if numbers else None
    if uris is None or not all(uris):
        return None
    slices = tuple(Slice(z, uri) for z, uri in sorted(zip(numbers, uris, strict=True)))
    return Slices(f"slices-{number}", numbers[0], slices)


def _strips(one: Told, found: Related, pictures: Pictures) -> tuple[Strip, ...]:
    """Rows of small pictures: what else is near the real image, its patient, the generated one."""
    near = found.nearest.get((one.role, one.real), ())
    kin = found.of_patient.get(one.group, ())
    reals = found.of_generated.get(one.generated, ())
    rows: list[tuple[str, list[tuple[str, str]]]] = []
    if len(near) > 1:
        title = f"The {words.plural(len(near), 'generated image')} nearest to it"
        rows.append((title, [("generated", name) for name in near]))
    if len(kin) > 1 and not set(kin) <= set(near):
        title = f"All {words.plural(len(kin), 'generated image')} that this patient is found in"
        rows.append((title, [("generated", name) for name in kin]))
    if len(reals) > 1:
        title = f"All {words.plural(len(reals), 'real image')} found in this generated image"
        rows.append((title, list(reals)))
    strips = (_strip(title, names, pictures) for title, names in rows)
    return tuple(strip for strip in strips if strip is not None)


def _strip(title: str, names: Sequence[tuple[str, str]], pictures: Pictures) -> Strip | None:
    """One row; None where its pictures are missing or do not fit."""
    shown = names[:MOST_IN_STRIP]
    uris = pictures.take([f"small:{role}:{name}" for role, name in shown])
    if uris is None or not any(uris):
        return None
    if len(names) > len(shown):
        title += f", the first {len(shown)}"
    told = ((words.name(name, 40), uri) for (_, name), uri in zip(shown, uris, strict=True) if uri)
    return Strip(title, tuple(told))
