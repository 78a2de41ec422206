"""The loss of the best constant output, by minimisation in double precision."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from . import Loss, Targets

# Numbers of the targets of which a constant is sought; of more, evenly spread ones.
_MOST_NUMBERS = 2**22
_SWEEPS = 4
_FEW_OUTPUTS = 64
# A loss that changes so much with the last digits of a constant is made of rounding, such as 0 / 0.
_LAST_DIGITS, _MOST_CHANGE = 1e-9, 1e-3

Mean = Callable[[np.ndarray], float]


def best_constant(loss: Loss, targets: Targets) -> np.ndarray:
    """Returns the constant output `[num_outputs]` whose mean loss on the training targets is least.

    A quasi-Newton method goes down from several constants; then each output is searched by itself, because a loss with
    corners, as the absolute one, stops a gradient early.

    Raises InputError where no constant has a finite loss, or rounding alone decides which is best.
    """
    from scipy.optimize import minimize, minimize_scalar

    mean, slope = _functions(loss, targets)
    found = []
    for start in _starts(loss, targets):
        # Numbers overflow on the way to a loss without bound.
        with np.errstate(all="ignore"):
            method, accuracy = ("BFGS", {}) if loss.num_outputs <= _FEW_OUTPUTS else ("L-BFGS-B", {"ftol": 1e-14})
            options = {"gtol": 1e-10, "maxiter": 500, **accuracy}
            went = minimize(mean, start, jac=slope, method=method, options=options)
        found += [(value, at) for value, at in ((mean(start), start), (went.fun, went.x)) if np.isfinite(value)]
    if not found:
        raise InputError("no constant output has a finite loss: expected a loss that has")
    value, best = min(found, key=lambda pair: pair[0])
    for _ in range(_SWEEPS if loss.num_outputs <= _FEW_OUTPUTS else 0):
        before = value
        for i in range(loss.num_outputs):
            moved = lambda x, i=i, best=best: mean(np.concatenate([best[:i], [x], best[i + 1 :]]))  # noqa: E731
            along = minimize_scalar(moved, bracket=(best[i] - 0.1, best[i] + 0.1), options={"xtol": 1e-12})
            if along.fun < value:
                value, best = float(along.fun), np.concatenate([best[:i], [along.x], best[i + 1 :]])
        if before - value <= 1e-12 * abs(before):
            break
    around = [mean(best * (1 + _LAST_DIGITS) + side) for side in (-_LAST_DIGITS, _LAST_DIGITS)]
    if not all(abs(near - value) <= _MOST_CHANGE * abs(value) + _LAST_DIGITS for near in around):
        raise InputError("rounding decides which constant output is best: expected a loss that constants have")
    return best


def mean_loss(loss: Loss, constant: np.ndarray, targets: Targets) -> float:
    """Returns the mean loss of a constant output on targets, in double precision."""
    return _functions(loss, targets)[0](constant)


def _functions(loss: Loss, targets: Targets) -> tuple[Mean, Callable[[np.ndarray], np.ndarray]]:
    """Returns the mean loss of a constant, the same at every position of tokens, on targets, and its gradient."""
    positions = targets.array.shape[1:] if targets.are_tokens else ()
    if targets.are_classes:
        array, weights = np.arange(len(targets.shares)), targets.shares
        array, weights = array[weights > 0], weights[weights > 0]
    else:
        size = targets.array.shape[1] * (loss.num_outputs if targets.are_tokens else 1)
        most = max(1, _MOST_NUMBERS // size)
        rows = np.unique(np.linspace(0, len(targets.array) - 1, min(len(targets.array), most)).round().astype(int))
        array, weights = targets.array[rows], np.full(len(rows), 1 / len(rows))

    def mean(constant: jax.Array, array: jax.Array, weights: jax.Array) -> jax.Array:
        outputs = jnp.broadcast_to(constant, (len(array), *positions, loss.num_outputs))
        return jnp.sum(weights * loss.of_examples(outputs, array))

    value, gradient = jax.jit(mean), jax.jit(jax.grad(mean))

    def in_double(function: Callable[..., jax.Array], constant: np.ndarray) -> np.ndarray:
        cpu = jax.local_devices(backend="cpu")[0]
        with jax.enable_x64(True), jax.default_device(cpu):
            labels = array.astype(np.int32) if targets.are_classes or targets.are_tokens else array.astype(np.float64)
            return np.asarray(function(np.asarray(constant, np.float64), labels, weights), np.float64)

    return lambda constant: float(in_double(value, constant)), lambda constant: in_double(gradient, constant)


def _starts(loss: Loss, targets: Targets) -> list[np.ndarray]:
    """Returns constants near which the best one may be."""
    starts: list[np.ndarray] = [np.zeros(loss.num_outputs)]
    if targets.are_tokens:
        is_of_all = loss.num_outputs == targets.num_outputs
        return [*starts, np.log(np.maximum(targets.shares, 1e-9))] if is_of_all else starts
    if not targets.are_classes and loss.num_outputs == targets.array.shape[1]:
        values = targets.array.astype(np.float64)
        starts += [values.mean(axis=0), np.median(values, axis=0)]
    elif targets.are_classes and loss.num_outputs == targets.num_outputs:
        # All for the most frequent class is where a loss with corners may be least.
        one = np.arange(loss.num_outputs) == np.argmax(targets.shares)
        starts += [np.log(np.maximum(targets.shares, 1e-9)), one.astype(np.float64)]
    return starts
