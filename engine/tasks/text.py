"""`text`: predict the next byte of a text of your own (--dataset_dir=FILE.txt, or a folder of them).

The bytes of all files, in the order of their names, are cut into stretches of `context` bytes, which do not overlap;
the target of each byte is the one that follows it. Tokens are the bytes themselves, 0 to 255. Of the stretches a fifth
is held out, by the hash of their position.
"""

from pathlib import Path

import numpy as np

from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError, counted
from .examples import Examples, make_arrays
from .options import DATASET_DIR, HELD_OUT_FRACTION, VOCABULARY
from .passes import array_task
from .places import TEXTS, find_place, naming_place
from .reading import Reading, check_memory, reason_of

_NUM_BYTES = 256
OPTIONS = (
    DATASET_DIR,
    Option("context", int, 64, "bytes of a stretch of text", minimum=2, maximum=2**16),
    VOCABULARY.with_default(_NUM_BYTES),
    HELD_OUT_FRACTION,
)
build = array_task
_FEWEST = 2
# As numbers of 32 bits, once as inputs and once as targets.
_BYTES_PER_BYTE = 8


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the stretches in the order of the text; raises InputError where there are fewer than two."""
    place = find_place(arm.dataset_dir)
    with naming_place(arm.dataset_dir):
        content = _read(place, reading)
        number = (len(content) - 1) // arm.context
        if number < _FEWEST:
            raise InputError(
                f"{counted(len(content), 'byte')} of text: expected at least {_FEWEST * arm.context + 1:,}, for two "
                f"stretches of context={arm.context}"
            )
        stretches = content[: number * arm.context], content[1 : number * arm.context + 1]
        inputs, targets = (part.reshape(number, arm.context).astype(np.int32) for part in stretches)
        return make_arrays(arm, Examples(inputs, targets, (), None), reading)


def _read(place: Path, reading: Reading) -> np.ndarray:
    files = sorted(file for file in place.rglob("*") if _is_text(file)) if place.is_dir() else [place]
    if not files:
        raise InputError(f"no file that ends in {' or '.join(TEXTS)}: expected texts")
    try:
        check_memory(_BYTES_PER_BYTE * sum(file.stat().st_size for file in files), "these texts")
        found = [file.read_bytes() for file in files]
    except OSError as error:
        raise InputError(f"a text cannot be read ({reason_of(error)})") from None
    if len(files) > 1:
        reading.tell(f"{counted(len(files), 'text')}, one after another in the order of their names")
    return np.frombuffer(b"".join(found), np.uint8)


def _is_text(file: Path) -> bool:
    return file.suffix.lower() in TEXTS and not file.name.startswith(".") and file.is_file()
