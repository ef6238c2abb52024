"""A batch whose workers are killed at random moments; run by hand and, smaller, by test_batch.py.

python tests/killed_batch.py JOBS KILLS
"""

import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from pnncupy import batch
from pnncupy.batch.job import file_digest


def jobs_of(count):
    image = np.random.default_rng(0).integers(0, 256, (90, 110, 3)).astype(np.uint8)
    return batch.make_jobs("generate", count, image=image, output="small", iterations=5, seed=4)


def run(folder, jobs, arrays, kills, seconds=0.0):
    """Make all jobs with two workers, of which so many are killed within about these seconds."""
    pool = batch.ProcessPool(2, 1)
    chance = random.Random(1)
    killed = []

    def kill():
        while len(killed) < kills:
            time.sleep(chance.uniform(0, 2 * seconds / kills))
            pids = pool.pids()
            if pids:
                pid = chance.choice(pids)
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                except ProcessLookupError:
                    continue

    threading.Thread(target=kill, daemon=True).start()
    try:
        report = batch.run(jobs, folder, arrays=arrays, executor=pool)
    finally:
        pool.shutdown()
    return report, len(killed)


def compare(count, kills):
    """Images of an undisturbed and of a disturbed run, and how the latter went."""
    jobs, arrays = jobs_of(count)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        start = time.perf_counter()
        clean, _ = run(Path(first), jobs, arrays, 0)
        seconds = time.perf_counter() - start
        report, killed = run(Path(second), jobs, arrays, kills, 0.7 * seconds)
        digests = [
            {file.name: file_digest(file) for file in Path(folder).iterdir()
             if file.name != "manifest.jsonl"}
            for folder in (first, second)
        ]  # fmt: skip
    assert clean.made == count
    assert not clean.failures
    return digests, report, killed


def main():
    count, kills = (int(word) for word in sys.argv[1:3])
    (clean, disturbed), report, killed = compare(count, kills)
    for job, error in report.failures:
        print(f"{job.output}: {error}")
    print(f"{killed} kills, {report.made} made, {len(report.failures)} failed, "
          f"{'equal' if clean == disturbed else 'NOT EQUAL'}, {len(disturbed)} files")  # fmt: skip


if __name__ == "__main__":
    main()
