"""Waiting for something to happen, instead of for a fixed time."""

import time


def wait_until(condition, seconds=60, between=0.02):
    """Return what a condition returns as soon as that is true; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(between)
    return result
