"""The tensorflow-datasets builders of the built-in images; they work without TensorFlow."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from ..errors import InputError
from .prepared import prepared_root, reporting
from .reading import Reading

Parts = Mapping[str, tuple[np.ndarray, np.ndarray]]


class _Images(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Images with their position in the original files as `id`; `parts` are prepared, `on_example` called for each."""

    VERSION = tfds.core.Version("1.0.0")
    shape: ClassVar[tuple[int, ...]]
    num_classes: ClassVar[int] = 10
    parts: Parts
    on_example: Callable[[], object]

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "id": tfds.features.Scalar(np.int64),
            "image": tfds.features.Tensor(shape=self.shape, dtype=np.uint8, encoding="bytes"),
            "label": tfds.features.ClassLabel(num_classes=self.num_classes),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label")
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        return {split: self._generate_examples(*part) for split, part in self.parts.items()}

    def _generate_examples(self, images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            self.on_example()
            yield i, {"id": i, "image": np.reshape(image, self.shape), "label": int(label)}


_FIELDS: dict[str, dict[str, Any]] = {
    "mnist": {"shape": (28, 28, 1)},
    "fashion_mnist": {"shape": (28, 28, 1)},
    "cifar10": {"shape": (32, 32, 3)},
    "cifar100": {"shape": (32, 32, 3), "num_classes": 100},
}


def _builder_of(dataset: str) -> type[_Images]:
    """Makes the class whose name tensorflow-datasets turns into `plateau_…`."""
    name = "Plateau" + dataset.title().replace("_", "")
    return type(name, (_Images,), {"__module__": __name__, "__doc__": f"The data set {dataset}.", **_FIELDS[dataset]})


_BUILDERS = {dataset: _builder_of(dataset) for dataset in _FIELDS}


def prepare(dataset: str, read: Callable[[], Parts], data_dir: str | None, reading: Reading) -> Path:
    """Prepares a data set on first use, from the original files that `read` reads, and returns its directory."""
    tfds.disable_progress_bar()
    where = prepared_root(data_dir)
    remove = f"remove {os.path.join(where, f'plateau_{dataset}')!r} and try again"
    with reporting(lambda reason: f"{dataset} prepared in {where!r} cannot be read ({reason}): {remove}"):
        try:
            builder = _BUILDERS[dataset](data_dir=where, file_format="array_record")
            if not builder.is_prepared():
                builder.parts = read()
                number = sum(len(labels) for _, labels in builder.parts.values())
                with reading.bar(number, f"preparing {dataset}") as bar:
                    builder.on_example = bar.update
                    builder.download_and_prepare()
        except OSError as error:
            raise InputError(
                f"data directory {where!r} cannot be used ({error.strerror or error}): expected one "
                f"that can be written, see --data_dir"
            ) from error
        return Path(str(builder.data_dir))
