"""A PyTorch module as pure functions, by torchax, which computes each of its operators in JAX."""

import contextlib
import functools
import importlib.util
import inspect
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import InputError
from ...tasks.parts import as_arguments
from ..layouts import channels_first, outputs_first
from ..model import Mode, Model, model_of, parameter_names, switches
from ..variables import in_order, nested
from .torch_recurrent import as_loops

_OVERLOAD = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
# A module is put into one mode after the other while it is traced.
_TRACING = threading.RLock()


def adapt(make: Callable[[], Any], example_shape: tuple[int, ...]) -> Model:
    """Returns the pure functions of the modules that `make` makes, which were written for one run.

    `train()` and `eval()`, and arguments of `forward` named in `engine.models.model`, tell training from evaluation;
    with batch statistics, evaluation lets layers that normalise over the batch use it where they would in training.
    Parameters that need no gradient, and buffers, are state. Random numbers follow from the run's noise. Images come
    with their channels first where the module takes them so.

    Raises InputError where torchax is missing, or the module has layers without sizes.
    """
    environment = _environment()
    module = _made(make, 0)
    start, trained = _values(module), [name for name, p in module.named_parameters() if p.requires_grad]
    others = [name for name in start if name not in trained]
    names, traced = parameter_names(module.forward), _traceable(module)

    def parts(values: dict[str, Any]) -> tuple[Any, Any]:
        params, state = ({name: values[name] for name in names} for names in (trained, others))
        return nested(params, "."), nested(state, ".")

    def written(seed: int) -> Any:
        return parts(_values(_made(make, seed)))

    def init(key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
        return jax.tree.map(jnp.asarray, parts(start))

    def run(mode: Mode, params: Any, state: Any, inputs: jax.Array, key: jax.Array) -> tuple[jax.Array, Any]:
        given = dict(
            zip([*trained, *others], [*in_order(params, trained, "."), *in_order(state, others, ".")], strict=True)
        )
        arguments = as_arguments(example_shape, inputs, names)
        with _TRACING, _quietly(environment), environment.override_property(prng=key), environment:
            outputs, kept = traced(mode, environment.j2t_iso((given, *arguments)), switches(names, mode))
            outputs, kept = environment.t2j_iso((outputs, kept))
        return outputs, parts({**given, **kept})[1]

    model = model_of(init, run)._replace(written=written, fans=outputs_first, library="PyTorch")
    return channels_first(model, example_shape)


@functools.cache
def _environment() -> Any:
    """Returns what computes PyTorch's operators in JAX."""
    found = importlib.util.find_spec("torchax")
    if found is None or found.origin is None:
        raise InputError("a PyTorch module needs the package torchax: pip install 'plateau-engine[torch]'")
    import torch

    # torchax names overloads of operators that newer versions of PyTorch do not have any more.
    for path in Path(found.origin).parent.rglob("*.py"):
        for name, overload in _OVERLOAD.findall(path.read_text()):
            operator = getattr(torch.ops.aten, name, None)
            if operator is not None and not hasattr(operator, overload):
                setattr(operator, overload, object())
    import torchax

    return torchax.default_env()


@contextlib.contextmanager
def _quietly(environment: Any) -> Iterator[None]:
    """Makes tensors that a network makes of numbers those of JAX, wherever they are made; warnings of that are none."""
    environment._should_use_torchax_tensor = lambda device: True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        del environment._should_use_torchax_tensor


def _made(make: Callable[[], Any], seed: int) -> Any:
    """Makes a module as it is made after `torch.manual_seed(seed)`; the generator is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = make()
    if any(getattr(m, "track_running_stats", False) and "InstanceNorm" in type(m).__name__ for m in module.modules()):
        raise InputError("its InstanceNorm layers keep running averages, which are not followed: expected none")
    if any(torch.nn.parameter.is_lazy(p) for p in (*module.parameters(), *module.buffers())):
        raise InputError("its layers whose sizes are found at the first call, such as LazyLinear, need their sizes")
    return module


def _values(module: Any) -> dict[str, np.ndarray]:
    """Returns copies of parameters and buffers by name, in the types that JAX has for them."""
    return {name: _array(tensor) for name, tensor in (*module.named_parameters(), *module.named_buffers())}


def _array(tensor: Any) -> np.ndarray:
    import torch

    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return np.array(tensor.float().numpy(), jnp.bfloat16)
    array = tensor.numpy()
    return np.array(array, jax.dtypes.canonicalize_dtype(array.dtype))


def _traceable(module: Any) -> Callable[[Mode, Any, dict[str, Any]], tuple[Any, dict[str, Any]]]:
    """Returns what calls a module with other variables, in a mode: its outputs, and its buffers after that."""
    import torch

    class Observed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module
            self.kept: dict[str, Any] = {}

        def forward(self, *inputs: Any, **values: Any) -> Any:
            outputs = self.module(*inputs, **values)
            self.kept = dict(self.module.named_buffers())
            return outputs

    observed = Observed()

    def call(mode: Mode, given: Any, values: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        variables, args, by_name = given
        module.train(True)
        frozen = [variables[f"{name}.running_mean".lstrip(".")] for name, layer in _norms(module) if not layer.training]
        module.train(mode == "train")
        named = {f"module.{name}": tensor for name, tensor in variables.items()}
        with _normalizing(mode == "batch", frozen), as_loops(), _gradients():
            outputs = torch.func.functional_call(observed, named, args, {**by_name, **values})
        return outputs, observed.kept

    return call


def _norms(module: Any) -> list[tuple[str, Any]]:
    """Returns the layers with running averages of batches, by name."""
    import torch

    layers = torch.nn.modules.batchnorm._BatchNorm
    return [(name, m) for name, m in module.named_modules() if isinstance(m, layers) and m.running_mean is not None]


@contextlib.contextmanager
def _normalizing(is_over_batch: bool, frozen: Sequence[Any]) -> Iterator[None]:
    """Lets normalisation over the batch keep its running averages, which torchax drops.

    `is_over_batch` makes evaluation use the batch too, but for layers with `frozen` running averages.
    """
    from torch.nn import functional

    as_written = functional.batch_norm
    signature = inspect.signature(as_written)

    def batch_norm(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        x, running_mean, running_var, weight, bias, training, momentum, eps = given.args
        if not training and (not is_over_batch or any(running_mean is kept for kept in frozen)):
            return as_written(x, running_mean, running_var, weight, bias, False, momentum, eps)
        axes = [0, *range(2, x.dim())]
        mean = x.mean(axes)
        centred = x - mean.reshape(1, -1, *[1] * (x.dim() - 2))
        variance = (centred * centred).mean(axes)
        if running_mean is not None:
            number = x.numel() // x.shape[1]
            unbiased = variance * (number / max(number - 1, 1))
            running_mean.copy_(running_mean + momentum * (mean - running_mean))
            running_var.copy_(running_var + momentum * (unbiased - running_var))
        return as_written(x, mean, variance, weight, bias, False, 0.0, eps)

    functional.batch_norm = batch_norm
    try:
        yield
    finally:
        functional.batch_norm = as_written


@contextlib.contextmanager
def _gradients() -> Iterator[None]:
    """Lets what has no gradient in PyTorch have none; refuses what changes a gradient otherwise."""
    import torch
    import torchax

    class Gradients(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.Tensor.register_hook:
                raise NotImplementedError("register_hook changes a gradient, which JAX takes by itself: leave it out")
            found = func(*args, **(kwargs or {}))
            if torch.is_grad_enabled() and func is not torch.Tensor.data.__get__:  # type: ignore[attr-defined]
                return found
            constant = lambda tensor: tensor.apply_jax(jax.lax.stop_gradient)  # noqa: E731
            return torch.utils._pytree.tree_map_only(torchax.tensor.Tensor, constant, found)

    def refused(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("an autograd.Function has a derivative of its own, which JAX does not see")

    as_written = torch.autograd.Function.__dict__["apply"]
    torch.autograd.Function.apply = refused  # type: ignore[method-assign]
    try:
        with Gradients():
            yield
    finally:
        torch.autograd.Function.apply = as_written  # type: ignore[method-assign]
