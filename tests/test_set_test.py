"""The set test of one column is that column's AUC, ties included."""

import pytest

import vestige
from reference_worlds import reference_world
from vestige.detectors import DETECTORS

LABEL_FREE = [
    name
    for name, choice in DETECTORS.items()
    if len(choice.columns) == 1 and not choice.needs_labels and not choice.extra
]


@pytest.mark.parametrize("name", LABEL_FREE)
def test_a_single_column_gives_the_same_auc_combined_and_alone(name: str) -> None:
    """Rank averaging one column is monotone: ties may not be broken in favour of one side."""
    world = reference_world("collapse", 0)  # few copies: the counting detectors tie at zero
    result = vestige.audit(
        generated=world.generated,
        used=world.used[:60],
        unused=world.unused[:50],
        reference=world.reference,
        detectors=[name],
    )
    assert result.set_test is not None
    (column,) = result.set_test.detectors
    assert result.set_test.auc.value == pytest.approx(column.auc, abs=1e-12)
