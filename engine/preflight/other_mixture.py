"""Held-out examples of another mixture than those that are trained on.

Definition: the class frequencies of the two parts differ by more than 0.2 in total variation, beyond chance (χ² test of
independence, p < 1e-6); or, of inputs in numbers, the means of the features differ by more than half of their standard
deviation (root mean square over features) in 100 examples or more each. What is learned then need not show on the
held-out part. Source: Quiñonero-Candela et al. (2009), "Dataset Shift in Machine Learning". False alarms: see
docs/check.md.
"""

import numpy as np
from scipy import stats

from . import causes
from .findings import Finding
from .look import Look

_MOST_VARIATION, _LEVEL = 0.2, 1e-6
_MOST_SHIFT, _FEWEST = 0.5, 100


def find(look: Look) -> Finding | None:
    """Finds a held-out part that is unlike the training part."""
    if not look.is_kept:
        return None
    advice = "draw the held-out examples at random from all, or find out why the two parts differ"
    if look.has_classes:
        parts = [np.asarray(part.targets, int).ravel() for part in (look.training, look.held_out)]
        counts = np.stack([np.bincount(part, minlength=max(map(np.max, parts)) + 1) for part in parts])
        counts = counts[:, counts.sum(axis=0) > 0]
        variation = 0.5 * float(np.abs(np.diff(counts / counts.sum(axis=1, keepdims=True), axis=0)).sum())
        if variation > _MOST_VARIATION and stats.chi2_contingency(counts).pvalue < _LEVEL:
            sentence = (
                f"{100 * variation:.2g} % of the held-out examples would need another class to match the training part"
            )
            return Finding("other_mixture", "sign", sentence, advice, causes.MIXTURE)
    training, held_out = look.training.rows, look.held_out.rows
    if min(len(training), len(held_out)) < _FEWEST or not look.has_numbers:
        return None
    deviation = training.std(axis=0)
    varying = deviation > 0
    shifts = (held_out.mean(axis=0) - training.mean(axis=0))[varying] / deviation[varying]
    shift = float(np.sqrt(np.mean(shifts**2))) if varying.any() else 0.0
    if shift <= _MOST_SHIFT:
        return None
    sentence = (
        f"the features of held-out examples have means that lie {shift:.2g} standard deviations from those in training"
    )
    return Finding("other_mixture", "sign", sentence, advice, causes.MIXTURE)
