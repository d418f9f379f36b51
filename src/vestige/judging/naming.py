"""Which patients may be named: q-values per patient, which their images share."""

import numpy as np

from vestige.judging.cohort import Cohort
from vestige.judging.combination import JudgedImages
from vestige.stats.full_conformal import pooled_model, scored_groups
from vestige.stats.naming import conformal_q_values, storey_q_values
from vestige.stats.patients import like_sizes, patient_scores, test_patients
from vestige.stats.stack import DIGITS
from vestige.types import Bools, Floats


def name_patients(said: JudgedImages, cohort: Cohort, candidates: Bools, weights: Floats) -> Floats:
    """q-value of each target row [targets]: that of its patient; nan where nothing is asked.

    Patients are compared by one combination that treats target and unused ones alike: the fixed
    one, or what known used images of other patients teach. Where their numbers of images are
    unlike, they are compared by their p-values, for which equally many images are taken. Rows whose
    answer is known take no part, nor do patients on both sides: the score must not tell target and
    unused ones apart.

    Parameters
    ----------
    candidates : [n], target rows to name: of open answer, of patients on one side only, no copies
    weights : [D], fixed beforehand
    """
    q = np.full(len(cohort.group_index), np.nan)
    if candidates.any():
        rows = candidates | cohort.calibration
        names, targets = (
            np.unique(cohort.group_index[rows]),
            np.unique(cohort.group_index[candidates]),
        )
        sizes = [
            np.unique(cohort.group_index[side], return_counts=True)[1]
            for side in (candidates, cohort.calibration)
        ]
        if like_sizes(*sizes):
            model = pooled_model(said.z, rows, said.taught, cohort.group_index, weights)
            score = patient_scores(np.round(said.z[rows] @ model, DIGITS), cohort.group_index[rows])
            asked = np.isin(names, targets)
            named = conformal_q_values(score[asked], score[~asked])
        else:
            scored = scored_groups(
                said.z, said.models.of(targets), candidates, cohort.calibration, cohort.group_index
            )
            named = storey_q_values(test_patients(scored, cohort.group_index).p_values)
        q[candidates] = named[np.searchsorted(targets, cohort.group_index[candidates])]
    return q[cohort.targets]
