"""Exact nearest patches by pruning: a tree of boxes in the space of the principal patch axes.

Here live the projection of patches on these axes, the tree, the walk through it, and the counts
that decide whether it pays. No image is validated here, and nothing but keys is remembered.
"""
