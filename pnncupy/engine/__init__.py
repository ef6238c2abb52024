"""The engines: which there are, which can run here, and arrays on the way to them and back.

The kernels themselves are in `pnncupy.kernels`; nothing here knows what is searched.
"""
