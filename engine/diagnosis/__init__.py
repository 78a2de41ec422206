"""Why a run waits, and what to change, decided by an experiment.

`factors` declares the changes, and `budget` chooses seeds and steps. `evidence` holds what came of every change and
what probes saw; `conditions` and `table` decide, and `words` and `section` report it.
"""
