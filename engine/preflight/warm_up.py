"""A warm-up that takes most of the training, or a decay that ends long before it.

Definition: the warm-up is longer than half of the horizon; or a decay to 0 ends within the first tenth of it. The
learning rate is then far from its peak for most of the time. Source: Goyal et al. (2017) warm up for 5 of 90 epochs.
False alarms: none by definition.
"""

from . import causes
from .findings import Finding
from .look import Look

_MOST, _LEAST = 0.5, 0.1


def find(look: Look) -> Finding | None:
    """Finds a schedule that does not fit the length of the training."""
    horizon, warmup, decay = look.horizon, look.arm.warmup_steps or 0, look.arm.decay_steps
    if horizon is None:
        return None
    if warmup > _MOST * horizon:
        share = min(1.0, horizon / warmup)
        sentence = f"the warm-up lasts {warmup:,} steps and the training {horizon:,}, which"
        sentence = f"{sentence} comes to {100 * share:.2g} % of the highest learning rate"
    elif decay is not None and warmup + decay < _LEAST * horizon:
        sentence = f"the learning rate is back at 0 after {warmup + decay:,} of {horizon:,} steps"
    else:
        return None
    return Finding(
        "warm_up",
        "fault",
        sentence,
        "fit the schedule to the training, or leave it out (--schedule=constant)",
        causes.SCHEDULE,
    )
