"""The accounts of a source: each entry is an image, a row in `problems`, or ignored and named."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from vestige.images.frame import Unreadable
from vestige.images.left_out import (
    further_arrays,
    ignored_entries,
    images_left_out,
    may_hold_picture,
)
from vestige.images.listing import Listing
from vestige.images.names import is_document, natural_key
from vestige.images.readers import format_of_name
from vestige.images.unread import Kind, Ledger
from vestige.registry.entries import InputError
from vestige.schema.records import Problem


def account(
    source: Listing,
    counts: Sequence[int],
    faults: Sequence[Problem],
    unreached: Collection[str] = (),
) -> tuple[Ledger, list[Problem]]:
    """The ledger of a source, and the rows for `problems`.

    Parameters
    ----------
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
    damaged = {fault.path for fault in faults if fault.severity == "error"} & empty.keys()
    documents = {i for i in empty.keys() - damaged if is_document(i)}
    no_image = empty.keys() - damaged - documents
    hidden, problems = images_left_out(source.left_out)
    partly = _read_in_part(source, empty.keys())
    problems = [*partly.values(), *problems]
    seen = {i for some in hidden.values() for i in some}
    ignored, told = ignored_entries(source.left_out, seen, source.skipped)
    if documents:
        ignored["document"] = ignored.get("document", 0) + len(documents)
    unread: dict[Kind, int] = {"no image": len(no_image), "damaged": len(damaged - {*unreached})}
    unread["not reached"] = len(damaged & {*unreached})
    unread["read in part"] = len(partly)
    unread |= {kind: len(some) for kind, some in hidden.items()}
    ids = sorted((*no_image, *damaged, *partly, *seen), key=natural_key)
    ledger = Ledger(
        files=len(counts) - len(documents) + len(seen),
        unread=len(ids),
        first=ids[0] if ids else "",
        kinds=tuple((kind, count) for kind, count in unread.items() if count),
        left_aside=len(seen)
        + len(partly)
        + sum(i in unreached or _is_unknown(i, empty[i]) for i in (*no_image, *damaged)),
        ignored=tuple(ignored.items()),
    )
    if ledger.entries != source.entries:
        raise InputError(
            f"{source.name} has {source.entries} entries, and {ledger.entries} are accounted for: "
            "leave the folder alone while it is read, and start again."
        )
    rows = [replace(f, severity="error") if f.path in no_image else f for f in faults]
    return ledger, [*rows, *problems, *told]


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


def _is_unknown(identifier: str, path: str | Path) -> bool:
    try:
        return may_hold_picture(identifier, path)
    except (OSError, Unreadable):  # nobody knows what is in it
        return True
