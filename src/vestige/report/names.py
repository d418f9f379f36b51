"""Known names found in sentences, in a time that grows with the lengths of both and no faster."""

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_PART = re.compile(r"[^\W_]+|.", re.DOTALL)
"""A name begins and ends between two parts: a run of letters and digits, or one other sign."""


@dataclass
class _Node:
    """Parts of names, read from their ends (an automaton of Aho and Corasick).

    longest : parts of the longest name that begins where this node was reached
    """

    after: dict[str, "_Node"] = field(default_factory=dict)
    shorter: "_Node | None" = None
    longest: int = 0


class Names:
    """A set of names; the longest that begins first in a sentence is found first."""

    def __init__(self, names: Iterable[str]) -> None:
        self._root = _Node()
        for name in names:
            parts, node = _PART.findall(name), self._root
            for part in reversed(parts):
                node = node.after.setdefault(part, _Node())
            node.longest = len(parts)
        waiting = deque([self._root])
        while waiting:
            node = waiting.popleft()
            for part, child in node.after.items():
                shorter = node.shorter
                while shorter is not None and part not in shorter.after:
                    shorter = shorter.shorter
                child.shorter = self._root if shorter is None else shorter.after[part]
                child.longest = child.longest or child.shorter.longest
                waiting.append(child)

    def replaced(self, sentence: str, by: Callable[[str], str]) -> str:
        """The sentence with another text in the place of each name."""
        parts = _PART.findall(sentence)
        lengths, node = [0] * len(parts), self._root
        for at in reversed(range(len(parts))):
            step: _Node | None = node
            while step is not None and parts[at] not in step.after:
                step = step.shorter
            node = self._root if step is None else step.after[parts[at]]
            lengths[at] = node.longest
        out, at = [], 0
        while at < len(parts):
            count = lengths[at] or 1
            text = "".join(parts[at : at + count])
            out.append(by(text) if lengths[at] else text)
            at += count
        return "".join(out)
