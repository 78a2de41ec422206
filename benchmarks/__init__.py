"""Measurements that the rules of the engine rest on. Each is `python -m benchmarks.NAME`."""
