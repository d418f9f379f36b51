"""The folder for temporary files: the one that was asked for, or an error."""

import os
import tempfile

from vestige.registry.entries import InputError


def check_temporary() -> None:
    """Refuse a TMPDIR that cannot be used.

    Python takes another folder then, without a word: images would lie where nobody looks for them.

    Raises
    ------
    InputError
    """
    for name in ("TMPDIR", "TEMP", "TMP"):
        asked = os.environ.get(name)
        if not asked:
            continue
        if os.path.isdir(asked) and os.access(asked, os.W_OK | os.X_OK):
            return
        raise InputError(
            f"{name} names {asked}, which is no folder that can be written to: make it, or unset "
            f"{name} to use the folder of the system."
        )
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise InputError(
            "there is no folder for temporary files: set TMPDIR to one that can be written to."
        ) from error
