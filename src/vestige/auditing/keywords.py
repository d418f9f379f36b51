"""The keywords of `vestige.audit`, typed for editors and type checkers."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TypedDict

from vestige.auditing.options import Detectors
from vestige.detectors import Effort
from vestige.images.choosing import ColourChoice
from vestige.images.dimensions import Dimensions
from vestige.images.given_groups import Groups, Ids, Place
from vestige.symmetries import Views
from vestige.types import Progress


class Keywords(TypedDict, total=False):
    """Each field of `AuditOptions` but `options`, and `progress`; the tests compare the two."""

    groups: Groups | None
    group_regex: str | None
    ids: Ids | None
    detectors: Detectors | None
    effort: Effort | None
    views: Views
    models: Sequence[Place]
    false_alarm_rate: float
    release_curve: bool
    max_auc: float
    assigned_by_lot: bool
    window: tuple[float, float] | None
    harmonize: bool
    include_derived: bool
    layout: str
    colour: ColourChoice
    dimensions: Dimensions
    engine: str
    cache: Place | None
    cache_limit: float
    checks: bool
    seed: int
    progress: Progress


def check_names(given: Keywords) -> None:
    """Refuse a keyword that `vestige.audit` does not have, as Python does, with the nearest one.

    Raises
    ------
    TypeError
    """
    for name in given:
        if name not in Keywords.__annotations__:
            near = get_close_matches(name, Keywords.__annotations__, n=1)
            hint = f". Did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"audit() got an unexpected keyword argument {name!r}{hint}")
