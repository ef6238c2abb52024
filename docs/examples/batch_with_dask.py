"""
Many images with Dask
=====================

:mod:`pnncupy.batch` makes lists of jobs and works on them with processes of its own, with any
:class:`concurrent.futures.Executor`, or on a Dask cluster. Every image has the bits that a single
call would give, wherever it was made.
"""

# %%
# A list of jobs
# --------------
# Four realisations of one array. On a real cluster the inputs are usually files; see
# :doc:`/batches`.

import tempfile
from pathlib import Path

from distributed import Client, LocalCluster

import pnncupy as pnn
from pnncupy import batch
from pnncupy.io import read_image
from pnncupy.samples import load_sample

rocket = load_sample("rocket")
jobs, arrays = batch.make_jobs("generate", 4, image=rocket, output="rocket", seed=10, distinct=True)

# %%
# Work on it
# ----------
# Two workers with one thread each, in this process, so that the example starts quickly. For real
# work use processes (``LocalCluster()``) or ``Client("tcp://scheduler:8786")``.

folder = Path(tempfile.mkdtemp()) / "results"
with (
    LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster,
    Client(cluster) as client,
):
    report = batch.run(jobs, folder, arrays=arrays, executor=client)
print(f"made {report.made}, failed {len(report.failures)}")

images = {path.stem: read_image(path) for path in sorted(folder.glob("*.png"))}
figure = pnn.plot.compare(images, columns=2, size=3)

# %%
# Stop and continue
# -----------------
# Each finished image is noted in a manifest. The same call makes only what is missing: here, a file
# that was deleted. It needs no cluster.

from concurrent.futures import ThreadPoolExecutor

(folder / "rocket_002.png").unlink()
with ThreadPoolExecutor(1) as executor:
    again = batch.run(jobs, folder, arrays=arrays, executor=executor)
print(f"made {again.made}, kept {again.kept}")

same = read_image(folder / "rocket_002.png") == images["rocket_002"]
print("the same bits:", bool(same.all()))
