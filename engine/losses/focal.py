"""`focal`: cross-entropy times (1 − p)^γ, p the share that the right class is given; Lin et al. (2017)."""

import jax
import jax.numpy as jnp

from ..arms.options import Option
from . import Loss, Options, Targets, most_likely_is_right, require_classes

OPTIONS = (Option("focal_gamma", float, 2.0, "how much less a right example counts", minimum=0, maximum=100),)


def make(targets: Targets, options: Options) -> Loss:
    """Returns the loss; raises InputError where the targets are values."""
    require_classes("focal", targets)

    def of_examples(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        log_shares = jax.nn.log_softmax(outputs)
        of_right = jnp.take_along_axis(log_shares, labels[:, None], axis=-1)[:, 0]
        # 1 − p without the loss of digits near 1; no power of 0, whose gradient is not finite.
        others = jnp.maximum(-jnp.expm1(of_right), jnp.finfo(outputs.dtype).tiny)
        return -(others ** options["focal_gamma"]) * of_right

    return Loss(of_examples, targets.num_outputs, most_likely_is_right)
