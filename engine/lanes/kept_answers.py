"""Answers that take a while to find, kept as JSON beside the compiled programs."""

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from engine.lanes.compilation import one_process_at_a_time

logger = logging.getLogger(__name__)


def find_once(
    cache_dir: str | None, folder: str, name: str, keys: Iterable[str], find: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Returns a kept answer with these keys, or finds and keeps it; other processes that want it wait.

    The folder is for one kind of answer, the name a digest of everything that the answer depends on. `find` returns the
    answer, plain enough for JSON.
    """
    path = None if cache_dir is None else Path(cache_dir) / folder / f"{name}.json"
    with one_process_at_a_time(f"{folder}-{name}"):
        answer = recall(path, set(keys))
        if answer is None:
            answer = find()
            keep(path, answer)
    return answer


def recall(path: Path | None, keys: set[str]) -> dict[str, Any] | None:
    """Reads what was kept at a path; returns `None` if it cannot be read or has other keys."""
    if path is None or not path.exists():
        return None
    try:
        kept = json.loads(path.read_bytes())
        if isinstance(kept, dict) and kept.keys() == keys:
            return kept
    except (OSError, ValueError, RecursionError):
        pass
    logger.warning("%s is damaged and made anew", path)
    return None


def keep(path: Path | None, value: dict[str, Any]) -> None:
    """Keeps a value if the place can be written to; readers see all of it or nothing."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(value, file, indent=2, sort_keys=True, allow_nan=False)
        os.replace(file.name, path)
    except OSError as error:
        logger.warning("%s cannot be kept: %s", path, error)
