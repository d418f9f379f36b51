"""What a section of the report is made of: plain words, tables, charts and pictures.

Nothing here is escaped: the template does that, once, for everything. The two exceptions,
`Chart.svg` and the data URIs of `Pair`, are made by vestige and never hold a user's text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` "box" sets it apart as something not to be missed."""

    text: str
    tone: Literal["plain", "box"] = "plain"
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Fact:
    """A number, its name, and one sentence that says what it means."""

    name: str
    value: str
    detail: str
    meaning: str


@dataclass(frozen=True)
class Facts:
    """Numbers side by side."""

    facts: tuple[Fact, ...]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Row:
    """Cells of a table; `mark` colours the row ("alarm", "caution", "calm", "")."""

    cells: tuple[str, ...]
    mark: Literal["alarm", "caution", "calm", ""] = ""


@dataclass(frozen=True)
class Table:
    """Rows under headings; headings that are all empty are left out.

    `numeric` lists the columns set flush right, `short` those kept on one line, `whole` those
    that break between words only; names in the others break anywhere. A table with a `folded`
    title opens on click.
    """

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: tuple[int, ...] = ()
    short: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()
    folded: str = ""
    kind: Literal["table"] = "table"


OPEN_ROWS = 25
"""Rows of a long table in sight; the others open on click."""


def long_table(
    head: tuple[str, ...],
    rows: Sequence[Row],
    folded: Callable[[Sequence[Row]], str],
    numeric: tuple[int, ...] = (),
    short: tuple[int, ...] = (),
    whole: tuple[int, ...] = (),
) -> list[Table]:
    """The first rows in sight and the others, if any, under the title that `folded` gives them."""
    tables = [Table(head, tuple(rows[:OPEN_ROWS]), numeric, short, whole)]
    if rest := tuple(rows[OPEN_ROWS:]):
        tables.append(Table(head, rest, numeric, short, whole, folded(rest)))
    return tables


@dataclass(frozen=True)
class Points:
    """A list under a small heading ("" for none); each point has a lead-in and a sentence."""

    points: tuple[tuple[str, str], ...]
    title: str = ""
    kind: Literal["points"] = "points"


@dataclass(frozen=True)
class Chart:
    """A drawing with words for those who cannot see it."""

    svg: str
    label: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Charts:
    """Drawings side by side."""

    charts: tuple[Chart, ...]
    kind: Literal["charts"] = "charts"


@dataclass(frozen=True)
class Slice:
    """One axial slice of a pair of volumes: real, generated and difference side by side."""

    number: int
    uri: str


@dataclass(frozen=True)
class Slices:
    """Slices to leaf through, from feet to head; `first` is the number of the one in sight."""

    name: str
    first: int
    slices: tuple[Slice, ...]


@dataclass(frozen=True)
class Strip:
    """A row of small pictures, each a name and a data URI, that opens on click."""

    title: str
    pictures: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Pair:
    """A real image beside the nearest generated one; pictures as data URIs, "" for none.

    difference_uri, map_uri : of their difference and of where they match; None where none is drawn
    slices : of a pair of volumes; None where none are drawn
    line : one sentence that says what the pair is; "" for none
    """

    real: str
    generated: str
    real_uri: str
    generated_uri: str
    caption: str
    mark: Literal["alarm", "caution", "calm", ""] = ""
    difference_uri: str | None = None
    slices: Slices | None = None
    map_uri: str | None = None
    line: str = ""
    strips: tuple[Strip, ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Pairs of pictures; small ones with a `folded` title open on click."""

    pairs: tuple[Pair, ...]
    folded: str = ""
    kind: Literal["gallery"] = "gallery"


@dataclass(frozen=True)
class Terms:
    """Terms with their ids on the page and what they mean."""

    terms: tuple[tuple[str, str, str], ...]
    kind: Literal["terms"] = "terms"


Block = Text | Facts | Table | Points | Charts | Gallery | Terms


@dataclass(frozen=True)
class Section:
    """One part of the page; a folded one opens on click."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    folded: bool = False


@dataclass(frozen=True)
class Banner:
    """The answer, at the top: look, gate, headline, and the sentence of the decision.

    command : what to type next; "" for nothing
    """

    look: Literal["alarm", "caution", "calm"]
    label: str
    headline: str
    detail: str
    command: str = ""
