"""One process per device that pulls runs from the study; the same loop serves inside one process.

The parent alone plans and writes. A worker asks for runs when lanes are free, and sends back the rows of the runs that
are over and, now and then, checkpoints of the others. A worker that dies or hangs is replaced, and its runs continue
from their last checkpoint.
"""

from engine.workers.messages import Assignment, CompletedRun, Delivery, Hooks
from engine.workers.processes import Crew, Worker, call, spawn
from engine.workers.scheduler import Scheduler
from engine.workers.supervisor import run_all

__all__ = ["Assignment", "CompletedRun", "Crew", "Delivery", "Hooks", "Scheduler", "Worker", "call", "run_all", "spawn"]
