"""What a user may say about a log; everything else is guessed."""

import dataclasses

from engine.errors import InputError, unknown_name

LAYOUTS = ("long", "wide")
RESTARTS = ("replace", "separate")
_MAX_STEPS = 2**31


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """What is known about logs; `None` is to be guessed.

    Attributes:
        step_column, epoch_column, loss_column, accuracy_column: names of columns or tags.
        run_column, arm_column: names of columns, or several with commas between them.
        layout: `long` for one row per run and step, `wide` for one column per run.
        steps_per_epoch: steps in a pass over the data.
        first_epoch: what the log calls its first epoch; a smaller number is before training.
        restarts: what follows where the step goes back: `replace` if it takes the place of what was there, `separate`
            if it is another run.
        delimiter, decimal: between the cells and in the numbers of CSV files.

    Raises:
        InputError: a value is not usable.
    """

    step_column: str | None = None
    epoch_column: str | None = None
    loss_column: str | None = None
    accuracy_column: str | None = None
    run_column: str | None = None
    arm_column: str | None = None
    layout: str | None = None
    steps_per_epoch: int | None = None
    first_epoch: int | None = None
    restarts: str | None = None
    delimiter: str | None = None
    decimal: str | None = None

    def __post_init__(self) -> None:
        for kind, value, choices in (("layout", self.layout, LAYOUTS), ("restarts", self.restarts, RESTARTS)):
            if value is not None and value not in choices:
                raise unknown_name(kind, value, choices)
        if self.delimiter is not None and len(self.delimiter.replace("\\t", "\t")) != 1:
            raise InputError(f"delimiter={self.delimiter!r}: expected one character, such as ';'")
        if self.decimal not in (None, ".", ","):
            raise InputError(f"decimal={self.decimal!r}: expected '.' or ','")
        if self.steps_per_epoch is not None and not 1 <= self.steps_per_epoch <= _MAX_STEPS:
            raise InputError(f"steps_per_epoch={self.steps_per_epoch}: expected a whole number > 0")
        if self.first_epoch not in (None, 0, 1):
            raise InputError(f"first_epoch={self.first_epoch}: expected 0 or 1")
