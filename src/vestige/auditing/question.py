"""Which question an audit answers, as one digest: known before an image is read."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestige.auditing.request import Request
from vestige.files.whole import file_sha256
from vestige.images.given_arrays import Given
from vestige.images.imageset import ImageSet
from vestige.images.listing import Listing, Source
from vestige.result import refuse_other

ELSEWHERE = ("engine", "cache", "cache_limit")
"""Options that say where and how quickly the work is done, and move no answer."""


def question_digest(request: Request) -> str:
    """SHA-256 of what is asked: files of each role by name and size, and options.

    Tables of patients and models count by their content. Images themselves are not read:
    ``manifest.inputs_sha256`` holds their digests once they were.
    """
    sources = {role: _told(source) for role, source in request.sources.items()}
    asked = [request.mode, sources, _options(request)]
    return hashlib.sha256(json.dumps(asked, default=repr).encode("utf-8", "replace")).hexdigest()


def refuse_other_question(request: Request, out: str | os.PathLike[str]) -> None:
    """Refuse a folder with the result of another question; the same question may be asked again.

    Raises
    ------
    InputError
    """
    if (Path(out) / "result.json").exists():
        refuse_other(out, question_digest(request))


def _told(source: Source) -> Any:
    if isinstance(source, Listing):
        return [[name, _size(path)] for name, path in source.files]
    if isinstance(source, ImageSet):
        return source.inputs_sha256
    if isinstance(source, Given):
        parts = [source.values] if isinstance(source.values, np.ndarray) else source.values
        return [source.ids, [_of_array(part) for part in parts]]
    return repr(source)


def _of_array(values: npt.NDArray[Any]) -> list[str]:
    digest = hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
    return [str(values.shape), str(values.dtype), digest]


def _size(path: Any) -> int:
    """Bytes of a file of this machine; -1 of an address, whose files are not asked."""
    try:
        return os.stat(path).st_size
    except (OSError, TypeError, ValueError):
        return -1


def _options(request: Request) -> dict[str, Any]:
    options = request.options
    told = {name: value for name, value in vars(options).items() if name not in ELSEWHERE}
    groups = request.groups
    return told | {
        "groups": file_sha256(groups) if isinstance(groups, str | os.PathLike) else groups,
        "models": [file_sha256(path) for path in options.models],
    }
