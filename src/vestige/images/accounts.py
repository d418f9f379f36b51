"""The accounts of a source: each entry is an image, a row in `problems`, or ignored and named."""

import os
from collections import Counter
from collections.abc import Collection, Sequence

from vestige.images.formats import format_of_name
from vestige.images.frame import Unreadable
from vestige.images.left_out import (
    further_arrays,
    ignored_entries,
    images_left_out,
    may_hold_picture,
)
from vestige.images.listing import Listing
from vestige.images.names import is_document, natural_key
from vestige.images.unread import KINDS, FaultKind, FileFault, Ignored, Ledger
from vestige.registry.entries import InputError
from vestige.schema.records import Problem

UNSEEN: tuple[FaultKind, ...] = ("format not read", "not judged", "not reached")
"""No reader looked into these files, or what it saw was not judged: a picture may be in each."""


def account(
    source: Listing,
    role: str,
    counts: Sequence[int],
    faults: Sequence[Problem],
    unreached: Collection[str] = (),
) -> tuple[Ledger, list[Problem]]:
    """The ledger of a source, and the rows for `problems`.

    Parameters
    ----------
    role : what is no image of the patient is ignored, but "generated" images are released with the
        others: there it is unread
    counts : number of images of each listed file
    faults : at least one row for each file without an image, its id as path
        A warning where the content is no image; that the file was listed counts for more, and it
        becomes an error, unless its name says that it is a document.
    unreached : ids of files that the system did not give

    Raises
    ------
    InputError
        When the entries that were met are not those that were accounted for.
    """
    empty = {i: path for (i, path), n in zip(source.files, counts, strict=True) if not n}
    kinds: dict[str, FaultKind] = dict.fromkeys(empty, "damaged")
    kinds |= {f.path: f.kind for f in faults if isinstance(f, FileFault) and f.path in empty}
    kinds |= dict.fromkeys(empty.keys() & {*unreached}, "not reached")
    aside = {i: why for i, kind in kinds.items() if (why := _ignored_as(i, kind, role))}
    hidden, problems = images_left_out(source.left_out)
    partly = _read_in_part(source, empty.keys())
    seen = {i for some in hidden.values() for i in some}
    ignored, told = ignored_entries(source.left_out, seen, source.skipped)
    for why in aside.values():
        ignored[why] = ignored.get(why, 0) + 1
    failed = empty.keys() - aside.keys()
    unread = Counter[FaultKind](kinds[i] for i in failed)
    unread["read in part"] = len(partly)
    unread.update({kind: len(some) for kind, some in hidden.items()})
    ids = sorted((*failed, *partly, *seen), key=natural_key)
    ledger = Ledger(
        files=len(counts) - len(aside) + len(seen),
        unread=len(ids),
        first=ids[0] if ids else "",
        kinds=tuple((kind, unread[kind]) for kind in KINDS if unread[kind]),
        left_aside=len(seen)
        + len(partly)
        + sum(kinds[i] in UNSEEN or _is_unknown(i, empty[i]) for i in failed),
        ignored=tuple(ignored.items()),
    )
    if ledger.entries != source.entries:
        raise InputError(
            f"{source.name} has {source.entries} entries, and {ledger.entries} are accounted for: "
            "leave the folder alone while it is read, and start again."
        )
    rows = [
        Problem(f.path, f.what, "error" if f.path in failed else f.severity)
        for f in faults
        if kinds.get(f.path) != "part of another file"
    ]
    return ledger, [*rows, *partly.values(), *problems, *told]


def _ignored_as(identifier: str, kind: FaultKind, role: str) -> Ignored | None:
    """Why a listed file without an image is no missing picture; None where it may be one."""
    if kind == "no image" and is_document(identifier):
        return "document"
    if kind == "not judged" and role != "generated":
        return "not judged"
    return "part of another file" if kind == "part of another file" else None


def _read_in_part(source: Listing, empty: Collection[str]) -> dict[str, Problem]:
    """A row for each archive with further arrays that may be pictures."""
    rows = {}
    for identifier, path in source.files:
        if identifier in empty or format_of_name(path) != "npz":
            continue
        try:
            names = further_arrays(path)
        except (OSError, Unreadable):
            names = ["?"]
        if names:
            what = (
                f"holds further arrays that may be pictures ({', '.join(names[:6])}) and were not "
                "read; save each array in a file of its own"
            )
            rows[identifier] = Problem(identifier, what, "error")
    return rows


def _is_unknown(identifier: str, path: str | os.PathLike[str]) -> bool:
    try:
        return may_hold_picture(identifier, path)
    except (OSError, Unreadable):  # nobody knows what is in it
        return True
