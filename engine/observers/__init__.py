"""What follows a study while it runs; no observer may slow the training or end it."""

from engine.observers.choice import Watching, check_watching, ended_with, make_observers
from engine.observers.observer import Observer, StudyProgress

__all__ = ["Observer", "StudyProgress", "Watching", "check_watching", "ended_with", "make_observers"]
