"""At which step each row of a log was written, and what a step is."""

from typing import NamedTuple

import numpy as np

from engine.errors import InputError
from engine.logs.log_table import Numbers, Table, numbers_of
from engine.logs.options import ReadOptions
from engine.logs.roles import Roles

_MAX_STEP = 2**31
_ROUNDING = 1e-6


class Clock(NamedTuple):
    """The step of every row, and what a step is.

    Attributes:
        steps: whole numbers, `[num_rows]`.
        is_given: whether a row says when it was, `[num_rows]`.
        words: where steps come from, for people.
        steps_per_epoch: 1 where a step is an epoch; `None` where nothing is known of epochs.
    """

    steps: np.ndarray
    is_given: np.ndarray
    words: str
    steps_per_epoch: int | None


def find_clock(table: Table, roles: Roles, options: ReadOptions, has_loss: np.ndarray, codes: np.ndarray) -> Clock:
    """The step of every row.

    Args:
        table: of a log.
        roles: of its columns.
        options: what is known about it.
        has_loss: which rows hold a loss, `[num_rows]`.
        codes: the number of each row's run, `[num_rows]`.

    Raises:
        InputError: a step is no whole number in range, or nothing says which step a row is.
    """
    if roles.step:
        numbers = numbers_of(table, roles.step)
        is_used = numbers.is_given
        steps = _whole(table, roles.step, numbers, is_used)
        if roles.epoch and _counts_within_epochs(steps, table, roles, is_used):
            return _within_epochs(table, roles, options, steps, is_used)
        return Clock(steps, is_used, repr(roles.step), options.steps_per_epoch)
    if roles.epoch:
        return _by_epoch(table, roles, options)
    return _by_row(table, options, has_loss, codes)


def _whole(table: Table, name: str, numbers: Numbers, is_used: np.ndarray) -> np.ndarray:
    """A column of whole numbers from 0 on.

    Raises:
        InputError: one of those that are used is none.
    """
    values = np.where(is_used, numbers.values, 0.0)
    rounded = np.round(values)
    with np.errstate(invalid="ignore"):
        is_right = (np.abs(values - rounded) < _ROUNDING) & (rounded >= 0) & (rounded <= _MAX_STEP)
    if not is_right.all():
        row = int(np.argmin(is_right))
        raise InputError(
            f"{table.where(row)}: {name!r} is {values[row]:g}: expected a whole number of steps "
            f"from 0 to {_MAX_STEP}; another column may be the step: --step_column"
        )
    return rounded.astype(np.int64)


def _counts_within_epochs(steps: np.ndarray, table: Table, roles: Roles, is_used: np.ndarray) -> bool:
    """Whether the step begins anew with most epochs."""
    epochs = numbers_of(table, roles.epoch)
    chosen = is_used & epochs.is_given
    is_drop = np.diff(steps[chosen]) < 0
    is_next = np.diff(epochs.values[chosen]) > 0
    return bool(is_drop.any()) and 2 * int(np.sum(is_drop & is_next)) > int(is_drop.sum())


def _within_epochs(table: Table, roles: Roles, options: ReadOptions, steps: np.ndarray, is_used: np.ndarray) -> Clock:
    number = options.steps_per_epoch
    if number is None:
        largest = int(steps[is_used].max())
        guess = largest + int(steps[is_used].min() == 0)
        raise InputError(
            f"{table.source}: {roles.step!r} begins anew with every {roles.epoch!r}: give "
            f"--steps_per_epoch (the largest is {largest}: perhaps {guess})"
        )
    epochs = numbers_of(table, roles.epoch)
    is_used = is_used & epochs.is_given
    past = _whole(table, roles.epoch, epochs, is_used)
    past -= _first_epoch(past[is_used], options)
    words = f"{roles.epoch!r} × {number} + {roles.step!r}"
    return Clock(np.maximum(past, 0) * number + steps, is_used, words, number)


def _first_epoch(epochs: np.ndarray, options: ReadOptions) -> int:
    """What the log calls its first epoch."""
    if options.first_epoch is not None:
        return options.first_epoch
    return 0 if len(epochs) and epochs.min() == 0 else 1


def _by_epoch(table: Table, roles: Roles, options: ReadOptions) -> Clock:
    """Steps of a log that only has epochs: a row is written at the end of its epoch."""
    numbers = numbers_of(table, roles.epoch)
    is_used = numbers.is_given
    values = np.where(is_used, numbers.values, 0.0)
    number = options.steps_per_epoch
    if np.any(np.abs(values - np.round(values)) > _ROUNDING):
        if number is None:
            raise InputError(
                f"{table.source}: {roles.epoch!r} is not whole, and there is no step: give --steps_per_epoch"
            )
        scaled = Numbers(np.round(values * number), is_used)
        steps = _whole(table, roles.epoch, scaled, is_used)
        return Clock(steps, is_used, f"{roles.epoch!r} × {number}", number)
    epochs = _whole(table, roles.epoch, numbers, is_used)
    done = epochs + 1 - _first_epoch(epochs[is_used], options)
    words = repr(roles.epoch) if number is None else f"{roles.epoch!r} × {number}"
    if len(done[is_used]) and epochs[is_used].min() == 0 and done[is_used].min() == 1:
        words += " + 1, as a row is of the end of its epoch"
    return Clock(done * (number or 1), is_used, words, number or 1)


def _by_row(table: Table, options: ReadOptions, has_loss: np.ndarray, codes: np.ndarray) -> Clock:
    """Row numbers in place of steps, counted from 0 in every run; of epochs, from 1."""
    if not has_loss.all():
        row = int(np.argmin(has_loss))
        raise InputError(
            f"{table.where(row)}: there is no step, and rows without a loss, so the number of a "
            f"row is no step: give --step_column"
        )
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    steps = np.empty(len(codes), np.int64)
    steps[order] = np.arange(len(codes)) - np.repeat(starts, counts)
    if not table.has_epochs:
        return Clock(steps, has_loss, f"the {table.row_word} number", options.steps_per_epoch)
    number = options.steps_per_epoch
    words = "the number of the epoch" if number is None else f"the number of the epoch × {number}"
    return Clock((steps + 1) * (number or 1), has_loss, words, number or 1)
