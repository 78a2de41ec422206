"""The changes that a diagnosis tries around a configuration, each of one thing, and its controls."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..arms.arm import Arm, find_option, used_options, without_options
from ..studies.diagnosis import AS_GIVEN, DiagnosisRecord, Kind
from ..studies.study import resolve_arm
from ..user_code import is_reference
from .changes import Change, NotApplicableError, Subject, fixed, refuse_if, refuse_own_network
from .library_words import in_library
from .removals import CLIPPING, RELU, REMOVALS, WIDER, without_schedule

# A multiple of a learning rate of zero is no other rate.
_LEAST_RATE = 1e-6
_SGD = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01}
_ADAM = {"optimizer": "adam", "learning_rate": 1e-3}
_PROBE_RATE = 1e-2


class Factors(NamedTuple):
    """The arms of a diagnosis, `as_given` first, and what there is to record of them before it is run."""

    arms: dict[str, Arm]
    record: DiagnosisRecord


def _describe_he(subject: Subject) -> str:
    # Biases of a user's network that start at another number than 0 stay there.
    instead = ", in place of the weights of the file" if subject.arm.start_from is not None else ""
    return f"He initialisation {'of the weights' if is_reference(subject.arm.model) else 'with zero biases'}{instead}"


def _with_he(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_if(arm.init == "he" and arm.start_from is None, "it starts so already")
    return arm.replace(init="he", init_scale=None, start_from=None)


def _epsilon(epsilon: float) -> Change:
    def apply(subject: Subject) -> Arm:
        arm = subject.arm
        refuse_if("epsilon" not in used_options(arm), f"{arm.optimizer} has no epsilon")
        refuse_if(arm.epsilon == epsilon, "it is that already")
        return arm.replace(epsilon=epsilon)

    return Change(f"epsilon={epsilon:g}", "remedy", fixed(f"the optimiser's ε at {epsilon:g}"), apply)


def _rate(times: str, relative: float, kind: Kind) -> Change:
    def rate_of(arm: Arm) -> float:
        return float(f"{(arm.learning_rate or _LEAST_RATE) * relative:.4g}")

    def apply(subject: Subject) -> Arm:
        arm = subject.arm
        rate, most = rate_of(arm), find_option("learning_rate").maximum
        if most is not None and rate > most:
            raise NotApplicableError(f"that is above the highest rate, {most:g}")
        return arm.replace(learning_rate=rate)

    words = "learning rate {:g}, " + times
    return Change(f"learning_rate={times}", kind, lambda subject: words.format(rate_of(subject.arm)), apply, relative)


def _with_normalisation(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_own_network(arm)
    refuse_if("batch_norm" not in used_options(arm), f"model={arm.model} has no normalisation to add")
    refuse_if(bool(arm.batch_norm), "it is normalised already")
    return arm.replace(batch_norm=True)


def _with_leak(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_own_network(arm)
    refuse_if("activation" not in used_options(arm), f"model={arm.model} has no activation to choose")
    refuse_if(arm.activation != "relu", f"its activation is {arm.activation}, not relu")
    return arm.replace(activation="leaky_relu")


def _batch(times: str, relative: float, is_tried: Callable[[int], bool]) -> Change:
    def size_of(arm: Arm) -> int:
        return int(arm.batch_size * relative)

    def apply(subject: Subject) -> Arm:
        arm, number = subject.arm, subject.num_examples
        refuse_if(not number, f"dataset={arm.dataset} draws fresh examples every step")
        refuse_if(
            not is_tried(arm.batch_size), f"a batch of {arm.batch_size} is not {'small' if relative > 1 else 'large'}"
        )
        refuse_if(size_of(arm) > number, f"there are {number} examples to train on")
        return arm.replace(batch_size=size_of(arm))

    words = "batches of {}, " + times + ", for as many epochs"
    return Change(f"batch_size={times}", "remedy", lambda subject: words.format(size_of(subject.arm)), apply)


def _other_optimizer(arm: Arm) -> dict[str, Any]:
    return _ADAM if arm.optimizer == "sgd" else _SGD


def _describe_optimizer(subject: Subject) -> str:
    other = dict(_other_optimizer(subject.arm))
    name = other.pop("optimizer")
    numbers = ", ".join(f"{key} {value:g}".replace("_", " ") for key, value in other.items())
    return f"{name} with {numbers}{' and without the weight decay' if subject.arm.weight_decay else ''}"


def _with_other_optimizer(subject: Subject) -> Arm:
    arm = subject.arm
    return _with_optimizer(arm, {**_other_optimizer(arm), "clip_norm": arm.clip_norm})


def _with_optimizer(arm: Arm, fields: dict[str, Any]) -> Arm:
    return without_options(arm, "optimizer").replace(**fields)


def _refuse_control(arm: Arm) -> None:
    refuse_if(arm.control != "none", f"the data are under control={arm.control} already")


def _control(control: str, words: str) -> Change:
    def apply(subject: Subject) -> Arm:
        arm = subject.arm
        _refuse_control(arm)
        are_averaged = control == "constant_inputs" and subject.has_names
        refuse_if(are_averaged, "the inputs are names, as tokens are, and have no mean")
        return arm.replace(control=control)

    return Change(control, "control", fixed(words), apply)


def _with_linear_model(subject: Subject) -> Arm:
    arm = subject.arm
    _refuse_control(arm)
    refuse_if(not subject.is_plain, "it maps one input to a class or a row of values")
    start = {"init": "he", "init_scale": None, "start_from": None}
    linear = {"model": "mlp", "model_args": (), "dense_widths": (), **start}
    probe = without_schedule(without_options(_with_optimizer(arm, _ADAM), "model", "init"))
    # The learning rate is one for inputs and targets of order one.
    scaled = {"scaling": "standard"} if "scaling" in used_options(arm) else {}
    if subject.has_values and "target_scaling" in used_options(arm):
        scaled["target_scaling"] = "standard"
    return probe.replace(**linear, **scaled, augment=None, crop_padding=None, mixup=None, learning_rate=_PROBE_RATE)


HE = Change("init=he", "remedy", _describe_he, _with_he)
FINE_EPSILON = _epsilon(1e-12)
BATCH_NORM = Change("batch_norm", "remedy", fixed("normalised over the batch"), _with_normalisation)
LEAKY_RELU = Change("leaky_relu", "remedy", fixed("leaky ReLU"), _with_leak)
# Batches of usual sizes are not changed: each arm costs its share of the minutes.
LARGER_BATCH = _batch("×4", 4.0, lambda size: size <= 16)
SMALLER_BATCH = _batch("×1/4", 0.25, lambda size: size >= 256)
ONE_BATCH = _control("one_batch", "one batch, over and over")
LINEAR_PROBE = Change("linear_probe", "control", fixed("a linear model of the inputs"), _with_linear_model)
SHUFFLED_LABELS = _control("shuffled_labels", "labels shuffled among the examples")
CONSTANT_INPUTS = _control("constant_inputs", "every input replaced by their mean")

ALL_CHANGES = (
    HE,
    FINE_EPSILON,
    _epsilon(1e-5),
    # Far rates find the order of magnitude where the neighbouring ones are all alike.
    _rate("×1/1000", 1e-3, "far"),
    _rate("×1/30", 1 / 30, "far"),
    _rate("×1/3", 1 / 3, "remedy"),
    _rate("×3", 3.0, "remedy"),
    _rate("×30", 30.0, "far"),
    _rate("×1000", 1e3, "far"),
    BATCH_NORM,
    LEAKY_RELU,
    Change("optimizer={other}", "remedy", _describe_optimizer, _with_other_optimizer),
    *REMOVALS,
    RELU,
    CLIPPING,
    WIDER,
    LARGER_BATCH,
    SMALLER_BATCH,
    ONE_BATCH,
    LINEAR_PROBE,
    SHUFFLED_LABELS,
    CONSTANT_INPUTS,
)


# What a diagnosis of few minutes does without, the first first: what only adds to the picture, far rates that matter
# where the start is off by orders of magnitude, and changes that tell no cause by themselves.
DISPENSABLE = (
    "epsilon=1e-05",
    CONSTANT_INPUTS.name,
    "learning_rate=×1000",
    "learning_rate=×1/1000",
    CLIPPING.name,
    BATCH_NORM.name,
    "optimizer=sgd",
    "optimizer=adam",
    SHUFFLED_LABELS.name,
    ONE_BATCH.name,
)


def factors_of(subject: Subject) -> Factors:
    """Returns everything that is changed around a configuration; equal arms are kept once.

    Controls need a task that has examples in arrays.
    """
    arm = subject.arm
    record = DiagnosisRecord({AS_GIVEN: "given"}, {AS_GIVEN: "as given"}, {}, {}, None, [])
    arms, first = {AS_GIVEN: arm}, {arm: AS_GIVEN}
    for change in ALL_CHANGES:
        name = change.name.format(other=_other_optimizer(arm)["optimizer"])
        try:
            is_drawn = change.kind == "control" and not subject.num_examples
            refuse_if(is_drawn, f"dataset={arm.dataset} draws fresh examples every step")
            changed = change.apply(subject)
            resolved = resolve_arm(changed)
            other = first.setdefault(resolved, name)
            refuse_if(other != name, f"it is the same as {other}")
        except NotApplicableError as reason:
            record.skipped[name] = str(reason)
            continue
        called = "" if change.kind == "control" else in_library(subject.library, arm, resolved)
        words = ", ".join(filter(None, [change.describe(subject), called]))
        arms[name], record.kinds[name], record.words[name] = changed, change.kind, words
        if change.relative_rate is not None:
            record.rates[name] = change.relative_rate
    return Factors(arms, record)
