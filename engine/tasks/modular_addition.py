"""`modular_addition`: (a + b) mod p from a and b, of which only a part is trained on.

The examples are all p² ordered pairs: inputs `[2, p]`, both numbers as one-hot vectors, and the sum as the class. The
held-out pairs are a stratified choice, another one for every `task_seed`. A network memorises the training pairs at
once; under weight decay it finds the rule, and with it the held-out pairs, much later.

Source: Power, Burda, Edwards, Babuschkin and Misra (2022), "Grokking"; Nanda, Chan, Lieberum, Smith and Steinhardt
(2023), "Progress measures for grokking via mechanistic interpretability".
"""

import numpy as np

from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError
from .examples import held_out_fraction
from .options import HELD_OUT_FRACTION, TASK_SEED
from .passes import array_task
from .reading import Reading
from .splitting import arrays_of, split_rows, stratified_choice

OPTIONS = (
    TASK_SEED,
    Option("modulus", int, 23, "modulus of the addition that is to be learned", minimum=2, maximum=500),
    HELD_OUT_FRACTION,
)
build = array_task


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the arrays; raises InputError where nothing is held out, or some class is not trained on."""
    modulus = arm.modulus
    first, second = np.divmod(np.arange(modulus**2), modulus)
    labels = ((first + second) % modulus).astype(np.int32)
    number = round(held_out_fraction(arm) * len(labels))
    held_out = stratified_choice(labels, number, f"held_out {root_seed} {arm.task_seed}")
    if not number or len(np.unique(np.delete(labels, held_out))) < modulus:
        raise InputError(
            f"held_out_fraction={held_out_fraction(arm)} of {len(labels)} pairs: expected some to "
            f"hold out, and one of each sum to train on"
        )
    one_hot = np.eye(modulus, dtype=np.float32)
    inputs = np.stack([one_hot[first], one_hot[second]], axis=1)
    return arrays_of(inputs, labels, split_rows(labels, held_out))
