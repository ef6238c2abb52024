"""The command line: words become calls of the library, results become files.

Loaded before a signal is guarded against, so nothing is imported here.
"""
