"""Data sets that tensorflow-datasets prepares once, and what can go wrong with that."""

import contextlib
import importlib.util
import io
import logging
import os
from collections.abc import Callable, Iterator

from engine.errors import InputError, one_line

_LONGEST_REASON = 120


def has_package(name: str) -> bool:
    """Tells whether a package is installed."""
    return importlib.util.find_spec(name) is not None


def prepared_root(data_dir: str | None) -> str:
    """Returns the directory of all prepared data sets, by default that of tensorflow-datasets."""
    import tensorflow_datasets as tfds

    return os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps tensorflow-datasets from printing and from logging anything but errors."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def reporting(describe: Callable[[str], str]) -> Iterator[None]:
    """Keeps tensorflow-datasets quiet, and turns what it raises into an InputError with the reason described."""
    try:
        with quietly():
            yield
    except InputError:
        raise
    except Exception as error:  # array_record and protobuf have types of their own
        raise InputError(describe(one_line(str(error) or type(error).__name__)[:_LONGEST_REASON])) from error


@contextlib.contextmanager
def preparing(where: str, what: str, folder: str) -> Iterator[None]:
    """Keeps tensorflow-datasets quiet while it prepares `what` in a folder below `where`."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    remove = f"remove {os.path.join(where, folder)!r} and try again"
    with reporting(lambda reason: f"{what} prepared in {where!r} cannot be read ({reason}): {remove}"):
        try:
            yield
        except OSError as error:
            raise InputError(
                f"data directory {where!r} cannot be used ({error.strerror or error}): expected one "
                f"that can be written, see --data_dir"
            ) from error
