"""Looks at data and network before anything is trained, and says what is wrong or unusual, in seconds.

To add a finding, write a module with `find(look)` and name it in `FINDINGS`; its docstring has the definition, the
threshold with its reason, the source, and how often healthy set-ups raise it.
"""
