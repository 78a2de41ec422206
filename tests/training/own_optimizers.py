"""Optimisers of the user's own."""

import optax


def chained(learning_rate, size=1.0, every=1):
    """Clips, decays, and gathers gradients."""
    steps = optax.chain(optax.clip_by_global_norm(size), optax.add_decayed_weights(0.01), optax.adam(learning_rate))
    return optax.MultiSteps(steps, every).gradient_transformation() if every > 1 else steps


def patient(learning_rate):
    """Halves the rate whenever the loss of the batch has not fallen for two steps."""
    waiting = optax.contrib.reduce_on_plateau(factor=0.5, patience=2, accumulation_size=1)
    return optax.chain(optax.sgd(learning_rate), waiting)


def patient_in_twos(learning_rate):
    return optax.MultiSteps(patient(learning_rate), 2).gradient_transformation()


def no_transformation(learning_rate):
    return learning_rate


def deciding(learning_rate):
    return optax.sgd(learning_rate if learning_rate > 1e-3 else 1e-3)


def raising(learning_rate):
    raise KeyError("pear")


number = 3
