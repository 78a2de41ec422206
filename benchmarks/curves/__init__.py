"""Synthetic curves with a known truth."""
