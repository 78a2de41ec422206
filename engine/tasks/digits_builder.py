"""The tensorflow-datasets builder of the digits, without TensorFlow."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from engine.errors import InputError
from engine.tasks.preparing import prepared_root, preparing

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
    where = prepared_root(data_dir)
    with preparing(where, "the digits", "plateau_digits"):
        builder = PlateauDigits(data_dir=where, file_format="array_record")
        builder.download_and_prepare()
        source = builder.as_data_source(split="train")
        records = sorted((source[i] for i in range(len(source))), key=lambda r: int(r["id"]))
    if [int(record["id"]) for record in records] != list(range(_NUM_EXAMPLES)):
        raise InputError(
            f"the digits in {where!r} are damaged: {len(records)} of {_NUM_EXAMPLES} examples; "
            f"remove {builder.data_dir!r} and try again"
        )
    images = np.stack([record["image"] for record in records])
    labels = np.asarray([record["label"] for record in records], np.int32)
    return images, labels
