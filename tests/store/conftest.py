import os

import pytest


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """Most of the time of these tests, and without effect while the machine is on."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
