"""Starts Plateau with `python -m`, under the name of the package."""

from .commands.launcher import console

console()
