"""What a section of the report is made of: plain words, tables, charts and pictures.

Nothing here is escaped: the template does that, once, for everything. The two exceptions,
`Chart.svg` and the data URIs of `Pair`, are made by vestige and never hold a user's text.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` "box" sets it apart as something not to be missed.

    title : under which it is folded; "" for a paragraph in sight
    """

    text: str
    tone: Literal["plain", "box"] = "plain"
    title: str = ""
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
    that break between words only; names in the others break anywhere. A long table scrolls in a
    box of its own, and can be searched and sorted where scripts run; `choices` lists the columns
    with few values, by which its rows can then be filtered.

    caption : what the rows are, read out before them
    """

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: tuple[int, ...] = ()
    short: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()
    caption: str = ""
    choices: tuple[int, ...] = ()
    kind: Literal["table"] = "table"

    @property
    def long(self) -> bool:
        """Whether the table has more rows than are kept in sight at once."""
        return len(self.rows) > OPEN_ROWS

    @property
    def sortable(self) -> bool:
        """Whether its rows can stand in any order: no cell speaks for the rows below it."""
        return len(self.rows) > 5 and any(self.head) and all(row.cells[0] for row in self.rows)


OPEN_ROWS = 25
"""Rows of the longest table that does not scroll in a box of its own."""
PRINTED_ROWS = 40
"""Rows of a long table that are printed, besides those that are marked (templates/style.css)."""


@dataclass(frozen=True)
class Points:
    """A list under a small heading ("" for none); each point has a lead-in and a sentence."""

    points: tuple[tuple[str, str], ...]
    title: str = ""
    kind: Literal["points"] = "points"


@dataclass(frozen=True)
class Chart:
    """A drawing with words for those who cannot see it.

    table : the numbers that are drawn, opened on click; None where a table stands beside it
    """

    svg: str
    label: str
    caption: str
    wide: bool = False
    table: Table | None = None


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
class Seen:
    """What a trained network sees of a pair: two pictures as data URIs, and what they are of.

    title : names the network; uris, names : of the real and of the generated image
    """

    title: str
    uris: tuple[str, str]
    names: tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """A real image beside the nearest generated one; pictures as data URIs, "" for none.

    difference_uri, map_uri : of their difference and of where they match; None where none is drawn
    slices : of a pair of volumes; None where none are drawn
    line : one sentence that says what the pair is; "" for none
    seen : what each trained network sees of it
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
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Pairs of pictures; those with a `folded` title open on click, and may be `small`."""

    pairs: tuple[Pair, ...]
    folded: str = ""
    small: bool = False
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
class Part:
    """Sections under one title that open on click; `text` says in a sentence what they hold."""

    key: str
    title: str
    text: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Banner:
    """The answer, at the top: look, gate, headline, and the sentences of the decision.

    finding, rest : the first of these sentences, and all others
    lead, command : what to type next, after what it does; without a command there is nothing
    """

    look: Literal["alarm", "caution", "calm"]
    label: str
    headline: str
    detail: str
    finding: str
    rest: str
    lead: str
    command: str
