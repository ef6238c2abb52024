"""Searches for the nearest patch: exact, incremental, approximate, on one machine or many.

Planes go in, flat indices and scores come out. Nothing here knows of levels or votes.
"""
