"""Decoders that warn of what they repair: what they say becomes a flag, in our own words."""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from vestige.images.foreign_words import own_warning
from vestige.images.frame import Frame

TALKATIVE = ("tiff", "dicom", "nifti")
_ONE_AT_A_TIME = threading.Lock()


def heard(name: str, read: Callable[[], list[Frame]]) -> list[Frame]:
    """Frames with what the decoders of talkative formats said of them in their flags."""
    if name not in TALKATIVE:
        return read()
    # catch_warnings is not thread-safe, and a cluster may run shards in threads
    with _ONE_AT_A_TIME, _silent_logs(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        frames = read()
    told = tuple(dict.fromkeys(f"decoder: {own_warning(str(w.message))}" for w in said))
    return [replace(f, flags=(*f.flags, *told)) for f in frames] if told else frames


@contextmanager
def unheard() -> Iterator[None]:
    """Nothing is said while a header is only looked at: it may hold names. Reading tells all."""
    with _ONE_AT_A_TIME, _silent_logs(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Nothing on the terminal of what the same decoders say a second way, for every bad tag."""
    logs = [logging.getLogger(name) for name in ("tifffile", "nibabel.global", "PIL")]
    before = [log.disabled for log in logs]
    for log in logs:
        log.disabled = True
    try:
        yield
    finally:
        for log, was in zip(logs, before, strict=True):
            log.disabled = was
