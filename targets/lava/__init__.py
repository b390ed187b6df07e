"""Lava (lava-nc 0.10.0) as a target: executor E3, in a child process of its own."""

from targets.lava.interpreter import Finding, doctor
from targets.lava.run import Job, run, run_jobs

__all__ = ["Finding", "Job", "doctor", "run", "run_jobs"]
