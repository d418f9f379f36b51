"""Keywords that were renamed: the old name works for one minor version and warns."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from vestige.registry.entries import InputError

P = ParamSpec("P")
R = TypeVar("R")


def accept_old_names(**renamed: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take keywords by their old names, `old="new"`, with a DeprecationWarning.

    Raises
    ------
    InputError
        By the function, when it is called with the old and the new name at once.
    """

    def wrapped(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in renamed.keys() & kwargs.keys():
                new = renamed[old]
                if new in kwargs:
                    raise InputError(f"give {new}= alone: {old}= is its old name.")
                warnings.warn(
                    f"{old}= is now {new}= and will go in 0.3.", DeprecationWarning, stacklevel=2
                )
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return wrapped
