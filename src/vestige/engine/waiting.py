"""Waiting that ends: after a time, or with Ctrl-C, which only the main thread hears of."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

R = TypeVar("R")


def within(seconds: float, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    """``function(*args, **kwargs)``, waited for so long: Dask's own limits do not always hold.

    Raises
    ------
    TimeoutError
        The call goes on in a thread that nobody waits for.
    """
    future: Future[R] = Future()

    def call() -> None:
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, name="vestige-cluster", daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError as error:
        if future.done():
            raise
        raise TimeoutError(f"no answer within {seconds:.0f} s") from error


def on_interrupt(act: Callable[[], None]) -> Callable[[], None]:
    """Have `act` done when Ctrl-C breaks off what the main thread does; what is returned ends this.

    Nothing is done where Ctrl-C is ignored, or outside of the main thread.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        return _nothing

    def handle(number: int, frame: Any) -> None:
        try:
            before(number, frame)
        except BaseException:
            act()
            raise

    def end() -> None:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, handle)
    return end


def _nothing() -> None:
    pass
