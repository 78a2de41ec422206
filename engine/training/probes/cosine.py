"""Tells whether successive updates go the same way.

Definition: cos = ⟨u_t, u_{t+1}⟩ / (‖u_t‖·‖u_{t+1}‖) of the next two updates. Independent gradients of equal size give 0
on average under plain SGD, and β under momentum β, whose updates share most of their gradients; noise of equal size in
all n parameters scatters this by about 1/√n. Above that the run is going somewhere, below it goes to and fro.

Source: textbook.
Cost: two steps, about 6 forward passes of a mini-batch; the first step is shared.
"""

from .diagnostic import WHOLE, Diagnostic, Memory, Panel, Snapshot, Subject, Values
from .vectors import inner, unit

COSINE = "update_cosine"


def _measure(subject: Subject, snapshot: Snapshot, memory: Memory) -> tuple[Values, Memory]:
    cosine = inner(unit(snapshot.first.updates), unit(snapshot.second.updates))
    return {COSINE: {WHOLE: cosine}}, memory


_PANEL = Panel(
    "cosine of updates", (COSINE,), "linear",
    "cosine of two successive updates",
    "above the momentum (0.9 for Adam as it is): going somewhere; near it: noise; below it: to and fro",
)  # fmt: skip
DIAGNOSTIC = Diagnostic({COSINE: "the cosine of successive updates"}, _measure, (_PANEL,))
