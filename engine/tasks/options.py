"""Options that several sources of examples share."""

from typing import Any

from ..arms.options import REQUIRED, Option
from ..outcomes.row import MAX_SEED

TASK_SEED = Option("task_seed", int, 0, "seed of what the task itself draws", minimum=0, maximum=MAX_SEED)
NUM_INPUTS = Option("num_inputs", int, REQUIRED, "numbers in an input that is drawn", minimum=1, maximum=4096)
NUM_TOKENS = Option("num_tokens", int, REQUIRED, "different tokens", minimum=2, maximum=10**5)
SEQUENCE_LENGTH = Option("sequence_length", int, REQUIRED, "positions of a sequence", minimum=1, maximum=2**14)
DATASET_DIR = Option(
    "dataset_dir",
    str,
    REQUIRED,
    "your own data: a folder with one sub-folder of images per class, an .npz file, a table (.csv, .tsv, .parquet), a "
    "text (.txt), or a data set that tensorflow-datasets has prepared or Hugging Face's datasets saved; alone it says "
    "which",
    part="place",
    unset="none",
)


def _inferred(name: str, kind: type, help: str, unset: str, **about: Any) -> Option:
    """An option that follows from the data where it is not set; `unset` says how."""
    return Option(name, kind, None, help, unset=unset, **about)


SCALING = _inferred(
    "scaling",
    str,
    "scaling of the inputs: unit divides by the largest value of their type, standard takes mean 0 and deviation 1 "
    "per channel over the training examples",
    "unit for images, none for other numbers",
    choices=("unit", "standard", "none"),
)
HELD_OUT_FRACTION = _inferred(
    "held_out_fraction",
    float,
    "share of the examples that are never trained on",
    "0.2 where the data have no held-out part of their own",
    minimum=1e-6,
    maximum=1,
    is_open=True,
)
RECONSTRUCT = Option(
    "reconstruct", bool, False, "the target of every example is its own input, flattened, as for an autoencoder"
)
AUGMENTATION = (
    Option(
        "augment",
        str,
        "none",
        "random changes of the training inputs, which are images, or for a function of (key, inputs) anything",
        choices=("none", "crop", "flip", "crop_flip"),
        takes_reference=True,
    ),
    Option(
        "mixup",
        float,
        0.0,
        "mixes each training example, and its loss, with another of its batch, in shares drawn from "
        "Beta(mixup, mixup); 0: not",
        minimum=0,
        maximum=100,
    ),
    _inferred(
        "crop_padding",
        int,
        "how far a random crop moves an image at most",
        "an eighth of the shorter side",
        unit="pixels",
        minimum=1,
        maximum=4096,
    ),
)
_CHANNELS = _inferred(
    "channels", str, "channels of the images", "colour where some image has any, else grey", choices=("grey", "colour")
)
# Of everything that holds examples of the user's own, of images of any size, and of arrays or features with names.
EXAMPLE_OPTIONS = (_CHANNELS, SCALING, HELD_OUT_FRACTION, RECONSTRUCT, *AUGMENTATION)
IMAGE_SIZE = _inferred(
    "image_size",
    int,
    "size to which images are brought: one number, or height,width",
    "theirs where all have one of at most 256×256, else 64×64",
    unit="pixels",
    minimum=1,
    maximum=4096,
    most=2,
)
IMAGE_OPTIONS = (
    IMAGE_SIZE,
    _inferred(
        "resize", str, "how images of another shape are brought to the size", "crop", choices=("crop", "stretch", "pad")
    ),
)
VOCABULARY = _inferred(
    "vocabulary",
    int,
    "tokens that there are, and so outputs of the network at each position",
    "the largest that occurs, and one",
    minimum=2,
    maximum=10**6,
)
TARGET_SCALING = _inferred(
    "target_scaling",
    str,
    "scaling of targets that are regressed on: standard takes mean 0 and deviation 1 over the training examples",
    "none",
    choices=("standard", "none"),
)
TARGET_KIND = _inferred(
    "target_kind",
    str,
    "what targets are: classes, values that are regressed on, or tokens, a row of whole numbers with one at each "
    "position, of which those below 0 are padding",
    "values where they are floating-point numbers, else classes",
    choices=("classes", "values", "tokens"),
)
ARRAY_OPTIONS = (
    *(
        _inferred(
            f"{role}_arrays",
            str,
            f"names of the arrays of {role}s: training and, where there is one, held-out; or the feature"
            f"{'; or several inputs of one target' if role == 'input' else ''}",
            "guessed, and said",
            most=100 if role == "input" else 2,
        )
        for role in ("input", "target")
    ),
    TARGET_KIND,
    TARGET_SCALING,
    VOCABULARY,
)
