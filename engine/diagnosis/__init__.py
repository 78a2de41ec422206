"""Why a run waits, and what to change, decided by an experiment.

`factors` declares what is changed around a configuration, and `budget` chooses how many seeds and steps some minutes
buy. Of the finished runs, `evidence` holds what came of every change, `symptoms` reads what probes saw, `conditions`
asks what that amounts to, `table` decides, and `words` and `section` report it.
"""
