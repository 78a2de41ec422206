"""Layers of a saturating non-linearity that hold the gradient back.

Definition: two hidden layers or more end in a logistic or a tanh that is no gate (it multiplies nothing that comes from
the inputs, as it does in swish, GELU and recurrent cells), and the gradient falls over the depth: of logistics, whose
slope is a quarter at most, to below a hundredth; of tanh alone, which is steep about 0, as far as `gradient_by_depth`
says, and a twentieth of the values of one layer are flat. Or above half of the values of one of them lie where the
slope is below 5 % of the steepest (|z| above 2.2 of a tanh, 4.4 of a logistic). All in the median over starts. Read
from the traced network, so non-linearities that are written by hand and those inside of loops are not seen. Two to six
layers of tanh at He's start have below 1 % of their values there on the digits. Sources: LeCun et al. (1998),
"Efficient BackProp"; Glorot and Bengio (2010). False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding
from .gradient_by_depth import LEAST, first_to_last
from .look import Look

_FEWEST, _SOME, _MOST = 2, 0.05, 0.5
_LEAST_OF_LOGISTICS = 1e-2
_NAMES = {"logistic": "sigmoid", "tanh": "tanh"}


def find(look: Look) -> Finding | None:
    """Finds a non-linearity that saturates, where it costs the gradient."""
    if len(look.saturating) < _FEWEST:
        return None
    ratio, shares = first_to_last(look), np.median(look.saturated, axis=0)
    has_logistic = "logistic" in look.saturating
    is_flat = has_logistic or np.max(shares) > _SOME
    if ratio is not None and ratio < (_LEAST_OF_LOGISTICS if has_logistic else LEAST) and is_flat:
        sentence = f"takes the gradient of the first weights down to {ratio:.1g} times that of the last"
    elif np.max(shares) > _MOST:
        sentence = (
            f"is flat for {100 * np.max(shares):.2g} % of the values in layer {int(np.argmax(shares)) + 1} of them"
        )
    else:
        return None
    names = " and ".join(sorted({_NAMES[name] for name in look.saturating}))
    return Finding(
        "saturating_layers",
        "sign",
        f"the activation, {names} in {len(look.saturating)} layers, {sentence}",
        "a rectifier in place of it (--activation=relu), or a smaller start and inputs of order one",
        causes.SATURATING,
    )
