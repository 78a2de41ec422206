"""How the report shows what a diagnostic measures."""

from typing import Literal, NamedTuple


class Panel(NamedTuple):
    """One small figure.

    Attributes:
        series: whose lines for the whole network are drawn in it.
        scale: `log`, `linear`, or `symlog`, which shows both signs.
        what: what it shows, in words.
        look_for: what to look for, in words.
        is_by_layer: whether the first series is also drawn layer by layer.
        dashed: the one of the series that is dashed.
        told: whether the report says how the first series changes before the onset: in the `whole` network, or in the
            `layer` in which it changes most.
    """

    title: str
    series: tuple[str, ...]
    scale: str
    what: str
    look_for: str
    is_by_layer: bool = False
    dashed: str | None = None
    told: Literal["whole", "layer"] | None = None
