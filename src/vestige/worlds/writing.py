"""What every world folder holds, built or imported: neutral names, truth, images, the record."""

import csv
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from vestige.files.spreadsheet import cell
from vestige.files.whole import write_together
from vestige.packages import installed
from vestige.registry.entries import InputError
from vestige.version import __version__
from vestige.worlds.folders import Bytes, file_bytes, write_folder
from vestige.worlds.record import (
    FOLDERS,
    GENERATED,
    REALS,
    RECIPE,
    RECORD,
    SCHEMA,
    TRUTH,
    TRUTH_COLUMNS,
    Recipe,
    TruthRow,
    WorldRecord,
    digest_part,
    read_json,
    written,
)
from vestige.worlds.roles import LEFT_OUT, MEMBERS, QUERY_UNUSED, QUERY_USED, STRANGER


@dataclass(frozen=True)
class Dealt:
    """Who plays which role.

    groups, parts : length n
        Group and part (`vestige.worlds.roles`) of each real image.
    named : rows of truth.csv in their order, each with the place of its image in 0..n-1
    """

    groups: tuple[str, ...]
    parts: tuple[str, ...]
    named: tuple[tuple[TruthRow, int], ...]

    @property
    def truth(self) -> list[TruthRow]:
        """The rows of truth.csv."""
        return [row for row, _ in self.named]

    def counts(self) -> dict[str, int]:
        """Images of each folder and of each part."""
        counts = {role: sum(row.role == role for row in self.truth) for role in REALS}
        members = sum(part in MEMBERS for part in self.parts)
        return counts | {
            "query_used": self.parts.count(QUERY_USED),
            "query_unused": self.parts.count(QUERY_UNUSED),
            "members": members,
            "non_members": len(self.named) - members,
            "strangers": self.parts.count(STRANGER),
            "left_out": self.parts.count(LEFT_OUT),
        }

    def group_counts(self) -> dict[str, int]:
        """Groups of each folder, of both sides, and of the strangers."""
        pairs = zip(self.groups, self.parts, strict=True)
        found: Mapping[str, set[str]] = {
            **{role: {row.group for row in self.truth if row.role == role} for role in REALS},
            "members": {row.group for row in self.truth if row.used},
            "non_members": {row.group for row in self.truth if not row.used},
            "strangers": {group for group, part in pairs if part == STRANGER},
        }
        return {name: len(names) for name, names in found.items()}


def deal(
    ids: Sequence[str], groups: Sequence[str], parts: Sequence[str], seed: int, suffix: str
) -> Dealt:
    """Neutral names: per role numbers in random order, so that no name tells group or status."""
    chance = np.random.default_rng([seed, 1])
    order = sorted(range(len(ids)), key=lambda k: ids[k])
    named = []
    for role in REALS:
        own = [k for k in order if parts[k].partition(" ")[0] == role]
        digits = len(str(max(len(own) - 1, 1000)))
        for number, place in enumerate(chance.permutation(len(own))):
            k = own[place]
            name = f"{role}/{number:0{digits}d}{suffix}"
            named.append((TruthRow(name, role, groups[k], parts[k] in MEMBERS), k))
    return Dealt(tuple(groups), tuple(parts), tuple(sorted(named, key=lambda pair: pair[0].id)))


def begin(root: Path, recipe: Recipe, source: str, truth: Sequence[TruthRow]) -> None:
    """Write recipe.json and truth.csv, or see that those of an earlier call are the same."""
    text = io.StringIO()
    writer = csv.writer(text)  # CRLF (RFC 4180), so that names with a CR are quoted too
    writer.writerow(TRUTH_COLUMNS)
    writer.writerows([row.id, row.role, cell(row.group), int(row.used)] for row in truth)
    begun = {"schema": SCHEMA, "recipe": written(recipe), "source_sha256": source}
    told = json.dumps(begun, indent=1, ensure_ascii=False) + "\n"
    root.mkdir(parents=True, exist_ok=True)
    same = not (root / RECIPE).exists() or read_json(root / RECIPE) == json.loads(told)
    if (root / TRUTH).exists():
        # a file name that is not UTF-8 is escaped in the file
        kept = text.getvalue().encode("utf-8", "backslashreplace")
        same = same and (root / TRUTH).read_bytes() == kept
    if not same:
        raise InputError(
            f"the images or groups have changed since {root} was begun: name a new --out."
        )
    write_together({root / RECIPE: told})
    write_together({root / TRUTH: text.getvalue()})


def write_reals(root: Path, levels: Bytes, dealt: Dealt) -> None:
    """Write the folders of real images, uint8 [n, ...], under the names that were dealt."""
    for role in REALS:
        files = {
            row.id.partition("/")[2]: file_bytes(levels[k])
            for row, k in dealt.named
            if row.role == role
        }
        write_folder(root / role, files)


def write_generated(root: Path, levels: Bytes, suffix: str) -> None:
    """Write the folder of generated images, uint8 [m, ...], in their order."""
    digits = len(str(max(len(levels) - 1, 10**4)))
    files = {f"g{k:0{digits}d}{suffix}": file_bytes(image) for k, image in enumerate(levels)}
    write_folder(root / GENERATED, files)


def finish(
    root: Path,
    recipe: Recipe,
    dealt: Dealt,
    name: str,
    source: str,
    groups_from: str,
    figures: dict[str, Any],
    versions: Mapping[str, str],
) -> WorldRecord:
    """Write world.json, whose presence says that the world is complete, and drop recipe.json.

    Parameters
    ----------
    name : of the world
    source : digest of the files that it was made of
    versions : of what is no part of vestige
    """
    parts = {part: digest_part(root / part) for part in (*FOLDERS, TRUTH)}
    record = WorldRecord(
        schema=SCHEMA,
        name=name,
        recipe=recipe.told(),
        source_sha256=source,
        groups_from=groups_from,
        counts=dealt.counts() | {GENERATED: recipe.samples},
        groups=dealt.group_counts(),
        sha256={part: digest for part, digest in parts.items() if digest is not None},
        figures=figures,
        versions=_versions() | dict(versions),
        built=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_together({root / RECORD: record.to_json()})
    (root / RECIPE).unlink(missing_ok=True)
    return record


def _versions() -> dict[str, str]:
    there = {name: v for name, v in installed("numpy", "torch").items() if v}  # torch is an extra
    return {"vestige": __version__, "python": platform.python_version(), **there}
