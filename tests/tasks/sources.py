"""Small data of every kind, written as a person would have them."""

import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.arms.arm import Arm
from engine.studies.study import resolve_arm
from engine.tasks import TASKS, Reading, Task, build_task, load_data
from engine.tasks.splitting import stratified_choice

ARCHIVES = ("mnist", "fashion_mnist", "cifar10", "cifar100")
NUM_TRAINING, NUM_TEST = 100, 30


def read(place: Any, data_dir: str | None = None, **fields: Any) -> tuple[dict, Reading]:
    """The arrays of what lies at a place, and what was said of it."""
    arm = resolve_arm(Arm(model="mlp", dataset_dir=str(place), **fields))
    reading = Reading()
    return load_data(arm, 0, data_dir, reading), reading


def read_and_build(place: Any, **fields: Any) -> tuple[dict, Task]:
    """The arrays of what lies at a place, and the task that is made of them."""
    arm = resolve_arm(Arm(model="mlp", dataset_dir=str(place), **fields))
    data = load_data(arm, 0, None)
    return data, build_task(arm, data)


def lines(reading: Reading) -> str:
    return "\n".join(note.line for note in reading.notes)


def grey(value: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.fromarray(np.full(size, value, np.uint8))


def write_digits(folder: Path, num_images: int = 1797) -> None:
    """The digits as PNG, one sub-folder per class."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i in range(num_images):
        path = folder / str(digits.target[i]) / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(digits.images[i] * 255 / 16).astype(np.uint8)).save(path)


def write_divided_digits(folder: Path) -> None:
    """The digits as PNG, divided as the built-in ones are, so that both have one program."""
    from sklearn.datasets import load_digits

    write_digits(folder / "train")
    for i in stratified_choice(load_digits().target, 359, "held_out"):
        (path,) = (folder / "train").glob(f"*/{i:04d}.png")
        held_out = folder / "test" / path.parent.name / path.name
        held_out.parent.mkdir(parents=True, exist_ok=True)
        path.rename(held_out)


def write_classes(folder: Path, *names: str, num_images: int = 20) -> Path:
    """Folders of grey images, each of another grey."""
    for c, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(num_images):
            grey(10 * c + i).save(folder / name / f"{i}.png")
    return folder


def image_bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def examples_of(dataset: str, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Random images and labels of the shape of a data set that comes as archives."""
    chance = np.random.default_rng(seed)
    shape = (32, 32, 3) if dataset.startswith("cifar") else (28, 28, 1)
    num_classes = 100 if dataset == "cifar100" else 10
    return {
        part: (chance.integers(0, 256, (number, *shape), np.uint8), (np.arange(number) % num_classes).astype(np.uint8))
        for part, number in (("train", NUM_TRAINING), ("test", NUM_TEST))
    }


def archives_of(dataset: str) -> dict[str, bytes]:
    """Tiny archives in the format of the real ones, by the real names."""
    parts = examples_of(dataset)
    if dataset.startswith("cifar"):
        return {_cifar_name(dataset): _cifar(dataset, parts)}
    found = {}
    for prefix, part in (("train", "train"), ("t10k", "test")):
        images, labels = parts[part]
        head = struct.pack(">4I", 0x803, *images.shape[:3])
        found[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(head + images.tobytes(), mtime=0)
        head = struct.pack(">2I", 0x801, len(labels))
        found[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(head + labels.tobytes(), mtime=0)
    return found


def _cifar_name(dataset: str) -> str:
    return f"{dataset.replace('cifar', 'cifar-')}-binary.tar.gz"


def _cifar(dataset: str, parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> bytes:
    coarse = [b"\x07"] if dataset == "cifar100" else []
    rows = {
        part: [
            b"".join([*coarse, bytes([label]), np.moveaxis(image, -1, 0).tobytes()])
            for image, label in zip(*examples, strict=True)
        ]
        for part, examples in parts.items()
    }
    if dataset == "cifar10":
        fifth = NUM_TRAINING // 5
        members = {
            f"cifar-10-batches-bin/data_batch_{i + 1}.bin": rows["train"][fifth * i : fifth * (i + 1)] for i in range(5)
        }
        members["cifar-10-batches-bin/test_batch.bin"] = rows["test"]
    else:
        members = {f"cifar-100-binary/{part}.bin": rows[part] for part in rows}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(b"".join(content))
            archive.addfile(info, io.BytesIO(b"".join(content)))
    return gzip.compress(buffer.getvalue(), mtime=0)


def use_archives(monkeypatch: Any, dataset: str, root: str) -> dict[str, bytes]:
    """Puts tiny archives at an address in the place of the real ones."""
    module = TASKS.load(dataset)
    contents = archives_of(dataset)
    checksums = {name: hashlib.sha256(contents[name]).hexdigest() for name in module.SOURCE.checksums}
    source = module.SOURCE._replace(address=root, checksums=checksums)
    monkeypatch.setattr(module, "SOURCE", source)
    monkeypatch.setattr(module, "load", source.load)
    return contents


@contextmanager
def serving(contents: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback: its address, and the list of what was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path.lstrip("/"))
            content = contents.get(self.path.lstrip("/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *words: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
