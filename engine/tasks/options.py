"""Options that several sources of examples share."""

from engine.arms.options import REQUIRED, Option

TASK_SEED = Option("task_seed", int, 0, "seed of what the task itself draws", minimum=0, maximum=2**32 - 1)
NUM_INPUTS = Option("num_inputs", int, REQUIRED, "numbers in an input that is drawn", minimum=1, maximum=4096)
DATASET_DIR = Option(
    "dataset_dir",
    str,
    REQUIRED,
    "your own data: a folder with one sub-folder of images per class, an .npz file, or a prepared "
    "tensorflow-datasets directory; alone it says which",
    part="place",
    unset="none",
)
SCALING = Option(
    "scaling",
    str,
    None,
    "scaling of the inputs: unit divides by the largest value of their type, standard takes mean 0 and deviation 1 "
    "per channel over the training examples",
    choices=("unit", "standard", "none"),
    unset="unit for images, none for other numbers",
)
HELD_OUT_FRACTION = Option(
    "held_out_fraction",
    float,
    None,
    "share of the examples that are never trained on",
    minimum=1e-6,
    maximum=1,
    is_open=True,
    unset="0.2 where the data have no held-out part of their own",
)
AUGMENT = Option(
    "augment", str, "none", "random changes of the training images", choices=("none", "crop", "flip", "crop_flip")
)
CROP_PADDING = Option(
    "crop_padding",
    int,
    None,
    "how far a random crop moves an image at most",
    unit="pixels",
    minimum=1,
    maximum=4096,
    unset="an eighth of the shorter side",
)
AUGMENTATION = (AUGMENT, CROP_PADDING)
# Of everything that holds examples of the user's own, of images of any size, and of arrays or features with names.
EXAMPLE_OPTIONS = (
    Option(
        "channels",
        str,
        None,
        "channels of the images",
        choices=("grey", "colour"),
        unset="colour where some image has any, else grey",
    ),
    SCALING,
    HELD_OUT_FRACTION,
    *AUGMENTATION,
)
IMAGE_OPTIONS = (
    Option(
        "image_size",
        int,
        None,
        "size to which images are brought: one number, or height,width",
        unit="pixels",
        minimum=1,
        maximum=4096,
        most=2,
        unset="theirs where all have one of at most 256×256, else 64×64",
    ),
    Option(
        "resize",
        str,
        None,
        "how images of another shape are brought to the size",
        choices=("crop", "stretch", "pad"),
        unset="crop",
    ),
)
ARRAY_OPTIONS = (
    *(
        Option(
            f"{role}_arrays",
            str,
            None,
            f"names of the arrays of {role}s: training and, where there is one, held-out; or the feature",
            most=2,
            unset="guessed, and said",
        )
        for role in ("input", "target")
    ),
    Option(
        "target_kind",
        str,
        None,
        "what targets are: classes, or values that are regressed on",
        choices=("classes", "values"),
        unset="values where they are floating-point numbers, else classes",
    ),
)
