"""One pair of axes as a small <svg>: scales, lines, areas, marks and words.

A drawing scales with the page, holds no id, no style and nothing that loads, and is the same text
for the same numbers. Ink is the colour of the text around it; the page maps the other colours to
lighter ones on a dark ground (templates/style.css).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vestige.types import Floats

SUSPECT = "#d55e00"
CONTROL = "#0072b2"
INK = "currentColor"
FAINT = "#8a929c"
DASHED = "4 3"
_SIZE = 12
_LETTER = 6.2  # mean width of a letter, in units of the drawing

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Scale:
    """A number line; `ticks` are the marked values, with their words, from low to high."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    log: bool = False

    def at(self, values: Floats | float) -> Floats:
        """Places of values, shape as given: 0 at the low end, 1 at the high end, no further."""
        low, high, here = self.low, self.high, np.asarray(values, dtype=np.float64)
        if self.log:
            low, high, here = math.log(low), math.log(high), np.log(np.maximum(here, low))
        return np.asarray(np.clip((here - low) / (high - low), 0.0, 1.0))


def linear(low: float, high: float, most: int = 6) -> Scale:
    """A number line with at most `most` round ticks; `low` is below `high`."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(k for k in (1, 2, 5, 10) if (high - low) / (k * step) <= most)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    values = [(first + k) * step for k in range(count)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    plain = 1e-4 <= step < 1e5
    return Scale(
        low, high, tuple((v, f"{v + 0.0:.{digits}f}" if plain else f"{v:.3g}") for v in values)
    )


def decades(low: float) -> Scale:
    """Shares from `low`, rounded down to a power of ten, to 1 on a logarithmic line."""
    lowest = math.floor(math.log10(low) + 1e-9)
    return Scale(
        10.0**lowest, 1.0, tuple((10.0**k, f"{10.0**k:g}") for k in range(lowest, 1)), log=True
    )


class Plot:
    """Axes under construction; every method places values of the two scales.

    Parameters
    ----------
    x, y : Scale
    size : tuple of int
        Width and height of the field between the axes, in units of which text is 12 high.
    margins : tuple of int
        Left and bottom, for ticks and words.
    key : int
        Lines of the key above the field.
    """

    def __init__(
        self,
        x: Scale,
        y: Scale,
        size: tuple[int, int] = (330, 190),
        margins: tuple[int, int] = (52, 42),
        key: int = 1,
    ) -> None:
        self.x, self.y = x, y
        self.wide, self.high = size
        self.left, self.below = margins
        self.top = 10 + 18 * key
        self._parts: list[str] = []
        self._key: list[tuple[str, str]] = []

    def line(
        self,
        xs: Floats,
        ys: Floats,
        colour: str,
        width: float = 2,
        dashes: str = "",
        name: str = "",
    ) -> None:
        """Straight lines from point to point, shapes (n,); with a name also in the key."""
        look = f'fill="none" stroke="{colour}" stroke-width="{width:g}"'
        look += f' stroke-dasharray="{dashes}"' if dashes else ""
        self._parts.append(f'<path d="M{self._points(xs, ys)}" {look}/>')
        if name:
            self._key.append((f'<path d="M0 -4H18" {look}/>', name))

    def area(
        self, xs: Floats, low: Floats, high: Floats, colour: str, shade: float, name: str = ""
    ) -> None:
        """What lies between two lines over the same points, shapes (n,)."""
        both = self._points(np.r_[xs, xs[::-1]], np.r_[low, high[::-1]])
        look = f'fill="{colour}" fill-opacity="{shade:g}"'
        self._parts.append(f'<path d="M{both}Z" {look}/>')
        if name:
            self._key.append((f'<path d="M0 -9H18V0H0Z" {look}/>', name))

    def strokes(self, xs: Floats, low: Floats, high: Floats, colour: str, width: float = 2) -> None:
        """An upright line at every x from `low` to `high`, shapes (n,)."""
        ends = zip(self._across(xs), self._down(low), self._down(high), strict=True)
        path = "".join(f"M{_n(a)} {_n(b)}V{_n(c)}" for a, b, c in ends)
        self._parts.append(f'<path d="{path}" stroke="{colour}" stroke-width="{width:g}"/>')

    def dots(
        self, xs: Floats, ys: Floats, colour: str, radius: float = 4, hollow: bool = False,
        name: str = "",
    ) -> None:  # fmt: skip
        """A round mark at every point, shapes (n,)."""
        look = f'fill="none" stroke="{colour}" stroke-width="2"' if hollow else f'fill="{colour}"'
        places = zip(self._across(xs), self._down(ys), strict=True)
        marks = "".join(f'<circle cx="{_n(a)}" cy="{_n(b)}" r="{_n(radius)}"/>' for a, b in places)
        self._parts.append(f"<g {look}>{marks}</g>")
        if name:
            self._key.append((f'<circle cx="9" cy="-4" r="{_n(radius)}" {look}/>', name))

    def words(
        self, x: float, y: float, text: str, anchor: Anchor = "start",
        shift: tuple[float, float] = (0, 0),
    ) -> None:  # fmt: skip
        """Words at a place, moved by `shift` units to the right and down."""
        a, b = self._across(np.array([x]))[0] + shift[0], self._down(np.array([y]))[0] + shift[1]
        self._parts.append(_text(a, b, text, anchor))

    def svg(self, x_name: str, y_name: str = "") -> str:
        """The finished drawing, with its axes, their names and the key."""
        bottom, right = self.top + self.high, self.left + self.wide
        parts = [f'<g stroke="{FAINT}" fill="none">']
        corner = f"M{self.left} {self.top}" if self.y.ticks else f"M{self.left} {bottom}"
        parts.append(f'<path d="{corner}V{bottom}H{right}"/>')
        across = self._across(np.array([value for value, _ in self.x.ticks]))
        down = self._down(np.array([value for value, _ in self.y.ticks]))
        parts += [f'<path d="M{_n(place)} {bottom}v4"/>' for place in across]
        parts += [f'<path d="M{self.left} {_n(place)}h-4"/>' for place in down]
        parts.append("</g>")
        for place, (_, word) in zip(across, self.x.ticks, strict=True):
            parts.append(_text(place, bottom + 17, word, "middle"))
        for place, (_, word) in zip(down, self.y.ticks, strict=True):
            parts.append(_text(self.left - 8, place + 4, word, "end"))
        parts.append(_text(self.left + self.wide / 2, bottom + 36, x_name, "middle"))
        if y_name:
            turned = f'transform="translate(13 {_n(self.top + self.high / 2)}) rotate(-90)"'
            parts.append(f'<text {turned} text-anchor="middle">{y_name}</text>')
        box = f"0 0 {right + 22} {bottom + self.below}"
        head = f'<svg viewBox="{box}" font-size="{_SIZE}" fill="{INK}">'
        return "\n".join([head, *self._parts, *parts, *self._legend(), "</svg>"])

    def _legend(self) -> Iterable[str]:
        start, end = 8.0, self.left + self.wide + 20
        across, down = start, 14.0
        for mark, name in self._key:
            needed = 24 + _LETTER * len(name)
            if across > start and across + needed > end:
                across, down = start, down + 18
            place = f"translate({_n(across)} {_n(down)})"
            yield f'<g transform="{place}">{mark}{_text(24, 0, name)}</g>'
            across += needed + 14

    def _across(self, xs: Floats) -> Floats:
        return np.asarray(self.left + self.wide * self.x.at(xs))

    def _down(self, ys: Floats) -> Floats:
        return np.asarray(self.top + self.high * (1.0 - self.y.at(ys)))

    def _points(self, xs: Floats, ys: Floats) -> str:
        places = zip(self._across(xs), self._down(ys), strict=True)
        return "L".join(f"{a} {b}" for a, b in _corners([(_n(a), _n(b)) for a, b in places]))


def steps(xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
    """Corners of a step curve that keeps each value until the next point, shapes (n,)."""
    return np.repeat(xs, 2)[1:], np.repeat(ys, 2)[:-1]


def _text(x: float, y: float, text: str, anchor: Anchor = "start") -> str:
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{_n(x)}" y="{_n(y)}"{place}>{text}</text>'


def _n(value: float) -> str:
    """A place with at most one decimal; -0 is 0."""
    return f"{round(float(value), 1) + 0.0:g}"


def _corners(places: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The points of a path without those inside an upright or level run."""
    kept: list[tuple[str, str]] = []
    for place in places:
        while len(kept) > 1 and any(kept[-2][k] == kept[-1][k] == place[k] for k in (0, 1)):
            kept.pop()
        if not kept or kept[-1] != place:
            kept.append(place)
    return kept
