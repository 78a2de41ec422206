"""Whether successive updates go the same way.

Definition: cos = ⟨u_t, u_{t+1}⟩ / (‖u_t‖·‖u_{t+1}‖) of the two updates that are taken next.
Independent gradients of the same size give 0 on average under plain SGD, and β under momentum β,
whose updates share most of their gradients; where the noise is alike in all of n parameters, up to
about 1/√n. Above that the run is going somewhere, below it goes to and fro.

Source: textbook.

Cost: two steps, about 6 forward passes of a mini-batch, of which others share the first.
"""

from typing import Any

from engine.training.probes.diagnostic import Diagnostic, Snapshot, Subject, Values
from engine.training.probes.registry import WHOLE
from engine.training.probes.vectors import inner, unit

COSINE = "update_cosine"


def _measure(subject: Subject, snapshot: Snapshot, memory: Any) -> tuple[Values, Any]:
    cosine = inner(unit(snapshot.first.updates), unit(snapshot.second.updates))
    return {COSINE: {WHOLE: cosine}}, memory


DIAGNOSTIC = Diagnostic(series=(COSINE,), measure=_measure)
