"""The accounts of a source: each entry is an image, a row in `problems`, or ignored and named."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from vestige.images.frame import Unreadable
from vestige.images.left_out import ignored_entries, images_left_out, may_hold_picture
from vestige.images.listing import Listing
from vestige.images.names import is_document, natural_key
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
    seen = {i for some in hidden.values() for i in some}
    ignored, told = ignored_entries(source.left_out, seen, source.skipped)
    if documents:
        ignored["document"] = ignored.get("document", 0) + len(documents)
    unread: dict[Kind, int] = {"no image": len(no_image), "damaged": len(damaged - {*unreached})}
    unread["not reached"] = len(damaged & {*unreached})
    unread |= {kind: len(some) for kind, some in hidden.items()}
    ids = sorted((*no_image, *damaged, *seen), key=natural_key)
    ledger = Ledger(
        files=len(counts) - len(empty) + len(ids),
        unread=len(ids),
        first=ids[0] if ids else "",
        kinds=tuple((kind, count) for kind, count in unread.items() if count),
        left_aside=len(seen)
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


def _is_unknown(identifier: str, path: str | Path) -> bool:
    try:
        return may_hold_picture(identifier, path)
    except (OSError, Unreadable):  # nobody knows what is in it
        return True
