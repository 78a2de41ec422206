"""The ways of training that are compared: each as a function that takes some steps."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.library_rows import library_rows
from benchmarks.torch_rows import torch_rows
from benchmarks.workloads import (
    LEARNING_RATE,
    NUM_CLASSES,
    STEPS,
    Prepared,
    Row,
    Workload,
    examples,
    fills_core,
    flax_network,
)

# The widest that fits is measured.
_ACCELERATOR_WIDTHS = (1024, 256, 64)


def _loss_fn(apply: Callable[..., Any], variables: Any) -> Callable[..., Any]:
    import optax

    def loss(params: Any, images: Any, labels: Any) -> Any:
        rest = {name: value for name, value in variables.items() if name != "params"}
        logits = apply({"params": params, **rest}, images, mutable=list(rest))[0]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return loss


def _flax(workload: Workload, num_seeds: int, how: str) -> Prepared:
    """Plain Flax and optax: seeds under `vmap`, `lax.map`, or one alone."""
    import jax
    import jax.numpy as jnp
    import optax
    from jax import lax

    network = flax_network(workload)
    images, labels = (jnp.asarray(a) for a in examples(workload))
    variables = dict(network.init(jax.random.key(0), images[:1]))
    keys = jax.random.split(jax.random.key(1), num_seeds)
    init = jax.jit(lambda key: network.init(key, images[:1])["params"])
    params = jax.tree.map(lambda *a: jnp.stack(a), *[init(key) for key in keys])
    optimizer = optax.adam(LEARNING_RATE)
    loss = _loss_fn(network.apply, variables)
    num_steps = 1 if workload.size > 8 else STEPS
    rows = jnp.arange(num_steps * workload.batch_size).reshape(num_steps, -1)

    def train(params: Any, images: Any, labels: Any) -> Any:
        def step(carry: Any, rows: Any) -> tuple[Any, Any]:
            params, state = carry
            value, grads = jax.value_and_grad(loss)(params, images[rows], labels[rows])
            updates, state = optimizer.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), value

        return lax.scan(step, (params, optimizer.init(params)), rows)

    if how == "vmap":
        program: Callable[..., Any] = jax.vmap(train, (0, None, None))
    elif how == "map":
        program = lambda p, x, y: lax.map(lambda one: train(one, x, y), p)  # noqa: E731
    else:
        program = train
        params = jax.tree.map(lambda a: a[0], params)
        num_seeds = 1
    started = time.perf_counter()
    compiled = jax.jit(program).lower(params, images, labels).compile()
    seconds = time.perf_counter() - started
    memory = compiled.memory_analysis()

    def advance() -> None:
        jax.block_until_ready(compiled(params, images, labels))

    return Prepared(advance, num_seeds * num_steps, seconds, memory.temp_size_in_bytes / num_seeds if memory else None)


def engine_pool(
    workload: Workload, width: int, form: str | None = None, reference: str | None = None, **arm_fields: Any
) -> Any:
    """The engine's own pool of lanes for a workload's network, unchanged."""
    import jax
    import jax.numpy as jnp

    from engine.arms.arm import Arm
    from engine.lanes.pool import LanePool
    from engine.lanes.spec import PoolSpec, block_of
    from engine.models import Model, make_model
    from engine.models.lowering import default_form
    from engine.outcomes import DetectorSettings
    from engine.studies.study import resolve_arm
    from engine.tasks.passes import classification_task
    from engine.training.trainer import Trainer
    from engine.workers.devices import configure_backend

    configure_backend(None)
    network = flax_network(workload)
    images, labels = examples(workload)
    data = {"inputs": images, "labels": labels}
    for name in ("loss", "held_out"):
        data[f"{name}_inputs"] = images[None, : workload.batch_size]
        data[f"{name}_labels"] = labels[None, : workload.batch_size]
    task = classification_task(data, workload.batch_size)

    def init(key: Any, inputs: Any) -> tuple[Any, Any]:
        state = dict(network.init(key, inputs))
        return state.pop("params"), state

    def apply(params: Any, state: Any, inputs: Any) -> tuple[Any, Any]:
        outputs, new = network.apply({"params": params, **state}, inputs, mutable=list(state))
        return outputs, dict(new)

    def train_apply(params: Any, state: Any, inputs: Any, key: Any) -> tuple[Any, Any]:
        return apply(params, state, inputs)

    model = Model(
        init=init,
        train_apply=train_apply,
        quiet_apply=train_apply,
        batch_apply=lambda params, state, inputs: apply(params, state, inputs)[0],
        average_apply=lambda params, state, inputs: apply(params, state, inputs)[0],
    )
    fields = {
        "model": reference or ("cnn8" if fills_core(workload) else "mlp"),
        "learning_rate": LEARNING_RATE,
        "batch_size": workload.batch_size,
        "init": "he",
        **arm_fields,
    }
    arm = resolve_arm(Arm(**fields))
    if reference is not None:
        model = make_model(arm, task.example_shape, task.num_outputs)
    platform = jax.default_backend()
    form = form or default_form(platform)
    block = block_of(platform, fills_core(workload), width)
    spec = PoolSpec(arm, data, 0, width, block, form, STEPS, DetectorSettings())
    assert int(jnp.max(jnp.asarray(labels))) < NUM_CLASSES
    return LanePool(spec, Trainer(arm, task, model, form))


def fill_pool(pool: Any, width: int) -> None:
    """Starts runs without end in all lanes."""
    from engine.lanes.runs import Run

    runs = [Run.of_seed("a", pool.spec.arm, i, 2**20 * STEPS) for i in range(width)]
    pool.fill(runs)


def width_on_cpu(workload: Workload) -> int:
    """Returns the lanes of a worker."""
    return 1 if fills_core(workload) else 8


def _engine(workload: Workload) -> Prepared:
    import jax

    if jax.default_backend() == "cpu":
        return prepare_engine(workload, width_on_cpu(workload))
    for width in _ACCELERATOR_WIDTHS:
        try:
            prepared = prepare_engine(workload, width)
            prepared.advance()
            return prepared
        except Exception as error:  # memory runs out in many ways
            reason = error
    raise reason


def prepare_engine(workload: Workload, width: int, form: str | None = None, model: str | None = None) -> Prepared:
    """The engine, with a number of lanes; a call is a chunk.

    Args:
        workload: what to train.
        width: number of lanes.
        form: of the convolutions; by default that of the kind of device.
        model: reference to a network of another library, in place of the one in Flax.
    """
    from engine.lanes.programs import SEGMENTS_PER_CHUNK

    started = time.perf_counter()
    pool = engine_pool(workload, width, form, model)
    seconds = time.perf_counter() - started
    fill_pool(pool, width)

    def advance() -> None:
        pool.advance()
        pool.collect(pool.harvest())

    steps = width * SEGMENTS_PER_CHUNK * STEPS
    return Prepared(advance, steps, seconds, pool.bytes_needed / width)


def _peak(workload: Workload) -> Prepared:
    """Products of 1,024 × 1,024 matrices; a "step" is one of them."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    jax.config.update("jax_default_matmul_precision", "float32")
    a = jnp.asarray(np.random.default_rng(0).normal(size=(1024, 1024)) / 32, jnp.float32)
    program = jax.jit(lambda a: lax.fori_loop(0, 10, lambda i, b: a @ b, a))

    def advance() -> None:
        jax.block_until_ready(program(a))

    return Prepared(advance, 10)


ENGINE = "the engine, one worker per core"
PEAK = "matrix products (peak)"
FLAX_VMAP = "Flax nn.Conv under vmap"
ROWS: dict[str, Row] = {
    PEAK: Row(_peak, True),
    ENGINE: Row(_engine, True),
    FLAX_VMAP: Row(lambda w: _flax(w, w.num_seeds, "vmap"), False),
    "Flax, one seed, scan": Row(lambda w: _flax(w, 1, "scan"), False),
    "Flax, seeds by lax.map": Row(lambda w: _flax(w, w.num_seeds, "map"), False),
    **torch_rows(),
    **library_rows(),
}


def losses(workload: Workload, form: str, learning_rate: float = LEARNING_RATE, num_steps: int = 100) -> np.ndarray:
    """Mini-batch losses of some seeds in a form, shape `[num_seeds, num_steps]`.

    One seed of the large workloads, whose native form takes seconds a step.
    """
    from engine.lanes.runs import Run

    num_seeds = 1 if workload.size > 8 else 12
    pool = engine_pool(workload, num_seeds, form, learning_rate=learning_rate)
    horizon = -(-num_steps // STEPS) * STEPS
    pool.fill([Run.of_seed("a", pool.spec.arm, i, horizon) for i in range(num_seeds)])
    finished = []
    while pool.num_busy:
        pool.advance()
        finished += pool.collect(pool.harvest())[1]
    ordered = sorted(finished, key=lambda over: over.run.seed)
    return np.stack([over.batch_loss[:num_steps] for over in ordered])
