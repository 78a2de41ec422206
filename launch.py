"""Starts Plateau in a clone; installed, its command is `plateau`."""

from engine.commands.launcher import console, main

__all__ = ["console", "main"]

if __name__ == "__main__":
    console()
