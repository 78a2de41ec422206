"""Why training waits: what is changed, what is seen then, and what follows from that.

`factors` says what is changed around one configuration, one thing at a time; `evidence` holds what
came of every change; `table` is the written decision table from evidence to a verdict.
"""
