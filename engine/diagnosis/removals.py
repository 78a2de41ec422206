"""Changes that take away what a configuration adds to a plain training, or that bring its numbers to order one."""

from ..arms.arm import Arm, used_options, without_options
from ..preflight import causes
from ..user_code import is_reference
from .changes import Change, Subject, fixed, refuse_if, refuse_own_network

# Activations that are flat on both sides.
_SATURATING = ("sigmoid", "tanh")
# A layer of the network with fewer units may be too small for the problem.
_NARROW, _TIMES_WIDER = 16, 8
_CLIP_NORM = 1.0


def _with_scaled_inputs(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_if("scaling" not in used_options(arm), f"dataset={arm.dataset} has no scaling of its inputs")
    refuse_if(arm.scaling == "standard", "they are standardised already")
    refuse_if(subject.inputs_off is None, "the inputs are of order one already")
    return arm.replace(scaling="standard")


def _with_scaled_targets(subject: Subject) -> Arm:
    arm = subject.arm
    is_fit = subject.has_values and "target_scaling" in used_options(arm)
    refuse_if(not is_fit, f"dataset={arm.dataset} has no values to predict whose scale could be changed")
    refuse_if(arm.target_scaling == "standard", "they are standardised already")
    refuse_if(subject.targets_off is None, "the targets are of order one already")
    return arm.replace(target_scaling="standard")


def _without_decay(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_if(not arm.weight_decay, "there is no weight decay")
    default = used_options(arm)["weight_decay"].default
    return arm.replace(weight_decay=None if default is None else 0.0)


def _without_dropout(subject: Subject) -> Arm:
    arm = subject.arm
    has_dropout = subject.has_own_dropout if is_reference(arm.model) else arm.dropout
    refuse_if(arm.dropout == 0 or not has_dropout, "there is no dropout")
    return arm.replace(dropout=0.0)


def _describe_dropout(subject: Subject) -> str:
    rate = subject.arm.dropout
    return "no dropout" if rate is None else f"no dropout, in place of {rate:g}"


def without_schedule(arm: Arm) -> Arm:
    """Returns the arm with a constant learning rate."""
    return without_options(arm, "schedule").replace(schedule="constant")


def _without_schedule(subject: Subject) -> Arm:
    arm = subject.arm
    is_constant = arm.schedule == "constant" or (arm.schedule == "warmup" and not arm.warmup_steps)
    refuse_if(is_constant, "the learning rate is constant already")
    return without_schedule(arm)


def _describe_schedule(subject: Subject) -> str:
    arm = subject.arm
    parts = (("rise", arm.warmup_steps), ("decay", arm.decay_steps))
    lengths = " and ".join(f"a {name} over {steps:,} steps" for name, steps in parts if steps)
    return f"a constant learning rate, in place of {lengths or f'schedule={arm.schedule}'}"


def _without_augmentation(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_if(arm.augment in (None, "none") and not arm.mixup, "nothing is augmented")
    return arm.replace(augment="none", crop_padding=None, mixup=0.0 if arm.mixup else arm.mixup)


def _with_both_scaled(subject: Subject) -> Arm:
    return _with_scaled_targets(subject._replace(arm=_with_scaled_inputs(subject)))


def _without_clipping(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_if(arm.clip_norm is None, "no gradient is clipped")
    return arm.replace(clip_norm=None)


def _with_clipping(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_if("clip_norm" not in used_options(arm), f"{arm.optimizer} has no clipping")
    refuse_if(arm.clip_norm is not None, "gradients are clipped already")
    return arm.replace(clip_norm=_CLIP_NORM)


def _in_single_precision(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_if(arm.precision in (None, "float32"), "everything is in single precision already")
    return arm.replace(precision="float32")


def _wider(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_own_network(arm)
    widths = arm.dense_widths if "dense_widths" in used_options(arm) else ()
    refuse_if(arm.start_from is not None, "it starts from weights of a file")
    refuse_if(not widths or min(widths) > _NARROW, f"no layer is narrower than {_NARROW + 1} units")
    return arm.replace(dense_widths=tuple(w * _TIMES_WIDER if w <= _NARROW else w for w in widths))


def _with_relu(subject: Subject) -> Arm:
    arm = subject.arm
    refuse_own_network(arm)
    refuse_if("activation" not in used_options(arm), f"model={arm.model} has no activation to choose")
    refuse_if(arm.activation not in _SATURATING, f"its activation is {arm.activation}, which does not saturate")
    return arm.replace(activation="relu")


SCALED_INPUTS = Change(
    "scaling=standard",
    "remedy",
    lambda subject: f"inputs with mean 0 and deviation 1; as given {subject.inputs_off}",
    _with_scaled_inputs,
)
SCALED_TARGETS = Change(
    "target_scaling=standard",
    "remedy",
    lambda subject: f"targets with mean 0 and deviation 1; as given {subject.targets_off}",
    _with_scaled_targets,
)
SCALED_BOTH = Change(
    "scaling=standard,target_scaling=standard",
    "remedy",
    fixed("inputs and targets with mean 0 and deviation 1, two changes at once"),
    _with_both_scaled,
)
NO_CLIPPING = Change(
    "clip_norm=none",
    "remedy",
    lambda subject: f"no clipping, in place of gradients cut to a norm of {subject.arm.clip_norm:g}",
    _without_clipping,
)
CLIPPING = Change("clip_norm=1", "remedy", fixed("gradients cut to a norm of 1"), _with_clipping)
SINGLE_PRECISION = Change(
    "precision=float32",
    "remedy",
    lambda subject: f"single precision, in place of {subject.arm.precision}",
    _in_single_precision,
)
WIDER = Change("wider", "remedy", fixed(f"narrow dense layers {_TIMES_WIDER} times as wide"), _wider)
NO_DECAY = Change(
    "weight_decay=0",
    "remedy",
    lambda subject: f"no weight decay, in place of {subject.arm.weight_decay:g}",
    _without_decay,
)
NO_DROPOUT = Change("dropout=0", "remedy", _describe_dropout, _without_dropout)
CONSTANT_RATE = Change("schedule=constant", "remedy", _describe_schedule, _without_schedule)
NO_AUGMENTATION = Change("augment=none", "remedy", fixed("no augmentation"), _without_augmentation)
RELU = Change("activation=relu", "remedy", lambda subject: f"ReLU, in place of {subject.arm.activation}", _with_relu)

_CAUSES = {
    SCALED_INPUTS: causes.INPUTS,
    SCALED_TARGETS: causes.TARGETS,
    NO_DECAY: causes.DECAY,
    NO_DROPOUT: causes.DROPOUT,
    CONSTANT_RATE: causes.SCHEDULE,
    NO_AUGMENTATION: causes.AUGMENTATION,
    NO_CLIPPING: causes.ALTERED,
    SINGLE_PRECISION: causes.PRECISION,
    SCALED_BOTH: causes.TARGETS,
}
REMOVALS = tuple(_CAUSES)
# What a change takes away, by the name of the change.
REMOVES = {change.name: cause for change, cause in _CAUSES.items()}
