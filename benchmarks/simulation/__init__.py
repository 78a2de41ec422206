"""A world in which whole launches run without processes, devices or time, and everything that can fail does.

`disk` is a file system that forgets what was not flushed, `crew` are workers that deliver rows which are known, `world`
decides from a seed what happens when, `invariants` says what must hold whatever happens.
"""
