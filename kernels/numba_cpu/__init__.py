"""Engine `numba`: compiled and vectorised kernels for CPUs.

`engine` is what `protocol.Engine` asks for; the other modules hold one kernel each.
"""
