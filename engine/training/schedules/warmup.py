"""`warmup`: a linear rise from 0, then the same rate."""

from . import WARMUP_STEPS, linear_rise

OPTIONS = (WARMUP_STEPS,)
factor = linear_rise
