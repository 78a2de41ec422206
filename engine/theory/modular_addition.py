"""Grokking: the training loss of modular addition has no plateau, the loss of held-out pairs has one.

There are no closed forms, but statements of order, each read off by the engine's own detector with chance ln p: the
loss on training pairs leaves chance at once; the loss on held-out pairs, which first rises far above chance, breaks;
and it does so long after the training pairs were learned.

Source: Power et al. (2022), "Grokking: generalization beyond overfitting on small algorithmic datasets"; Nanda et al.
(2023), "Progress measures for grokking via mechanistic interpretability".
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .. import statistics
from ..errors import counted
from ..outcomes import DetectorSettings, PlateauBreak, find_break
from .comparison import Check, Measured, Prediction, TheoryCurve, covered_arms

USES = ("loss", "held_out_loss", "held_out_accuracy")

# A break of the held-out loss is late if it comes after this many times the half time of the training loss.
LATE = 3.0
# A network that is sure of the pairs it has memorised is as sure of the others: at p = 113 the held-out loss rises to
# four times chance on the way, which is not divergence.
_HELD_OUT = DetectorSettings(divergence_factor=1e6)
_LEARNED = ("no_plateau", "shoulder")
_SOURCE = "Power et al. (2022), Nanda et al. (2023)"


class Delay(NamedTuple):
    """Outcomes of the loss on training and held-out pairs, and the step from which on half of the latter are right."""

    training: PlateauBreak
    held_out: PlateauBreak
    half_accuracy_step: float | None

    @property
    def ratio(self) -> float | None:
        """Onset on held-out pairs over the half time of the training loss."""
        onset, half = self.held_out.onset_step, self.training.half_step
        return None if onset is None or not half else onset / half


def predict(measured: Mapping[str, Measured]) -> Prediction:
    """Predicts that three shares of the runs are 1, and gives chance for the figures."""
    covered, prediction = covered_arms(measured, {"dataset": ("modular_addition",)}, _find_reason)
    for name, runs in covered.items():
        found = delays(runs)
        at_once = [run.training.status in _LEARNED for run in found]
        broke = [run.held_out.status == "broke" for run in found]
        late = [run.ratio is not None and run.ratio >= LATE for run in found]
        for quantity, holds in (
            ("share of runs whose training loss has no plateau", at_once),
            ("share of runs whose held-out loss has one, and breaks", broke),
            (f"share of runs where that comes {LATE:g} or more training half times in", late),
        ):
            share = statistics.proportion(sum(holds), len(holds))
            prediction.checks.append(Check(name, quantity, "", 1.0, share, None, _SOURCE))
        prediction.notes.append(_describe_delays(name, found))
        prediction.curves.extend(_chance(name, runs, metric) for metric in USES)
    return prediction


def _find_reason(runs: Measured) -> str | None:
    missing = [metric for metric in USES if metric not in runs.curves]
    return f"its runs have no curves of {', '.join(missing)}" if missing else None


def delays(measured: Measured) -> list[Delay]:
    """Runs the detector on both loss curves of every run; all of `USES` must be there."""
    chance = measured.chance_loss
    found = []
    for row in range(measured.num_runs):
        training = find_break(*measured.loss.of_run(row), chance)
        held_out = find_break(*measured.curves["held_out_loss"].of_run(row), chance, settings=_HELD_OUT)
        steps, accuracy = measured.curves["held_out_accuracy"].of_run(row)
        first = np.flatnonzero(accuracy < 0.5).max(initial=-1) + 1
        found.append(Delay(training, held_out, float(steps[first]) if first < len(steps) else None))
    return found


def _chance(name: str, measured: Measured, metric: str) -> TheoryCurve:
    steps = measured.curves[metric].steps[[0, -1]]
    is_loss = metric.endswith("loss")
    level, words = (measured.chance_loss, "chance, ln p") if is_loss else (np.exp(-measured.chance_loss), "chance, 1/p")
    return TheoryCurve(name, words, steps, np.full(2, level), "A guess among p sums", metric)


def _describe_delays(name: str, found: list[Delay]) -> str:
    delayed = [run for run in found if run.ratio is not None]
    if not delayed:
        return f"No run of “{name}” has learned anything of the pairs that are held out."
    half = np.median([run.training.half_step or 0.0 for run in delayed])
    onset = np.median([run.held_out.onset_step or 0.0 for run in delayed])
    ratio = np.median([run.ratio or 0.0 for run in delayed])
    right = [run.half_accuracy_step for run in delayed if run.half_accuracy_step is not None]
    accuracy = f", and half of these pairs are right from step {np.median(right):,.0f} on" if right else ""
    return (
        f"“{name}”, medians of {len(delayed)} of {counted(len(found), 'run')}: the training loss is half down at step "
        f"{half:,.0f}; the held-out loss leaves chance at step {onset:,.0f}, {ratio:.1f} times as late{accuracy}."
    )
