"""Training of one run, as pure functions."""
