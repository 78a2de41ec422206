"""What a log shows of a run by itself: for each sign a module that defines it, and says why its threshold is there.

To add one, write a module with `find(run)`, which returns what is seen as a sentence or more without the first capital,
or `None`; then name it in `SIGNS`.
"""

from collections.abc import Mapping, Sequence

from ...registry import Registry
from ..logged_curves import LoggedCurve
from .logged_run import LoggedRun

SIGNS = Registry(
    "sign",
    {
        "not_finite": ".logs.signs.not_finite",
        "at_chance": ".logs.signs.at_chance",
        "above_chance": ".logs.signs.above_chance",
        "learning_rate": ".logs.signs.learning_rate",
        "held_out": ".logs.signs.held_out",
    },
)


def find_signs(arms: Mapping[str, Sequence[LoggedCurve]], chance_loss: float, steps_per_epoch: int | None) -> list[str]:
    """Returns what is seen in the curves of each arm; where several runs show the same, the words are of the first."""
    signs = []
    for arm, curves in arms.items():
        for name in SIGNS:
            find = SIGNS.load(name).find
            seen = [(curve.run, find(LoggedRun(curve, chance_loss, steps_per_epoch))) for curve in curves]
            found = [(run, words) for run, words in seen if words is not None]
            if found:
                run, words = found[0]
                where = [f"“{arm}”"] * (len(arms) > 1)
                if len(curves) > 1:
                    example = f", for example “{run}”" if len(found) > 1 else f" (“{run}”)"
                    where.append(f"{len(found)} of {len(curves)} runs{example}")
                line = f"{', '.join(where)}: {words}" if where else words
                signs.append(line[0].upper() + line[1:])
    return signs
