"""A launch that kills itself at its n-th operation on a file: `killed_at.py N [flags]`.

Every way in which the engine changes a file is counted; half of the writes that kill are done in
part. Run by `benchmarks.faults`.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))


def _arm(number: int) -> None:
    """Makes the n-th operation the last one."""
    count = 0

    def counted(original: Any, is_half_done: bool = False) -> Any:
        def operation(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                if is_half_done and number % 2:
                    with contextlib.suppress(OSError):  # a folder is synchronised too
                        os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return operation

    setattr(os, "fsync", counted(os.fsync, is_half_done=True))  # noqa: B010
    for name in ("replace", "unlink", "rename", "chmod", "mkdir", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))


if __name__ == "__main__":
    _arm(int(sys.argv[1]))
    from launch import main

    sys.exit(main(["launch.py", *sys.argv[2:]]))
