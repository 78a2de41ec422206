"""What a user may say about logs; everything else is guessed."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ..arms.options import check_fields, fill_owned, option
from .formats import FORMATS

MAX_STEPS = 2**31


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What is known about logs, and how their curves are looked at; `None` is to be guessed.

    The chance loss is given by `classes`, by `class_counts` (training examples of every class) or by `chance_loss`.
    `format_options` are those that the formats own, by name.

    Raises:
        InputError: a value is not usable.
    """

    classes: int | None = option(None, "number of equally frequent classes: the chance loss is its logarithm")
    class_counts: Sequence[float] | None = None
    chance_loss: float | None = option(None, "loss of the best constant prediction, in the unit of the curves")
    average: int = option(
        1, "consecutive points that are averaged first, for noisy losses (default: 1)", minimum=1, maximum=10_000
    )
    baseline: str | None = option(None, "arm that the others are compared with (default: the first)")
    step_column: str | None = option(None, "column, or tag, of the step")
    epoch_column: str | None = option(None, "column of the epoch, where there is no step")
    loss_column: str | None = option(None, "column of the training loss; of a metric where each run has a column")
    accuracy_column: str | None = option(None, "column of the training accuracy")
    run_column: str | None = option(None, "column that tells runs apart, or several with commas between them")
    arm_column: str | None = option(None, "column that groups runs, or several with commas between them")
    layout: str | None = option(
        None, "`long`: one row per run and step, or `wide`: one column per run", choices=("long", "wide")
    )
    steps_per_epoch: int | None = option(
        None, "steps in a pass over the data: times are then in epochs", minimum=1, maximum=MAX_STEPS
    )
    first_epoch: int | None = option(None, "what the log calls its first epoch, 0 or 1", minimum=0, maximum=1)
    restarts: str | None = option(
        None,
        "where the step goes back, `replace`: what follows takes the place of what was there, or `separate`: another "
        "run begins",
        choices=("replace", "separate"),
    )
    format_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "format_options", fill_owned(FORMATS, list(FORMATS), self.format_options))
