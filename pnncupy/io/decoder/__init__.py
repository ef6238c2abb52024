"""Programs that run in a process of their own and decode one file.

They import nothing of pnncupy, and their names none of another package: their folder is the first
that such a process imports from.
"""
