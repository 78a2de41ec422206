"""A tabular policy gradient (REINFORCE): a corridor whose only reward lies at its end.

An agent that tosses coins seldom arrives, so that there is nothing to learn from; what it waits for is luck.
"""

import jax
import jax.numpy as jnp
from plateau_engine import Training


def make_trainer(learning_rate, length=8, episodes=8):
    """Returns the training of a policy; the loss is the probability that an agent does not arrive in time."""
    patience = 2 * length

    def walk(logits, key):
        """Plays one episode; returns the log-probability of what was done, and whether it arrived."""

        def move(carry, key):
            place, log_prob = carry
            is_right = jax.random.bernoulli(key, jax.nn.sigmoid(logits[place]))
            has_arrived = place == length - 1
            log_prob += jnp.where(has_arrived, 0.0, jax.nn.log_sigmoid(jnp.where(is_right, 1, -1) * logits[place]))
            place = jnp.where(has_arrived, place, jnp.clip(place + jnp.where(is_right, 1, -1), 0, length - 1))
            return (place, log_prob), None

        (place, log_prob), _ = jax.lax.scan(move, (0, 0.0), jax.random.split(key, patience))
        return log_prob, place == length - 1

    def failure(logits):
        """Returns the probability not to arrive in time, computed, not sampled."""
        right = jax.nn.sigmoid(logits)

        def move(shares, _):
            kept = shares.at[-1].set(0.0)
            to_right, to_left = kept * right, kept * (1 - right)
            moved = jnp.zeros(length).at[1:].add(to_right[:-1]).at[:-1].add(to_left[1:]).at[0].add(to_left[0])
            return moved.at[-1].add(shares[-1]), None

        shares, _ = jax.lax.scan(move, jnp.zeros(length).at[0].set(1.0), None, length=patience)
        return 1.0 - shares[-1]

    def init(key):
        return 0.1 * jax.random.normal(key, (length,)) - 1.0

    def step(logits, key):
        def objective(logits):
            log_probs, arrived = jax.vmap(lambda key: walk(logits, key))(jax.random.split(key, episodes))
            return -jnp.mean(log_probs * arrived), 1.0 - jnp.mean(arrived)

        gradient, loss = jax.grad(objective, has_aux=True)(logits)
        return logits - learning_rate * gradient, loss

    return Training(init, step, failure)
