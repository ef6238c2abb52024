"""Engine `numba-cuda`: the steps of engine `cupy` in Numba's CUDA Python."""
