"""What to do about logs whose loss does not leave chance level."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..outcomes.steady import falls_steadily
from .logged_curves import LoggedCurve

_COMMAND = "plateau diagnose --workdir=runs/why"
_UNKNOWN = "…"
_FEWEST_POINTS = 5


def find_next_step(curves: Sequence[LoggedCurve], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the template of a command where most runs of a group are stuck; else nothing.

    A run counts whose status is that, with five points or more that do not fall steadily. The learning rate is the
    largest that the log of such a run holds, where that is the same for all of them.
    """
    stuck = [
        curve
        for curve, row in zip(curves, rows, strict=True)
        if row["status"] == "stuck"
        and len(row["steps"]) >= _FEWEST_POINTS
        and not falls_steadily(row["steps"], row["loss"], row["chance_loss"])
    ]
    if 2 * len(stuck) <= len(curves):
        return []
    rates = {_largest_rate(curve) for curve in stuck}
    rate = rates.pop() if len(rates) == 1 else _UNKNOWN
    return [
        "To find out why, diagnose a network and data that resemble yours: "
        f"{_COMMAND} --model={_UNKNOWN} --dataset_dir={_UNKNOWN} --learning_rate={rate} "
        "(--model is a network that `plateau list` names, or your own as path/to/file.py:NAME; --dataset_dir "
        "is where your data are)"
    ]


def _largest_rate(curve: LoggedCurve) -> str:
    rate = curve.others.get("learning_rate")
    return _UNKNOWN if rate is None or rate.values.max() <= 0 else f"{rate.values.max():.6g}"
