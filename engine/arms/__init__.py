"""One full configuration of a training, and what can be set in it."""
