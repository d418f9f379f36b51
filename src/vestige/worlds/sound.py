"""Images for a world: all of them can be read, or the world is not made."""

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
