"""Holds the cases of the field collection, by kind."""
