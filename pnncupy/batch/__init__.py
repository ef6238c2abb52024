"""Lists of jobs, worked on by processes, executors or a Dask cluster, and resumed.

A job is one call of a task from files to a file; what a task does is no business of these modules.
"""

from pnncupy.batch.job import Job
from pnncupy.batch.job_files import jobs_of_folder, jobs_of_toml
from pnncupy.batch.job_list import JobList
from pnncupy.batch.runner import Progress, Report, count_kept, make_jobs, run
from pnncupy.parallel.executors import SchedulerLost
from pnncupy.parallel.process_pool import ProcessPool, WorkerDied

__all__ = [
    "Job", "JobList", "ProcessPool", "Progress", "Report", "SchedulerLost", "WorkerDied",
    "count_kept", "jobs_of_folder", "jobs_of_toml", "make_jobs", "run",
]  # fmt: skip
