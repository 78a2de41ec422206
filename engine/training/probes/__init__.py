"""Diagnostics of a training on its plateau: what changes before the loss does."""

from .registry import DIAGNOSTICS, check_names

__all__ = ["DIAGNOSTICS", "check_names"]
