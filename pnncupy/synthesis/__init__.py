"""The paper's method: coarse to fine, at each level PNN steps of search and vote.

`coarse_to_fine` is the loop, `problem` what it is given. Dtypes and files are no business of these.
"""
