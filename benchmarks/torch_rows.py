"""The ways of training in PyTorch that the engine is compared with."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.workloads import LEARNING_RATE, STEPS, Prepared, Row, Workload, examples, torch_network


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
    num_steps = 2 if workload.size > 8 else STEPS

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
    num_steps = 2 if workload.size > 8 else STEPS

    def advance() -> None:
        for i in range(num_steps):
            rows = slice(i * workload.batch_size, (i + 1) * workload.batch_size)
            grads = gradients(params, buffers, x[rows], y[rows])
            for name, value in params.items():
                value.grad = grads[name]
            optimizer.step()
        wait()

    return Prepared(advance, num_steps * num_seeds)


def torch_rows() -> dict[str, Row]:
    """Returns every way, with all threads and as one process per core."""
    ways: dict[str, Callable[[Workload], Prepared]] = {
        "PyTorch eager": lambda w: _torch_eager(w, "contiguous"),
        "PyTorch eager, channels last": lambda w: _torch_eager(w, "channels_last"),
        "PyTorch torch.compile": lambda w: _torch_eager(w, "channels_last", is_compiled=True),
        "PyTorch torch.func ensemble": lambda w: _torch_func(w, w.num_seeds),
    }
    return {
        f"{name}, {arrangement}": Row(way, arrangement == "one process per core")
        for name, way in ways.items()
        for arrangement in ("all threads", "one process per core")
    }
