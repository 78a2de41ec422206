"""Diagnostics of a training on its plateau: what changes before the loss does.

To add one, write a module with a `DIAGNOSTIC` and name it in `DIAGNOSTICS`.
"""

from engine.training.probes.registry import DIAGNOSTICS, check_names

__all__ = ["DIAGNOSTICS", "check_names"]
