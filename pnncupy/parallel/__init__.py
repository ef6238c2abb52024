"""Threads, processes, executors and Dask clusters: where calls run.

Nothing here knows what is run.
"""
