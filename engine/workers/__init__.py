"""One process per device that pulls runs from the plan; the same loop serves inside one process.

The parent alone plans and writes. A worker asks for runs when lanes are free, and sends back the
runs that are over, and now and then those that are under way as they stand. A worker that dies or
hangs is replaced, and its runs go on from where they were last kept.
"""

from engine.workers.messages import Assignment, Delivery, Hooks
from engine.workers.processes import Crew, Worker, call, spawn
from engine.workers.scheduler import Scheduler
from engine.workers.supervisor import run_all

__all__ = ["Assignment", "Crew", "Delivery", "Hooks", "Scheduler", "Worker", "call", "run_all", "spawn"]
