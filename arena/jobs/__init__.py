"""Training jobs: a quest that somebody asked for, with its battle. Pages, commands and every API ask here.

`start`, `get`, `stop` and `jobs` are what most need; `pause` and `resume` are of one job.
"""

from arena.jobs.finding import JobList, get, jobs
from arena.jobs.job import Job, NoSuchJob, NotPossible
from arena.jobs.ordering import pause, resume, stop
from arena.jobs.starting import start

__all__ = ["Job", "JobList", "NoSuchJob", "NotPossible", "get", "jobs", "pause", "resume", "start", "stop"]
