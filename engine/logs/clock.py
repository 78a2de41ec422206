"""At which step each row of a log was written, and what a step is."""

from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .column_roles import ColumnRoles
from .log_table import LogTable, Numbers, numbers_of
from .options import MAX_STEPS, ReadOptions

_ROUNDING = 1e-6


class Clock(NamedTuple):
    """The step of every row, if it is given, `[num_rows]`; where steps come from, in words; see `LoggedRuns`."""

    steps: np.ndarray
    is_given: np.ndarray
    words: str
    steps_per_epoch: int | None


def find_clock(
    table: LogTable, roles: ColumnRoles, options: ReadOptions, has_loss: np.ndarray, codes: np.ndarray
) -> Clock:
    """Finds the step of every row.

    Args:
        has_loss: whether a row holds a loss, `[num_rows]`.
        codes: index of a row's run, `[num_rows]`.

    Raises:
        InputError: a step is not a whole number in range, or nothing says which step a row is.
    """
    if not roles.step:
        return _by_epoch(table, roles.epoch, options) if roles.epoch else _by_row(table, options, has_loss, codes)
    numbers = numbers_of(table, roles.step)
    steps = _whole(table, roles.step, numbers)
    if roles.epoch:
        epochs = numbers_of(table, roles.epoch)
        is_given = numbers.is_given & epochs.is_given
        if _begins_anew(steps[is_given], epochs.values[is_given]):
            given = Numbers(steps, numbers.is_given)
            return _within_epochs(table, roles, options, given, Numbers(epochs.values, is_given))
    return Clock(steps, numbers.is_given, repr(roles.step), options.steps_per_epoch)


def _whole(table: LogTable, name: str, numbers: Numbers) -> np.ndarray:
    """Returns a column as whole numbers from 0 on; 0 where nothing is given."""
    values = np.where(numbers.is_given, numbers.values, 0.0)
    rounded = np.round(values)
    with np.errstate(invalid="ignore"):
        is_right = (np.abs(values - rounded) < _ROUNDING) & (rounded >= 0) & (rounded <= MAX_STEPS)
    if not is_right.all():
        row = int(np.argmin(is_right))
        raise InputError(
            f"{table.where(row)}: {name!r} is {values[row]:g}: expected a whole number of steps "
            f"from 0 to {MAX_STEPS}; another column may be the step: --step_column"
        )
    return rounded.astype(np.int64)


def _begins_anew(steps: np.ndarray, epochs: np.ndarray) -> bool:
    """Tells whether most of the places where the step goes back are where an epoch begins."""
    is_drop = np.diff(steps) < 0
    return bool(is_drop.any()) and 2 * np.sum(is_drop & (np.diff(epochs) > 0)) > is_drop.sum()


def _within_epochs(table: LogTable, roles: ColumnRoles, options: ReadOptions, steps: Numbers, epochs: Numbers) -> Clock:
    number = options.steps_per_epoch
    if number is None:
        given = steps.values[steps.is_given]
        guess = given.max() + (given.min() == 0)
        raise InputError(
            f"{table.source}: {roles.step!r} begins anew with every {roles.epoch!r}: give "
            f"--steps_per_epoch (the largest is {given.max()}: perhaps {guess})"
        )
    past = _whole(table, roles.epoch, epochs)
    past -= _first_epoch(past[epochs.is_given], options)
    words = f"{roles.epoch!r} × {number} + {roles.step!r}"
    return Clock(np.maximum(past, 0) * number + steps.values, epochs.is_given, words, number)


def _first_epoch(epochs: np.ndarray, options: ReadOptions) -> int:
    guess = 0 if len(epochs) and epochs.min() == 0 else 1
    return guess if options.first_epoch is None else options.first_epoch


def _by_epoch(table: LogTable, column: str, options: ReadOptions) -> Clock:
    """Makes steps of epochs alone: a row is written at the end of its epoch, unless epochs are fractions."""
    numbers = numbers_of(table, column)
    is_given, number = numbers.is_given, options.steps_per_epoch
    values = np.where(is_given, numbers.values, 0.0)
    words = f"{column!r} × {number}"
    with np.errstate(invalid="ignore"):
        has_parts = np.any(np.abs(values - np.round(values)) > _ROUNDING)
    if has_parts:
        if number is None:
            raise InputError(f"{table.source}: {column!r} is not whole, and there is no step: give --steps_per_epoch")
        steps = _whole(table, column, Numbers(np.round(values * number), is_given))
        return Clock(steps, is_given, words, number)
    epochs = _whole(table, column, numbers)
    first = _first_epoch(epochs[is_given], options)
    words = words if number else repr(column)
    if first == 0 and is_given.any() and epochs[is_given].min() == 0:
        words += " + 1, as a row is of the end of its epoch"
    return Clock((epochs + 1 - first) * (number or 1), is_given, words, number or 1)


def _by_row(table: LogTable, options: ReadOptions, has_loss: np.ndarray, codes: np.ndarray) -> Clock:
    """Counts rows in place of steps, from 0 in every run; rows that are epochs from 1."""
    if not has_loss.all():
        row = int(np.argmin(has_loss))
        raise InputError(
            f"{table.where(row)}: there is no step, and rows without a loss, so the number of a "
            f"row is no step: give --step_column"
        )
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    steps = np.empty(len(codes), np.int64)
    steps[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    if not table.has_epochs:
        return Clock(steps, has_loss, f"the {table.row_word} number", options.steps_per_epoch)
    number = options.steps_per_epoch
    words = "the number of the epoch" if number is None else f"the number of the epoch × {number}"
    return Clock((steps + 1) * (number or 1), has_loss, words, number or 1)
