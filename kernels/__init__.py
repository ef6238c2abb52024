"""Compute kernels, one module per engine, on raw arrays; they know nothing of images or tasks."""
