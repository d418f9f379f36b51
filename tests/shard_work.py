"""Work on shards that tests send to workers, which import it from here."""

import os
import signal
import time
from pathlib import Path
from typing import Any


def square(x: int) -> int:
    return x * x


def slow_square(x: int, seconds: float) -> int:
    time.sleep(seconds)
    return x * x


def who(_: Any) -> int:
    return os.getpid()


def die_once(x: int, folder: str) -> int:
    """Kill the worker of shard 3 when it is worked on for the first time."""
    mark = Path(folder) / "died"
    if x == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def die(x: int, folder: str) -> int:
    """Kill the worker of shard 3 whenever it is worked on."""
    if x == 3:
        with (Path(folder) / "deaths").open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def leave(x: int) -> int:
    os._exit(7)


def fail(x: int) -> int:
    if x == 3:
        raise PermissionError(13, "Permission denied", "x.png")
    return x


class Odd(Exception):
    """Can be written but not read again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail_oddly(x: int) -> int:
    raise Odd(x, 2)


def late(x: int) -> int:
    raise TimeoutError("of the function itself")


def chatter(x: int) -> int:
    """What a decoder in C prints goes to file descriptor 1."""
    os.write(1, b"noise " * 1000)
    print("more")
    return x


def big(x: int) -> bytes:
    return bytes(x)


def recurse(x: int) -> int:
    """Call itself without end, in work on shard 3."""
    return recurse(x) + 1 if x == 3 else x


def nested(x: int) -> Any:
    """A list within a list, 100,000 deep: nothing can write it."""
    made: Any = x
    for _ in range(100_000):
        made = [made]
    return made


class Nested(Exception):
    """An error that nothing can write."""


def fail_nested(x: int) -> int:
    raise Nested(nested(x))


def tell_key(key: str, results: list[int]) -> list[str]:
    """Of a result that a worker keeps comes back its key, once for each shard."""
    return [key] * len(results)


def pieces_of(parts: list[tuple[list[int], None]]) -> list[int]:
    return [result for results, _ in parts for result in results]


def kill_self(state: None, start: int, block: list[int]) -> None:
    os._exit(1)


def merge_none(first: None, second: None) -> None:
    """Nothing."""
