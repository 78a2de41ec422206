"""The ways of training that are compared: each as a function that takes some steps."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.workloads import LEARNING_RATE, NUM_CLASSES, Workload, examples, flax_network, torch_network

_STEPS = 11
# The widest that fits is measured.
_ACCELERATOR_WIDTHS = (1024, 256, 64)


class Prepared(NamedTuple):
    """A way of training, ready to run.

    Attributes:
        advance: takes some steps and waits for them.
        seed_steps: steps times seeds of one call.
        compile_seconds: spent in compilation, or `None`.
        bytes_per_seed: memory of the compiled program per seed, or `None`.
    """

    advance: Callable[[], None]
    seed_steps: int
    compile_seconds: float | None = None
    bytes_per_seed: float | None = None


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
    num_steps = 1 if workload.size > 8 else _STEPS
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


def engine_pool(workload: Workload, width: int, form: str | None = None, **arm_fields: Any) -> Any:
    """The engine's own pool of lanes for a workload's network, unchanged."""
    import jax
    import jax.numpy as jnp

    from engine.arms.arm import Arm
    from engine.lanes.pool import LanePool
    from engine.lanes.spec import PoolSpec, block_of
    from engine.models import Model
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

    model = Model(
        init=init,
        train_apply=lambda params, state, inputs, key: apply(params, state, inputs),
        batch_apply=lambda params, state, inputs: apply(params, state, inputs)[0],
        average_apply=lambda params, state, inputs: apply(params, state, inputs)[0],
    )
    has_convolutions = workload.is_residual or bool(workload.conv_widths)
    fields = {
        "model": "cnn8" if has_convolutions else "mlp",
        "learning_rate": LEARNING_RATE,
        "batch_size": workload.batch_size,
        "init": "he",
        **arm_fields,
    }
    arm = resolve_arm(Arm(**fields))
    platform = jax.default_backend()
    form = form or default_form(platform)
    block = block_of(platform, has_convolutions, width)
    spec = PoolSpec(arm, data, 0, width, block, form, _STEPS, DetectorSettings())
    assert int(jnp.max(jnp.asarray(labels))) < NUM_CLASSES
    return LanePool(spec, task, Trainer(arm, task, model, form))


def fill_pool(pool: Any, width: int) -> None:
    """Starts runs without end in all lanes."""
    from engine.lanes.runs import Run

    runs = [Run.of_seed("a", pool.spec.arm, i, 2**20 * _STEPS) for i in range(width)]
    pool.fill(runs)


def _engine(workload: Workload) -> Prepared:
    import jax

    if jax.default_backend() == "cpu":
        return prepare_engine(workload, 1 if workload.conv_widths or workload.is_residual else 8)
    for width in _ACCELERATOR_WIDTHS:
        try:
            prepared = prepare_engine(workload, width)
            prepared.advance()
            return prepared
        except Exception as error:  # memory runs out in many ways
            reason = error
    raise reason


def prepare_engine(workload: Workload, width: int, form: str | None = None) -> Prepared:
    """The engine, with a number of lanes; a call is a chunk.

    Args:
        workload: what to train.
        width: number of lanes.
        form: of the convolutions; by default that of the kind of device.
    """
    from engine.lanes.programs import SEGMENTS_PER_CHUNK

    started = time.perf_counter()
    pool = engine_pool(workload, width, form)
    seconds = time.perf_counter() - started
    fill_pool(pool, width)

    def advance() -> None:
        pool.advance()
        pool.collect(pool.harvest())

    steps = width * SEGMENTS_PER_CHUNK * _STEPS
    return Prepared(advance, steps, seconds, pool.bytes_needed / width)


def _on_device(network: Any, images: np.ndarray, labels: np.ndarray) -> tuple[Any, ...]:
    """A network, its data and a function that waits, on the GPU where PyTorch has one."""
    import torch

    has_gpu = torch.cuda.is_available()
    device = "cuda" if has_gpu else "cpu"
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device)
    y = torch.from_numpy(labels.astype(np.int64)).to(device)
    wait = torch.cuda.synchronize if has_gpu else lambda: None
    return network.to(device), x, y, wait


def _torch_eager(workload: Workload, layout: str, is_compiled: bool = False) -> Prepared:
    """One seed in PyTorch."""
    import torch

    torch.manual_seed(0)
    network = torch_network(workload, has_buffers=True)
    network, x, y, wait = _on_device(network, *examples(workload))
    if layout == "channels_last":
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    loss_fn: Any = lambda x, y: torch.nn.functional.cross_entropy(network(x), y)  # noqa: E731
    started = time.perf_counter()
    if is_compiled:
        loss_fn = torch.compile(loss_fn)
    num_steps = 2 if workload.size > 8 else _STEPS

    def advance() -> None:
        for i in range(num_steps):
            rows = slice(i * workload.batch_size, (i + 1) * workload.batch_size)
            batch = x[rows]
            if layout == "channels_last":
                batch = batch.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad()
            loss_fn(batch, y[rows]).backward()
            optimizer.step()
        wait()

    advance()
    return Prepared(advance, num_steps, time.perf_counter() - started if is_compiled else None)


def _torch_func(workload: Workload, num_seeds: int) -> Prepared:
    """Seeds side by side in PyTorch: `vmap` of `grad`, and Adam on stacked tensors."""
    import torch
    from torch.func import functional_call, grad, stack_module_state, vmap

    torch.manual_seed(0)
    networks = torch.nn.ModuleList([torch_network(workload, has_buffers=False) for _ in range(num_seeds)])
    networks, x, y, wait = _on_device(networks, *examples(workload))
    params, buffers = stack_module_state(list(networks))
    base = torch_network(workload, has_buffers=False).to("meta")
    params = {name: value.detach() for name, value in params.items()}
    optimizer = torch.optim.Adam(list(params.values()), LEARNING_RATE)

    def loss(params: Any, buffers: Any, x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(functional_call(base, (params, buffers), (x,)), y)

    gradients = vmap(grad(loss), (0, 0, None, None))
    num_steps = 2 if workload.size > 8 else _STEPS

    def advance() -> None:
        for i in range(num_steps):
            rows = slice(i * workload.batch_size, (i + 1) * workload.batch_size)
            grads = gradients(params, buffers, x[rows], y[rows])
            for name, value in params.items():
                value.grad = grads[name]
            optimizer.step()
        wait()

    return Prepared(advance, num_steps * num_seeds)


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


class Row(NamedTuple):
    """A way of training and how many processes share the machine."""

    prepare: Callable[[Workload], Prepared]
    is_one_per_core: bool
    package: str


def _torch_rows() -> dict[str, Row]:
    ways: dict[str, Callable[[Workload], Prepared]] = {
        "PyTorch eager": lambda w: _torch_eager(w, "contiguous"),
        "PyTorch eager, channels last": lambda w: _torch_eager(w, "channels_last"),
        "PyTorch torch.compile": lambda w: _torch_eager(w, "channels_last", is_compiled=True),
        "PyTorch torch.func ensemble": lambda w: _torch_func(w, w.num_seeds),
    }
    return {
        f"{name}, {arrangement}": Row(way, arrangement == "one process per core", "torch")
        for name, way in ways.items()
        for arrangement in ("all threads", "one process per core")
    }


ENGINE = "the engine, one worker per core"
PEAK = "matrix products (peak)"
FLAX_VMAP = "Flax nn.Conv under vmap"
ROWS: dict[str, Row] = {
    PEAK: Row(_peak, True, "jax"),
    ENGINE: Row(_engine, True, "jax"),
    FLAX_VMAP: Row(lambda w: _flax(w, w.num_seeds, "vmap"), False, "jax"),
    "Flax, one seed, scan": Row(lambda w: _flax(w, 1, "scan"), False, "jax"),
    "Flax, seeds by lax.map": Row(lambda w: _flax(w, w.num_seeds, "map"), False, "jax"),
    **_torch_rows(),
}


def losses(workload: Workload, form: str, learning_rate: float = LEARNING_RATE, num_steps: int = 100) -> np.ndarray:
    """Mini-batch losses of some seeds in a form, shape `[num_seeds, num_steps]`.

    One seed of the large workloads, whose native form takes seconds a step.
    """
    from engine.lanes.runs import Run

    num_seeds = 1 if workload.size > 8 else 12
    pool = engine_pool(workload, num_seeds, form, learning_rate=learning_rate)
    horizon = -(-num_steps // _STEPS) * _STEPS
    pool.fill([Run.of_seed("a", pool.spec.arm, i, horizon) for i in range(num_seeds)])
    finished = []
    while pool.num_busy:
        pool.advance()
        finished += pool.collect(pool.harvest())[1]
    ordered = sorted(finished, key=lambda over: over.run.seed)
    return np.stack([over.batch_loss[:num_steps] for over in ordered])
