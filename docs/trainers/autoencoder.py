"""An autoencoder of one-hot words through a narrow layer of sigmoids, which first learns the mean word only."""

import jax
import jax.numpy as jnp
import optax
from plateau_engine import Training


def make_trainer(learning_rate, words=8, units=3):
    """Returns the training of an autoencoder on all words at once; the level is the variance of the words."""
    examples = jnp.eye(words)
    optimizer = optax.adam(learning_rate)

    def decode(params):
        hidden = jax.nn.sigmoid(examples @ params["encoder"] + params["hidden_bias"])
        return jax.nn.sigmoid(hidden @ params["decoder"] + params["bias"])

    def error(params):
        return jnp.mean((decode(params) - examples) ** 2)

    def init(key):
        of_encoder, of_decoder = jax.random.split(key)
        params = {
            "encoder": 0.01 * jax.random.normal(of_encoder, (words, units)),
            "decoder": 0.01 * jax.random.normal(of_decoder, (units, words)),
            "hidden_bias": jnp.zeros(units),
            "bias": jnp.zeros(words),
        }
        return params, optimizer.init(params)

    def step(state, key):
        params, moments = state
        loss, gradient = jax.value_and_grad(error)(params)
        updates, moments = optimizer.update(gradient, moments)
        return (optax.apply_updates(params, updates), moments), loss

    def evaluate(state):
        are_right = jnp.argmax(decode(state[0]), axis=1) == jnp.arange(words)
        return error(state[0]), jnp.mean(are_right)

    return Training(init, step, evaluate, chance_loss=(words - 1) / words**2)
