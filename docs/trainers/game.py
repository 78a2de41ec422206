"""A game of two players: a generator imitates numbers near −2 and 2, and a critic tells them from its own."""

import jax
import jax.numpy as jnp
import optax
from plateau_engine import Training


def make_trainer(learning_rate, batch_size, spread=0.2):
    """Returns the training of both players; what waits is the distance between the two distributions.

    That is the mean distance of their quantiles, which is 2 for the best that a generator without imagination can do:
    the same number each time.
    """
    optimizer = optax.sgd(learning_rate)

    def real(uniform):
        """Turns numbers between 0 and 1 into real ones, in their order."""
        is_upper = uniform > 0.5
        within = jnp.clip(2 * (uniform - 0.5 * is_upper), 1e-3, 1 - 1e-3)
        return jnp.where(is_upper, 2.0, -2.0) + spread * jax.scipy.stats.norm.ppf(within)

    def play(params, numbers):
        hidden = jnp.tanh(numbers[:, None] * params["first"] + params["bias"])
        return jnp.tanh(hidden @ params["middle"]) @ params["last"]

    def players(key):
        def player(key):
            first, middle, last = jax.random.split(key, 3)
            return {
                "first": jax.random.normal(first, (32,)),
                "bias": jnp.zeros(32),
                "middle": 0.05 * jax.random.normal(middle, (32, 32)),
                "last": 0.02 * jax.random.normal(last, (32,)),
            }

        return tuple(player(key) for key in jax.random.split(key))

    def init(key):
        both = players(key)
        return both, tuple(optimizer.init(params) for params in both)

    def critic_loss(critic, generator, noise, numbers):
        return jnp.mean(jax.nn.softplus(-play(critic, numbers)) + jax.nn.softplus(play(critic, play(generator, noise))))

    def generator_loss(generator, critic, noise):
        return jnp.mean(jax.nn.softplus(-play(critic, play(generator, noise))))

    def step(state, key):
        (generator, critic), (of_generator, of_critic) = state
        of_noise, of_numbers = jax.random.split(key)
        noise, numbers = jax.random.normal(of_noise, (batch_size,)), real(jax.random.uniform(of_numbers, (batch_size,)))
        gradient = jax.grad(critic_loss)(critic, generator, noise, numbers)
        updates, of_critic = optimizer.update(gradient, of_critic)
        critic = optax.apply_updates(critic, updates)
        loss, gradient = jax.value_and_grad(generator_loss)(generator, critic, noise)
        updates, of_generator = optimizer.update(gradient, of_generator)
        return ((optax.apply_updates(generator, updates), critic), (of_generator, of_critic)), loss

    def evaluate(state):
        uniform = (jnp.arange(512) + 0.5) / 512
        made = jnp.sort(play(state[0][0], jax.scipy.stats.norm.ppf(uniform)))
        return jnp.mean(jnp.abs(made - real(uniform)))

    return Training(init, step, evaluate, chance_loss=2.0)
