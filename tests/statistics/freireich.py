"""Remission in weeks under 6-mercaptopurine and placebo: Freireich et al. (1963), Blood 21."""

import numpy as np

TREATED_TIME = np.array([6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], float)
TREATED_EVENT = np.array([1] * 9 + [0] * 12)
PLACEBO_TIME = np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], float)
PLACEBO_EVENT = np.ones(21, int)
BOTH = (
    np.concatenate([TREATED_TIME, PLACEBO_TIME]),
    np.concatenate([TREATED_EVENT, PLACEBO_EVENT]),
    np.repeat(["treated", "placebo"], 21),
)
