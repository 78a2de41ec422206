"""How far apart the network's outputs are for different examples.

Definition: √(mean_k var_e f_k(x_e)) over the examples e of the first evaluation batch and the
outputs k: the standard deviation of a logit over inputs. 0 is a network that answers everything
with the same; on a plateau at chance the loss cannot fall before this grows.

Source: textbook.

Cost: one forward pass of an evaluation batch, which others share.
"""

from typing import Any

from engine.training.probes.diagnostic import Diagnostic, Snapshot, Subject, Values
from engine.training.probes.registry import WHOLE
from engine.training.probes.spread import deviation

SPREAD = "output_spread"


def _measure(subject: Subject, snapshot: Snapshot, memory: Any) -> tuple[Values, Any]:
    return {SPREAD: {WHOLE: deviation(snapshot.outputs)}}, memory


DIAGNOSTIC = Diagnostic(series=(SPREAD,), measure=_measure)
