"""A Keras 3 model or layer as pure functions, on the backend JAX."""

import contextlib
import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import InputError
from ...tasks.parts import apart
from ..model import Mode, Model, model_of, parameter_names, switches
from ..variables import in_order, nested

# Layers that normalise over the batch are told to do so while a model is traced.
_TRACING = threading.RLock()


def adapt(make: Callable[[], Any], example_shape: tuple[int, ...]) -> Model:
    """Returns the pure functions of the models that `make` makes: functional, sequential, or of a class.

    `training` tells training from evaluation; with batch statistics, evaluation tells `BatchNormalization` to use the
    batch where it would in training. Weights that are not trained are state. Random generators follow from the run's
    noise.

    What layers add to the loss is added in training.

    Raises InputError where Keras has another backend than JAX.
    """
    _check_backend()
    network = _Network(make, example_shape)
    model = model_of(network.init, network.run)._replace(written=network.written, library="Keras")
    return model._replace(penalty=network.penalty) if network.has_penalty else model


def _check_backend() -> None:
    import keras

    if keras.backend.backend() != "jax":
        raise InputError(
            f"Keras computes with {keras.backend.backend()} here: expected its backend jax, which KERAS_BACKEND=jax "
            f"chooses"
        )


class _Network:
    """A model that is traced, and what makes others like it; names are those of its variables."""

    def __init__(self, make: Callable[[], Any], example_shape: tuple[int, ...]) -> None:
        self._make, self._example_shape = make, example_shape
        self._model = self._made(0)
        # What is kept of a model besides what is trained: no generators, and nothing of metrics.
        self._others = list(self._model.non_trainable_weights)
        again = self._made(0)
        self._trained_names = _names(self._model.trainable_variables, again.trainable_variables)
        self._other_names = _names(self._others, again.non_trainable_weights)
        self._switches = [name for name in parameter_names(self._model.call) if name != "training"]
        self._start = self._parts(self._model)

    @property
    def has_penalty(self) -> bool:
        """Whether layers add to the loss in training."""
        params, state = self._start
        inputs = np.zeros((2, *self._example_shape), np.float32)
        return bool(self._called("train", params, state, inputs, jax.random.key(0, impl="threefry2x32"))[2])

    def init(self, key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        return jax.tree.map(jnp.asarray, self._start)

    def written(self, seed: int) -> tuple[Any, Any]:
        return self._parts(self._made(seed))

    def run(self, mode: Mode, params: Any, state: Any, inputs: jax.Array, key: jax.Array) -> tuple[jax.Array, Any]:
        outputs, new_state, _ = self._called(mode, params, state, inputs, key)
        return outputs, new_state

    def penalty(self, params: Any, state: Any, inputs: jax.Array, key: jax.Array) -> jax.Array:
        """Returns what layers add to the loss in training."""
        return jnp.sum(jnp.stack([jnp.sum(loss) for loss in self._called("train", params, state, inputs, key)[2]]))

    def _called(
        self, mode: Mode, params: Any, state: Any, inputs: Any, key: jax.Array
    ) -> tuple[jax.Array, Any, list[jax.Array]]:
        """Returns outputs, new state, and what layers add to the loss."""
        import keras

        untrained = self._model.non_trainable_variables
        kept = dict(zip(map(id, self._others), in_order(state, self._other_names, "/"), strict=True))
        values = [
            jax.random.key_data(jax.random.fold_in(key, i)) if _is_generator(v) else kept.get(id(v), v.value)
            for i, v in enumerate(untrained)
        ]
        pairs = [*zip(self._model.trainable_variables, in_order(params, self._trained_names, "/"), strict=True)]
        pairs += zip(untrained, values, strict=True)
        over_batch = _over_batch() if mode == "batch" else contextlib.nullcontext()
        with _TRACING, over_batch, keras.StatelessScope(state_mapping=pairs, collect_losses=True) as scope:
            given = apart(self._example_shape, inputs)
            outputs = self._model(given, training=mode == "train", **switches(self._switches, mode))
            added = list(self._model.losses)
            new = [scope.get_current_value(v) for v in self._others]
        return outputs, _nested(self._other_names, new), added

    def _parts(self, model: Any) -> tuple[Any, Any]:
        pairs = (self._trained_names, model.trainable_variables), (self._other_names, model.non_trainable_weights)
        trained, others = (_nested(names, list(map(np.asarray, variables))) for names, variables in pairs)
        return trained, others

    def _made(self, seed: int) -> Any:
        """Makes and builds a model as after `keras.utils.set_random_seed(seed)`; generators stay as they were."""
        import keras

        states = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            keras.utils.set_random_seed(seed)
            model = self._make()
            if not model.built:
                model(apart(self._example_shape, np.zeros((1, *self._example_shape), np.float32)))
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
        return model


def _nested(names: Sequence[str], values: Sequence[Any]) -> Any:
    return nested(dict(zip(names, values, strict=True)), "/")


def _is_generator(variable: Any) -> bool:
    return variable.path.endswith("seed_generator_state")


def _names(variables: Sequence[Any], again: Sequence[Any]) -> list[str]:
    """Returns the paths of variables, without the numbers that Keras counts on from one model to the next.

    Parts of a path are numbered anew where they are another in the model that was made `again`.
    """
    found: list[str] = []
    seen: dict[tuple[str, str], dict[str, int]] = {}
    for variable, other in zip(variables, again, strict=True):
        parts: list[str] = []
        for part, new in zip(variable.path.split("/"), other.path.split("/"), strict=True):
            if part != new:
                stem = re.sub(r"_\d+$", "", part)
                numbers = seen.setdefault(("/".join(parts), stem), {})
                number = numbers.setdefault(part, len(numbers))
                part = f"{stem}_{number}" if number else stem
            parts.append(part)
        found.append("/".join(parts))
    # Keras lets two variables have one path.
    counts: dict[str, int] = {}
    for i, name in enumerate(found):
        counts[name] = counts.get(name, 0) + 1
        found[i] = name if counts[name] == 1 else f"{name}_{counts[name] - 1}"
    # The first part is the name of the model, where all have it.
    if len({name.partition("/")[0] for name in found}) == 1 and all("/" in name for name in found):
        found = [name.partition("/")[2] for name in found]
    return found


@contextlib.contextmanager
def _over_batch() -> Iterator[None]:
    """Lets layers that normalise over the batch do so as in training, as long as the block lasts."""
    import keras

    layer = keras.layers.BatchNormalization
    as_written = layer.call

    def call(self: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return as_written(self, inputs, training=True, mask=mask)

    layer.call = call
    try:
        yield
    finally:
        layer.call = as_written
