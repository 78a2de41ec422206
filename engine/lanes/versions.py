"""Versions of the packages that a number depends on."""

import contextlib
import functools
import importlib.metadata
import platform
import re

# On the way of a number: from the data to the device, from there to an outcome.
NUMERICAL = ("jax", "jaxlib", "ml_dtypes", "opt_einsum", "flax", "optax", "numpy", "scipy")
# Beside it: the data have a fingerprint, and files have what they were given.
_OTHERS = ("plateau-engine", "array_record", "pillow", "pyarrow", "safetensors", "scikit-learn", "tensorflow-datasets")
# Packages that bring an accelerator to JAX, whatever their name in the next release.
PLUGINS = re.compile(r"(jax[-_.]?(cuda|rocm|metal|tpu|oneapi)|libtpu|nvidia[-_.])", re.IGNORECASE)


@functools.cache
def versions() -> dict[str, str]:
    """Returns the versions of Python and of every such package that is installed."""
    found = {"python": platform.python_version()}
    for name in (*NUMERICAL, *_OTHERS):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    for package in importlib.metadata.distributions():
        name = package.name or ""
        if PLUGINS.match(name):
            found[name.lower().replace("_", "-")] = package.version
    return found
