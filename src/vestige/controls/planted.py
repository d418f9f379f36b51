"""Are copies found again that were put into the generated set?

If not, that nothing was found means nothing. The ladder of ever fainter copies says how faint a
copy this audit can see.
"""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from vestige.bag import Bag
from vestige.choices import InputError
from vestige.combination import judge_images
from vestige.controls.pipeline import Pipeline
from vestige.controls.swapped import part
from vestige.records import Control
from vestige.stats.calibration import smallest_p_value
from vestige.stats.rates import clopper_pearson
from vestige.types import Bools, Images

if TYPE_CHECKING:
    from vestige.controls import Comparison

LEVEL, RECALL = 0.05, 0.9
"""A copy is found at this p-value; this share of verbatim copies must be (METHODS 5)."""
FEWEST, USUAL, MOST = 3, 20, 50
"""Source images, one per group. Three: an audit that sees nothing finds them all once in 8,000."""
SHARE = 0.01
"""Of the generated set, planted at most: more sources first, then more copies of each; never less
than one copy of the usual number of sources."""
SHIFT, TURN, QUALITY, BLEND = 2, 3.0, 75, 0.7


def planted_control(comparison: "Comparison") -> Control:
    """Put copies of unused images into the generated set and judge these images as queries.

    Sources are of the reference where there is one, else controls, which calibrate no longer here.
    One pass plants each source verbatim; a second deals them over the rungs of the ladder. The
    columns, and the combination of them, are those of the audit. Passes if 90 % of the verbatim
    copies have p <= .05; details: the share found, by rung, with its exact interval.
    """
    pipeline = comparison.audited
    rng = np.random.default_rng([comparison.seed, 37])
    bag, reference = with_sources(pipeline, rng)
    sources = bag.images[bag.judged]
    score = pipeline.scorer(bag, reference)
    # other images of a source's group: in the bag, as they would be of a real member, but not asked
    asked = bag.judged | ~np.isin(bag.units, bag.units[bag.judged])
    judged = part(bag, asked)
    each = max(1, int(SHARE * len(pipeline.generated)) // len(sources))

    def found(copies: Images) -> Bools:
        columns = score(np.concatenate([copies] * each))[asked]
        said = judge_images(columns, pipeline.cheap_plan, judged)
        return np.asarray(said.p_values <= LEVEL)

    seen = found(sources)
    verbatim = clopper_pearson(int(seen.sum()), len(seen))
    details = {"verbatim": verbatim}
    rungs = rng.permutation(len(sources)) % len(LADDER)
    partners = pipeline.generated[rng.integers(len(pipeline.generated), size=len(sources))]
    copies = np.empty_like(sources)
    for rung, copy in enumerate(LADDER.values()):
        copies[rungs == rung] = copy(sources[rungs == rung], partners[rungs == rung])
    seen = found(copies)
    for rung, name in enumerate(LADDER):
        if (here := rungs == rung).any():
            details[name] = clopper_pearson(int(seen[here].sum()), int(here.sum()))
    passed = verbatim.value >= RECALL
    told = (
        f"{round(verbatim.value * verbatim.n)} of {verbatim.n} images with {each} verbatim "
        f"{'copy' if each == 1 else 'copies'} in the generated set were found "
        f"(95 % interval {verbatim.low:.2f} to {verbatim.high:.2f})"
    )
    vetoes = f"none: {told}" if passed else f"that nothing was found: only {told}"
    return Control("planted", None, None, passed, vetoes, details=details)


def with_sources(pipeline: Pipeline, rng: np.random.Generator) -> tuple[Bag, Images | None]:
    """The bag with sources as its judged images, and the reference that is left.

    Raises
    ------
    InputError
        When too few controls would be left to show a p-value of .05.
    """
    bag, reference, theirs = pipeline.bag, pipeline.reference, pipeline.reference_groups
    groups = len(np.unique(bag.units[bag.control]))
    needed = round(1 / LEVEL) - 1
    if smallest_p_value(max(groups, 1)) > LEVEL:
        raise InputError(f"{needed} groups of controls or more are needed, found {groups}.")
    wanted = min(MOST, max(USUAL, int(SHARE * len(pipeline.generated))))
    first = np.sort(np.unique(theirs, return_index=True)[1])  # by pixels: a name moves no result
    spare = theirs[first][~np.isin(theirs[first], bag.groups)]
    if reference is not None and len(spare) // 2 >= FEWEST:
        names = rng.permutation(spare)[: min(wanted, len(spare) // 2)]
        rows = [int(rng.choice(np.flatnonzero(theirs == name))) for name in names]
        return _joined(bag, reference[rows]), reference[~np.isin(theirs, names)]
    if groups < needed + FEWEST:
        raise InputError(
            f"{needed + FEWEST} groups of controls (or a reference of {2 * FEWEST} groups) are "
            f"needed, found {groups}."
        )
    units = rng.permutation(np.unique(bag.units[bag.control]))[: min(wanted, groups - needed)]
    rows = [int(rng.choice(np.flatnonzero(bag.units == unit))) for unit in units]
    sources = np.isin(np.arange(len(bag.ids)), rows)
    taken = np.isin(bag.units, units)
    control = bag.control & ~taken
    return replace(bag, judged=sources, control=control, settled={}), reference


def _joined(bag: Bag, sources: Images) -> Bag:
    """The bag with sources of groups of their own as its judged images."""
    n, k = len(bag.ids), len(sources)
    no, yes = np.zeros(k, np.bool_), np.ones(k, np.bool_)
    return Bag(
        np.concatenate([bag.images, sources]),
        (*bag.ids, *(f"planted/{i}" for i in range(k))),
        np.concatenate([bag.index, np.arange(k)]),
        np.concatenate([bag.roles, np.full(k, "query")]),
        # numbers: the names of groups may be anything
        np.concatenate([bag.units, bag.units.max() + 1 + np.arange(k)]),
        np.concatenate([np.zeros(n, np.bool_), yes]),
        np.concatenate([bag.control, no]),
        np.concatenate([bag.known_used, no]),
        {},
    )


def saved_again(images: Images, partners: Images) -> Images:
    """Through 8 bits and JPEG of quality 75."""
    from PIL import Image

    out = np.empty_like(images)
    for k, image in enumerate(images):
        file = BytesIO()
        levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(levels).save(file, "JPEG", quality=QUALITY)
        out[k] = np.asarray(Image.open(file), np.float32) / np.float32(255)
    return out


def shifted(images: Images, partners: Images) -> Images:
    """Two pixels down and to the right; the border is repeated."""
    padded = np.pad(images, ((0, 0), (SHIFT, 0), (SHIFT, 0)), mode="edge")
    return np.asarray(padded[:, : images.shape[1], : images.shape[2]])


def turned(images: Images, partners: Images) -> Images:
    """Three degrees about the middle."""
    from scipy.ndimage import rotate

    options = {"axes": (1, 2), "reshape": False, "order": 1, "mode": "nearest"}
    return np.asarray(rotate(images, TURN, **options), np.float32) if len(images) else images


def blended(images: Images, partners: Images) -> Images:
    """Seven parts of the image, three of a generated one."""
    return np.asarray(BLEND * images + (1 - BLEND) * partners, np.float32)


LADDER: dict[str, Callable[[Images, Images], Images]] = {
    "8 bits and JPEG 75": saved_again,
    "shifted by 2 pixels": shifted,
    "turned by 3 degrees": turned,
    "blended .7 and .3": blended,
}
