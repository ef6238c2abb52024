"""
Run on a GPU
============

CuPy arrays in, CuPy arrays out: every function takes arrays on an NVIDIA GPU, and returns the bits
that it returns on the CPU. This example runs on the CPU where there is no GPU, and says so.
"""

# %%
# Engines
# -------
# :func:`pnncupy.engines` lists what can run here, and the reason where something cannot.

import numpy as np

import pnncupy as pnn
from pnncupy.samples import load_sample

for status in pnn.engines():
    print(f"{status.name:11} {'yes' if status.available else 'no ':3}  {status.detail}")

# %%
# The same call on either
# -----------------------
# ``engine="auto"`` follows the type of the array, so that only the array has to be moved.

on_gpu = any(status.name == "cupy" and status.available for status in pnn.engines())
if on_gpu:
    import cupy as xp
else:
    xp = np
print("this page was built on", "a GPU" if on_gpu else "the CPU: there was no GPU")

rocket = xp.asarray(load_sample("rocket"))
mask = xp.zeros(rocket.shape[:2], bool)
mask[40:150, 164:192] = True
filled = pnn.inpaint(rocket, mask, fill="smooth")
print("array type:", type(filled).__module__)

# %%
# Figures take arrays of either kind.

figure = pnn.plot.compare({"source": rocket, "without a mast": filled}, size=4)

# %%
# The same bits
# -------------
# With ``engine="cupy"`` a NumPy array is moved to the GPU and the result back. Where
# there is no GPU, another engine on the CPU, plain NumPy, is compared instead.

small = load_sample("rocket")[::5, ::5]
other = "cupy" if on_gpu else "numpy"
here = pnn.generate(small, rng=1, iterations=3, engine="numba")
there = pnn.generate(small, rng=1, iterations=3, engine=other)
print(f"numba and {other} agree in every bit:", bool((here == there).all()))
