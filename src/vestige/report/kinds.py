"""What the page says of images in colour and of volumes in another way than of grey images."""

from vestige.decision.audited import Audited
from vestige.images.kinds import NAMES, Kind, told_of

PLANES = (
    "Each picture of a volume shows three planes: coronal (upper left) and sagittal (upper right) "
    "with the head up, axial (lower left) with the front up. The patient's right is on the left of "
    "the coronal and the axial plane, the front on the left of the sagittal plane."
)
THROUGH_BEST = "They are the planes that hold most of the structure that the two volumes share."
LEAFING = (
    "Below the first pairs, the axial slices of both volumes and of their difference can be leafed "
    "through from the feet to the head: choose a mark, or use the arrow keys."
)


def kind_of_result(result: Audited) -> Kind:
    """What kind of images an audit compared."""
    return result.manifest.kind


def compared(result: Audited) -> str:
    """What was compared: "colour images at 64 x 64 pixels"; "" for grey images."""
    kind, side = kind_of_result(result), result.manifest.options.get("working_size")
    if kind == "grey":
        return ""
    if not isinstance(side, int):
        return NAMES[kind]
    axes = 3 if kind == "volume" else 2
    return f"{NAMES[kind]} at {' x '.join([str(side)] * axes)} {told_of(kind, 'pixels')}"
