"""One process per device that pulls runs from the study; the same loop serves inside one process.

Only the parent plans and writes. A worker that dies or hangs is replaced; its runs continue from their checkpoints.
"""

from engine.workers.messages import Assignment, CompletedRun, Delivery, Hooks
from engine.workers.processes import Crew, Worker, call, spawn
from engine.workers.scheduler import Scheduler
from engine.workers.supervisor import run_all

__all__ = ["Assignment", "CompletedRun", "Crew", "Delivery", "Hooks", "Scheduler", "Worker", "call", "run_all", "spawn"]
