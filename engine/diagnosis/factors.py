"""What is changed around a configuration: one thing at a time, and controls."""

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.arms.arm import Arm, find_option, used_options, without_options
from engine.studies.diagnosis_kinds import AS_GIVEN, Kind
from engine.user_code import is_reference

# Rates beyond the neighbouring ones, to find the order of magnitude where those are all alike.
_RATES: dict[str, tuple[float, Kind]] = {
    "×1/1000": (1e-3, "far"),
    "×1/30": (1 / 30, "far"),
    "×1/3": (1 / 3, "remedy"),
    "×3": (3.0, "remedy"),
    "×30": (30.0, "far"),
    "×1000": (1e3, "far"),
}
_EPSILONS = (1e-12, 1e-5)
# A multiple of a rate of zero is no other rate.
_LEAST_RATE = 1e-6
_SGD = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01}
_ADAM = {"optimizer": "adam", "learning_rate": 1e-3}
_PROBE_RATE = 1e-2


class Factor(NamedTuple):
    """One arm of the designed study.

    Attributes:
        arm: the configuration, unresolved.
        kind: why it is there.
        words: what was changed.
        relative_rate: its learning rate over the given one, or over the least that is tried where
            that is 0; `None` where they differ in something else.
    """

    arm: Arm
    kind: Kind
    words: str
    relative_rate: float | None = None


class Factors(NamedTuple):
    """The arms of a diagnosis.

    Attributes:
        arms: by name, `as_given` first.
        skipped: what does not apply to this configuration, and why, by name.
    """

    arms: dict[str, Factor]
    skipped: dict[str, str]


class _NotApplicableError(Exception):
    """Why a factor does not apply."""


def factors_of(arm: Arm, has_examples: bool) -> Factors:
    """Everything that is changed around a configuration.

    Args:
        arm: resolved.
        has_examples: whether its task holds examples in arrays, so that controls can change them.
    """
    other = _ADAM if arm.optimizer == "sgd" else _SGD
    arms, skipped = {AS_GIVEN: Factor(arm, "given", "as given")}, {}

    def add(name: str, kind: Kind, words: str, make: Callable[..., Arm], *changed: Any) -> None:
        try:
            if kind == "control" and not has_examples:
                raise _NotApplicableError(f"dataset={arm.dataset} draws fresh examples every step")
            arms[name] = Factor(make(arm, *changed), kind, words)
        except _NotApplicableError as reason:
            skipped[name] = str(reason)

    # Of a network of one's own, biases that start at another number than 0 stay there.
    he = "of the weights" if is_reference(arm.model) else "with zero biases"
    add("init=he", "remedy", f"He initialisation {he}", _with_init)
    for epsilon in _EPSILONS:
        words = f"the optimiser's ε at {epsilon:g}"
        add(f"epsilon={epsilon:g}", "remedy", words, _with_epsilon, epsilon)
    for times, (relative, kind) in _RATES.items():
        name = f"learning_rate={times}"
        add(name, kind, f"learning rate {_rate(arm, relative):g}, {times}", _with_rate, relative)
        if name in arms:
            arms[name] = arms[name]._replace(relative_rate=relative)
    add("batch_norm", "remedy", "normalised over the batch", _with_normalisation)
    add("leaky_relu", "remedy", "leaky ReLU", _with_leak)
    add(f"optimizer={other['optimizer']}", "remedy", _words_of(other), _with_optimizer, other)
    add("one_batch", "control", "one batch, over and over", _with_control, "one_batch")
    add("linear_probe", "control", "a linear model of the inputs", _linear_probe)
    for control, words in (
        ("shuffled_labels", "labels shuffled among the examples"),
        ("constant_inputs", "every input replaced by their mean"),
    ):
        add(control, "control", words, _with_control, control)
    return Factors(arms, skipped)


def _with_control(arm: Arm, control: str) -> Arm:
    if arm.control != "none":
        raise _NotApplicableError(f"the data are under control={arm.control} already")
    return arm.replace(control=control)


def _with_init(arm: Arm) -> Arm:
    if arm.init == "he":
        raise _NotApplicableError("it starts so already")
    return arm.replace(init="he", init_scale=None)


def _with_epsilon(arm: Arm, epsilon: float) -> Arm:
    if "epsilon" not in used_options(arm):
        raise _NotApplicableError(f"{arm.optimizer} has no epsilon")
    if arm.epsilon == epsilon:
        raise _NotApplicableError("it is that already")
    return arm.replace(epsilon=epsilon)


def _rate(arm: Arm, relative: float) -> float:
    return float(f"{(arm.learning_rate or _LEAST_RATE) * relative:.4g}")


def _with_rate(arm: Arm, relative: float) -> Arm:
    rate, most = _rate(arm, relative), find_option("learning_rate").maximum
    if most is not None and rate > most:
        raise _NotApplicableError(f"that is above the highest rate, {most:g}")
    return arm.replace(learning_rate=rate)


def _with_normalisation(arm: Arm) -> Arm:
    if is_reference(arm.model):
        raise _NotApplicableError("a network of your own is not rebuilt")
    if "batch_norm" not in used_options(arm):
        raise _NotApplicableError(f"model={arm.model} has no normalisation to add")
    if arm.batch_norm:
        raise _NotApplicableError("it is normalised already")
    return arm.replace(batch_norm=True)


def _with_leak(arm: Arm) -> Arm:
    if is_reference(arm.model):
        raise _NotApplicableError("a network of your own is not rebuilt")
    if "activation" not in used_options(arm):
        raise _NotApplicableError(f"model={arm.model} has no activation to choose")
    if arm.activation != "relu":
        raise _NotApplicableError(f"its activation is {arm.activation}, not relu")
    return arm.replace(activation="leaky_relu")


def _words_of(fields: dict[str, Any]) -> str:
    numbers = {name.replace("_", " "): value for name, value in fields.items()}
    rest = ", ".join(f"{name} {n:g}" for name, n in numbers.items() if name != "optimizer")
    return f"{fields['optimizer']} with {rest}"


def _with_optimizer(arm: Arm, fields: dict[str, Any]) -> Arm:
    return without_options(arm, "optimizer").replace(**fields)


def _linear_probe(arm: Arm) -> Arm:
    if arm.control != "none":
        raise _NotApplicableError(f"the data are under control={arm.control} already")
    probe = without_options(_with_optimizer(arm, _ADAM), "model", "init")
    # Its rate is one for inputs of order one.
    is_scaled = "scaling" in used_options(arm)
    return probe.replace(
        scaling="standard" if is_scaled else arm.scaling,
        model="mlp",
        model_args=(),
        dense_widths=(),
        init="he",
        init_scale=None,
        learning_rate=_PROBE_RATE,
    )
