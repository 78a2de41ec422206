"""Texts that tests compare with files; with RENEW_GOLDEN=1 in the environment the files are written anew."""

import os
from pathlib import Path


def check_golden(path: Path, text: str) -> None:
    """Asserts that a text is that of a file.

    Args:
        path: of the file.
        text: without its last line break.
    """
    if os.environ.get("RENEW_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == f"{text}\n"
