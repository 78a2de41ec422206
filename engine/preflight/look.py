"""What is looked at: the data as they are trained on, and one batch through a few starts of the network.

A batch is taken forwards, backwards and through one step of the optimiser at the starts of the configuration and at
He's, and forwards alone at some with thirty times its weights, which show what values the outputs can take.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import jax
import numpy as np

from ..arms.arm import Arm
from ..lanes.host_batches import opened
from ..lanes.spec import PoolSpec
from ..losses import are_tokens
from ..models import make_model, takes_tokens
from ..models.initial import leaf_names
from ..tasks import Batch, Task, build_task, first_batch
from ..tasks.parts import PackedShape
from ..training.trainer import Trainer
from .learning import Learned, learn_batch
from .passes import Entering, make_passes, run_passes

# Examples that are looked at, evenly spread over the data: fewer of large ones, but never fewer than the least.
MOST_EXAMPLES, _LEAST_EXAMPLES, _MOST_NUMBERS = 4096, 64, 2**25

_WELL_LEARNED = 0.1


class Examples(NamedTuple):
    """Inputs `[num, …]` and targets, `[num]` of classes, else `[num, …]`, in the order of the source."""

    inputs: np.ndarray
    targets: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Inputs in double precision, `[num, num_features]`."""
        return np.asarray(self.inputs, np.float64).reshape(len(self.inputs), -1)


class Look(NamedTuple):
    """What findings are made from. Starts come first in every array: `S` of them, `L` leaves, `B` examples of a batch.

    Attributes:
        horizon: steps of a run; `None` where it is not known.
        has_classes: whether the targets are numbers of classes, from 0 on.
        is_kept: whether the examples are kept in arrays, in the order of their source, rather than drawn.
        has_state: whether the network keeps statistics of its batches, which mix the examples of one.
        batch: the examples that were taken through the network.
        outputs, alone: of the batch, and of its second half by itself and taken in reverse, in an evaluation,
            `[S, B, K]`, `[S, B / 2, K]`.
        wide_outputs: of the batch at He's start, and then at such with larger weights, `[S, B, K]`.
        entering: numbers of an `Entering` for each array that the first weights are given, `[S, number of them, 5]`.
        bent: distance of the outputs from an affine function of the inputs, over that between examples, `[S]`.
        reordered: distance of the outputs when the positions of every example change places, over that between
            examples, `[S]`; 1 where inputs have no positions.
        seen: how far the outputs depend on positions of texts and series, evenly spread, at a start of He's, see
            `passes`, `[number of them]`; 1 where inputs have no positions.
        noise: standard deviation of an output between two draws of the noise, over that between examples, `[S]`.
        losses: of the batch in an evaluation, `[S]`.
        he_sizes: standard deviation of each leaf under He's law, `[L]`.
        params, grads, updates: root mean squares of each leaf, of its gradient and of its first update, `[S, L]`.
        clipped: length of the gradient once it is clipped, over that before, `[S]`.
        he_grads: root mean squares of the gradient of each leaf at He's start, with biases that are not 0, `[L]`.
        saturating: name of the saturating non-linearity of each hidden layer that has one.
        saturated: share of the values that lie where such a layer is flat, `[S, number of them]`.
        narrowest: fewest numbers of an example that a place of the network passes on.
        zeroed: share of the weights whose gradient half precision makes 0, `[S]`; NaN where it overflows.
        displaced: distance of the outputs in half precision from those in single, over that between examples, `[S]`.
        lost: share of the parameters of half precision that the first step leaves as they are, `[S]`.
        has_tokens: whether the network takes whole numbers only, or several inputs, some of which may be such.
        learned: how far the batch is learned in some steps on it alone; `None` where that takes too long.
        slopes: change of the loss along the gradient, over what the gradient says, `[S]`; NaN where rounding hides it.
    """

    arm: Arm
    horizon: int | None
    chance_loss: float
    has_classes: bool
    is_kept: bool
    training: Examples
    held_out: Examples
    leaf_names: tuple[str, ...]
    leaf_ndims: tuple[int, ...]
    has_state: bool
    batch: Examples
    outputs: np.ndarray
    alone: np.ndarray
    wide_outputs: np.ndarray
    entering: np.ndarray
    bent: np.ndarray
    reordered: np.ndarray
    seen: np.ndarray
    noise: np.ndarray
    losses: np.ndarray
    he_sizes: np.ndarray
    params: np.ndarray
    grads: np.ndarray
    updates: np.ndarray
    clipped: np.ndarray
    slopes: np.ndarray
    he_grads: np.ndarray
    saturating: tuple[str, ...]
    saturated: np.ndarray
    narrowest: int
    zeroed: np.ndarray
    displaced: np.ndarray
    lost: np.ndarray
    learned: Learned | None
    has_tokens: bool

    @property
    def has_numbers(self) -> bool:
        """Whether the inputs are numbers that vary, rather than tokens, or nothing."""
        inputs = self.training.inputs
        if self.has_tokens:
            return False
        return np.issubdtype(inputs.dtype, np.floating) and inputs.size > 0 and bool(np.ptp(inputs))

    @property
    def has_logits(self) -> bool:
        """Whether the loss takes the softmax of the outputs itself."""
        own = (None, "cross_entropy", "focal", "next_token")
        return (self.has_classes or self.predicts_tokens) and self.arm.loss in own

    @property
    def predicts_tokens(self) -> bool:
        """Whether the targets are tokens, one at each position."""
        targets = self.training.targets
        return are_tokens(targets) and targets.shape[1] > 1

    @property
    def entered(self) -> list[Entering]:
        """What the first weights are given, in the median over starts; empty where it is not known."""
        return [Entering(*map(float, numbers)) for numbers in np.median(self.entering, axis=0)]

    @property
    def strength_if_harmful(self) -> Literal["fault", "sign"]:
        """Of what harms a training: a fault, but a sign where its own optimiser still learns one batch.

        That is where the steps of `learned` bring the loss below a tenth of that of the best constant.
        """
        is_learned = self.learned is not None and self.learned.own < _WELL_LEARNED
        return "sign" if is_learned else "fault"

    @property
    def weights(self) -> list[int]:
        """Numbers of the leaves that are weights rather than biases or scales, in the order of the network."""
        return [i for i, ndim in enumerate(self.leaf_ndims) if ndim > 1]


class Material(NamedTuple):
    """What a pool trains on: its task, the batch that is looked at, and examples of the data."""

    task: Task
    batch: Batch
    is_kept: bool
    training: Examples
    held_out: Examples


def gather(spec: PoolSpec) -> Material:
    """Reads the data of a pool."""
    data = opened(spec.data)
    task = build_task(spec.arm, data)
    batch = first_batch(task, data, jax.random.key(0, impl="threefry2x32"))
    is_kept = "inputs" in data
    return Material(task, batch, is_kept, _examples(data, "" if is_kept else "loss_"), _examples(data, "held_out_"))


def take_look(spec: PoolSpec, arm: Arm, horizon: int | None, material: Material) -> Look:
    """Takes a batch through a network at a few starts of an arm; only the structure of the arm of `spec` is read."""
    task, batch, is_kept, training, held_out = material
    # The batch is the data, so that a step takes nothing else to the device.
    given = task._replace(draw=lambda *_: None, sample=lambda data, _: Batch(**data), augment=None, mixup=0.0)
    model = make_model(spec.arm, task.example_shape, task.num_outputs)
    trainer = Trainer(spec.arm, given, model, spec.form)
    passes = make_passes(trainer, model, arm, batch)
    found, traced = run_passes(passes), passes.traced
    shapes = jax.tree.leaves(trainer.param_shapes)
    return Look(
        arm=arm,
        horizon=horizon,
        chance_loss=task.chance_loss,
        has_classes=_are_classes(training.targets),
        is_kept=is_kept,
        training=training,
        held_out=held_out,
        leaf_names=tuple(leaf_names(trainer.param_shapes)),
        leaf_ndims=tuple(leaf.ndim for leaf in shapes),
        has_state=bool(jax.tree.leaves(trainer.state_shapes)),
        batch=Examples(*map(np.asarray, batch)),
        saturating=tuple(name for _, name in traced.saturating),
        narrowest=traced.narrowest,
        learned=learn_batch(passes),
        has_tokens=isinstance(task.example_shape, PackedShape)
        or takes_tokens(spec.arm, task.example_shape, task.num_outputs),
        **{name: np.asarray(value, np.float64) for name, value in found.items()},
    )


def _are_classes(targets: np.ndarray) -> bool:
    return targets.ndim == 1 and np.issubdtype(targets.dtype, np.integer) and bool(targets.min() >= 0)


def _examples(data: Mapping[str, np.ndarray], part: str) -> Examples:
    """Returns examples of a part of the data, evenly spread over it."""
    name = next(name for name in ("labels", "targets") if part + name in data)
    inputs, targets = data[f"{part}inputs"], data[part + name]
    if part:
        inputs, targets = (array.reshape(-1, *array.shape[2:]) for array in (inputs, targets))
    most = min(MOST_EXAMPLES, max(_LEAST_EXAMPLES, _MOST_NUMBERS // max(1, inputs[0].size)))
    rows = np.unique(np.linspace(0, len(inputs) - 1, min(len(inputs), most)).round().astype(int))
    return Examples(np.asarray(inputs[rows]), np.asarray(targets[rows]))
