"""Measures how far apart the network's outputs are for different examples.

Definition: √(mean_k var_e f_k(x_e)) over the examples e of the first evaluation batch and the outputs k: the standard
deviation of a logit over inputs. At 0 the network answers everything alike; the loss cannot leave chance before this
grows.

Source: textbook.
Cost: one forward pass of an evaluation batch, which is shared.
"""

from .diagnostic import WHOLE, Diagnostic, Memory, Panel, Snapshot, Subject, Values
from .spread import deviation

SPREAD = "output_spread"


def _measure(subject: Subject, snapshot: Snapshot, memory: Memory) -> tuple[Values, Memory]:
    return {SPREAD: {WHOLE: deviation(snapshot.outputs)}}, memory


_PANEL = Panel(
    "spread of outputs", (SPREAD,), "log",
    "standard deviation over examples of the outputs",
    "the loss cannot leave chance before this has grown",
    told="whole",
)  # fmt: skip
DIAGNOSTIC = Diagnostic({SPREAD: "the spread of the outputs"}, _measure, (_PANEL,))
