"""One process per device that pulls runs from the study; the same loop serves inside one process.

Only the parent plans and writes. A worker that dies or hangs is replaced; its runs continue from their checkpoints.
"""

# Between checkpoints of unfinished runs, where nothing else is asked for.
CHECKPOINT_SECONDS = 60.0
