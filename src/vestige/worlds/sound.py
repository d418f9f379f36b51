"""Images for a world: all of them can be read, or the world is not made."""

from collections.abc import Mapping
from functools import partial

from vestige.images.imageset import ImageSet
from vestige.images.listing import Source
from vestige.images.reading import Wanted, read_images
from vestige.registry.entries import InputError
from vestige.types import Progress


def read_sound(
    source: Source, role: str, size: int, wanted: Wanted, progress: Progress
) -> ImageSet:
    """Read all images of a source.

    Raises
    ------
    InputError
        As `vestige.images.reading.read_images`, and when a file cannot be read.
    """
    told = partial(progress, f"reading {role}")
    images = read_images(source, role=role, size=size, progress=told, wanted=wanted)
    faults = [problem for problem in images.problems if problem.severity == "error"]
    if faults:
        raise InputError(
            f"{len(faults)} file(s) of {role} cannot be read, the first: {faults[0].path} "
            f"{faults[0].what}. Take them out of the folder."
        )
    return images


def not_judged(sets: Mapping[str, ImageSet]) -> dict[str, int]:
    """How many files of each role are no images of a patient, such as label maps; only those."""
    aside = {
        role: dict([*images.files.kinds, *images.files.ignored]).get("not judged", 0)
        for role, images in sets.items()
    }
    return {f"not judged: {role}": count for role, count in aside.items() if count}
