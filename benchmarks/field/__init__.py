"""Set-ups rebuilt from public reports of a training that does not start, each with its cause, and a healthy twin."""
