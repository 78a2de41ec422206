"""Networks of other libraries as pure functions, one file each; a library is imported where a network of it is named.

Each file has `adapt`, which returns a `Model` for networks of which one run is written.
"""
