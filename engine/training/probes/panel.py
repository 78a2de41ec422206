"""How the report shows what a diagnostic measures."""

from typing import Literal, NamedTuple


class Panel(NamedTuple):
    """One small figure: its series over the whole network, or layer by layer too; `dashed` names one of them.

    `what` says what it shows, `look_for` what to look for. `scale` is `log`, `linear` or `symlog` (both signs).
    `told`: the report says how the first series changes before the onset, in the `whole` network or in the `layer` in
    which it changes most.
    """

    title: str
    series: tuple[str, ...]
    scale: str
    what: str
    look_for: str
    is_by_layer: bool = False
    dashed: str | None = None
    told: Literal["whole", "layer"] | None = None
