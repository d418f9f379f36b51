"""Which patients may be named: q-values per patient, which their images share."""

import numpy as np

from vestige.judging.cohort import Bag
from vestige.judging.combination import JudgedImages
from vestige.stats.full_conformal import pooled_model, scored_groups
from vestige.stats.naming import conformal_q_values, storey_q_values
from vestige.stats.patients import like_sizes, patient_scores, test_patients
from vestige.stats.stack import DIGITS
from vestige.types import Bools, Floats


def name_patients(said: JudgedImages, bag: Bag, suspects: Bools, weights: Floats) -> Floats:
    """q-value of each judged row [judged]: that of its patient; nan where nothing is asked.

    Patients are compared by one combination that treats judged and unused ones alike: the fixed
    one, or what known used images of other patients teach. Where their numbers of images are
    unlike, they are compared by their p-values, for which equally many images are taken. Rows whose
    answer is known take no part, nor do patients on both sides: the score must not tell judged and
    unused ones apart.

    Parameters
    ----------
    suspects : [n], judged rows to name: of open answer, of patients on one side only, no copies
    weights : [D], fixed beforehand
    """
    q = np.full(len(bag.units), np.nan)
    if suspects.any():
        rows = suspects | bag.control
        names, judged = np.unique(bag.units[rows]), np.unique(bag.units[suspects])
        sizes = [
            np.unique(bag.units[side], return_counts=True)[1] for side in (suspects, bag.control)
        ]
        if like_sizes(*sizes):
            model = pooled_model(said.z, rows, said.taught, bag.units, weights)
            score = patient_scores(np.round(said.z[rows] @ model, DIGITS), bag.units[rows])
            asked = np.isin(names, judged)
            named = conformal_q_values(score[asked], score[~asked])
        else:
            scored = scored_groups(said.z, said.models.of(judged), suspects, bag.control, bag.units)
            named = storey_q_values(test_patients(scored, bag.units).p_values)
        q[suspects] = named[np.searchsorted(judged, bag.units[suspects])]
    return q[bag.judged]
