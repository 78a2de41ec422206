"""Measures all requested diagnostics of one run at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ...models import lowering
from ...models.initial import leaf_names
from ...tasks import Batch, Data, Task
from ..optimization import Hyperparams, hyperparams
from ..trainer import Keys, Trainer, TrainState
from .diagnostic import Diagnostic, Snapshot, Subject, Values
from .recording import Recording, record
from .registry import DIAGNOSTICS, WHOLE

# A measurement looks at this many steps ahead.
STEPS_AHEAD = 2


class Series(NamedTuple):
    """One measured value: the name of its series, and the layer or parameter array, empty for the whole network."""

    name: str
    layer: str


class DiagnosticSet(NamedTuple):
    """Measures one run; no function has a seed axis.

    `start` goes from the state at step 0 to the first memory, `measure` from (memory, state, hyperparams, data, draws
    of `STEPS_AHEAD` or more next steps) to (memory, values). `absent` names the series that this arm does not have.
    """

    start: Callable[[TrainState], Any]
    measure: Callable[[Any, TrainState, Hyperparams, Data, Any], tuple[Any, jax.Array]]
    series: tuple[Series, ...]
    absent: tuple[str, ...]


def make_diagnostic_set(
    trainer: Trainer, names: Sequence[str], data: Data, eval_every: int, every: int, options: Mapping[str, Any]
) -> DiagnosticSet:
    """Returns the named diagnostics; `eval_every` steps are drawn at once, and `every` lie between measurements.

    `options` has a value for each that the named diagnostics own.
    """
    subject, recording = _subject_of(trainer, data, every, options)
    asked = {name: DIAGNOSTICS.load(name).DIAGNOSTIC for name in names}
    chosen = {name: one for name, one in asked.items() if one.obstacle(subject) is None}

    def start(state: TrainState) -> Any:
        return {name: diagnostic.start(subject, state) for name, diagnostic in chosen.items()}

    def measured(memory: Any, *now: Any) -> tuple[Any, Values]:
        snapshot = _snapshot(trainer, recording, *now)
        kept, values = {}, {}
        for name, diagnostic in chosen.items():
            own, kept[name] = diagnostic.measure(subject, snapshot, memory[name])
            values.update(own)
        return kept, values

    state_shapes, numbers, draws = _shapes_of(trainer, data, eval_every)
    memory = jax.eval_shape(start, state_shapes)
    _, found = jax.eval_shape(measured, memory, state_shapes, numbers, data, draws)
    series = _series_of(subject, chosen.values(), found)
    absent = tuple(name for one in asked.values() for name in one.series if name not in found)

    def measure(memory: Any, state: TrainState, numbers: Hyperparams, data: Data, draws: Any) -> tuple[Any, jax.Array]:
        kept, values = measured(memory, state, numbers, data, draws)
        ordered = [jnp.asarray(values[name][layer], jnp.float32) for name, layer in series]
        return kept, jnp.stack(ordered) if ordered else jnp.zeros(0, jnp.float32)

    return DiagnosticSet(start, measure, series, absent)


def _snapshot(
    trainer: Trainer, recording: Recording, state: TrainState, numbers: Hyperparams, data: Data, draws: Any
) -> Snapshot:
    first = trainer.step(state, numbers, data, jax.tree.map(lambda leaf: leaf[0], draws))
    second = trainer.step(first.state, numbers, data, jax.tree.map(lambda leaf: leaf[1], draws))
    batch = _first_batch(trainer.task, data)
    outputs, entering = recording.run(state.params, state.model_state, batch.inputs)
    return Snapshot(state, numbers, first, second, batch, outputs, recording.read(entering))


def _series_of(subject: Subject, chosen: Iterable[Diagnostic], found: Values) -> tuple[Series, ...]:
    """Returns what was found, in the order of the diagnostics and then of the network."""
    ranks = {layer: i for i, layer in enumerate((WHOLE, *subject.leaf_names, *subject.layers))}
    return tuple(
        Series(name, layer)
        for diagnostic in chosen
        for name in diagnostic.series
        for layer in sorted(found.get(name, ()), key=ranks.__getitem__)
    )


def obstacles(trainer: Trainer, names: Sequence[str], data: Data, every: int) -> dict[str, str]:
    """Returns why some of the named diagnostics do not exist for a trainer's arm, by name."""
    subject, _ = _subject_of(trainer, data, every, {})
    reasons = {name: DIAGNOSTICS.load(name).DIAGNOSTIC.obstacle(subject) for name in names}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _shapes_of(trainer: Trainer, data: Data, eval_every: int) -> tuple[TrainState, Hyperparams, Any]:
    key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
    laws = jax.ShapeDtypeStruct((len(jax.tree.leaves(trainer.param_shapes)), 2), jnp.float32)
    numbers: Any = dict.fromkeys(hyperparams(trainer.arm), jax.ShapeDtypeStruct((), jnp.float32))
    state = jax.eval_shape(trainer.init, Keys(key, key, key), laws, numbers)
    return state, numbers, jax.eval_shape(lambda state, data: trainer.draw(state, data, eval_every), state, data)


def _subject_of(trainer: Trainer, data: Data, every: int, options: Mapping[str, Any]) -> tuple[Subject, Recording]:
    names = tuple(leaf_names(trainer.param_shapes))
    batch = jax.eval_shape(lambda data: _first_batch(trainer.task, data), data)
    recording = record(trainer.native_apply, names, trainer.param_shapes, trainer.state_shapes, batch.inputs)
    subject = Subject(
        arm=trainer.arm,
        task=trainer.task,
        apply=trainer.batch_apply,
        leaf_names=names,
        num_params=sum(leaf.size for leaf in jax.tree.leaves(trainer.param_shapes)),
        layers=recording.layers,
        data_layers=recording.data_layers,
        every=every,
        options=options,
    )
    return subject, recording._replace(run=lowering.lower(recording.run, trainer.form))


def _first_batch(task: Task, data: Data) -> Batch:
    return jax.tree.map(lambda leaf: leaf[0], task.evaluation(data)["loss"])
