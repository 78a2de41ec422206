"""The tensorflow-datasets builder of the digits, without TensorFlow."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from engine.errors import InputError

_NUM_EXAMPLES = 1797


class PlateauDigits(tfds.core.GeneratorBasedBuilder):
    """The handwritten digits of scikit-learn with their position in its file as `id`."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "id": tfds.features.Scalar(np.int64),
            "image": tfds.features.Tensor(shape=(8, 8), dtype=np.uint8),
            "label": tfds.features.ClassLabel(num_classes=10),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        for i, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            yield i, {"id": i, "image": image.astype(np.uint8), "label": int(label)}


def read_digits(data_dir: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Images `[1797, 8, 8]` in 0…16 and labels `[1797]`, sorted by id; prepared on first use.

    Args:
        data_dir: root of the prepared data sets; `None` for tensorflow-datasets' own.

    Raises:
        InputError: the directory cannot be written, or the prepared data set is damaged.
    """
    where = os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR)
    try:
        builder = PlateauDigits(data_dir=where, file_format="array_record")
        tfds.disable_progress_bar()
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare()
        source = builder.as_data_source(split="train")
        records = sorted((source[i] for i in range(len(source))), key=lambda r: int(r["id"]))
    except OSError as error:
        raise InputError(
            f"data directory {where!r} cannot be used ({error.strerror or error}): expected one "
            f"that can be written, see --data_dir"
        ) from error
    except Exception as error:  # array_record and protobuf have types of their own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the digits prepared in {where!r} cannot be read ({reason}): remove "
            f"{os.path.join(where, 'plateau_digits')!r} and try again"
        ) from error
    if [int(record["id"]) for record in records] != list(range(_NUM_EXAMPLES)):
        raise InputError(
            f"the digits in {where!r} are damaged: {len(records)} of {_NUM_EXAMPLES} examples; "
            f"remove {builder.data_dir!r} and try again"
        )
    images = np.stack([record["image"] for record in records])
    labels = np.asarray([record["label"] for record in records], np.int32)
    return images, labels
