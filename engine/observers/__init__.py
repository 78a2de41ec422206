"""What looks on while a study runs: nothing of it may slow the training, or end it."""

from engine.observers.choice import Watching, check_watching, ended_with, make_observers
from engine.observers.observer import Observer, Standing

__all__ = ["Observer", "Standing", "Watching", "check_watching", "ended_with", "make_observers"]
