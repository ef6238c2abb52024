"""Engine `cupy`: CUDA kernels of `../cuda`, compiled by CuPy."""
