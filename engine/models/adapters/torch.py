"""A PyTorch module as pure functions, by torchax, which computes each of its operators in JAX."""

import functools
import importlib.util
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import InputError
from ..layouts import channels_first, outputs_first
from ..model import Mode, Model, model_of, parameter_names, switches
from ..variables import in_order, nested

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
        with _TRACING, environment.override_property(prng=key), environment:
            outputs, kept = traced(mode, environment.j2t_iso((given, inputs)), switches(names, mode))
            outputs, kept = environment.t2j_iso((outputs, kept))
        return outputs, parts({**given, **kept})[1]

    model = model_of(init, run)._replace(written=written, fans=outputs_first, library="PyTorch")
    return channels_first(model, example_shape)


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


def _made(make: Callable[[], Any], seed: int) -> Any:
    """Makes a module as it is made after `torch.manual_seed(seed)`; the generator is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = make()
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

    layers: list[Any] = [m for m in module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for layer in layers:
        layer.forward = functools.partial(_normalized, layer, layer.forward)

    class Observed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module
            self.kept: dict[str, Any] = {}

        def forward(self, inputs: Any, **values: Any) -> Any:
            outputs = self.module(inputs, **values)
            self.kept = dict(self.module.named_buffers())
            return outputs

    observed = Observed()

    def set_mode(mode: Mode) -> None:
        module.train(mode != "average")
        for layer in layers:
            layer.is_over_batch = layer.training or layer.running_mean is None
        module.train(mode == "train")

    def call(mode: Mode, given: Any, values: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        variables, inputs = given
        named = {f"module.{name}": tensor for name, tensor in variables.items()}
        set_mode(mode)
        outputs = torch.func.functional_call(observed, named, (inputs,), values)
        return outputs, observed.kept

    return call


def _normalized(layer: Any, as_written: Callable[[Any], Any], inputs: Any) -> Any:
    """Normalises over the batch, with new running averages, which torchax drops, or as written by the old ones."""
    from torch.nn import functional

    if not layer.is_over_batch:
        return as_written(inputs)
    axes = [0, *range(2, inputs.dim())]
    mean, variance = inputs.mean(axes), inputs.var(axes, unbiased=False)
    if layer.running_mean is not None:
        layer.num_batches_tracked = layer.num_batches_tracked + 1
        share = 1 / layer.num_batches_tracked if layer.momentum is None else layer.momentum
        number = inputs.numel() // inputs.shape[1]
        unbiased = variance * (number / max(number - 1, 1))
        layer.running_mean = layer.running_mean + share * (mean - layer.running_mean)
        layer.running_var = layer.running_var + share * (unbiased - layer.running_var)
    return functional.batch_norm(inputs, mean, variance, layer.weight, layer.bias, False, 0.0, layer.eps)
