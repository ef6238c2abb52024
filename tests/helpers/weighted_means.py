"""Requests for weighted means of random images, and what an engine makes of them."""

import math
from dataclasses import replace

import numpy as np
from contract import on_host

from pnncupy.kernels.protocol import MeanRequest

# Channels, pixels of query and key, patch size, noise, channels of values.
CASES = [
    (3, (14, 21), (10, 17), 5, 0.3, 3),
    (3, (14, 21), (10, 17), 5, 0.02, 1),
    (1, (20, 40), (33, 17), 7, 0.3, 2),
    (2, (17, 45), (16, 37), 15, 0.4, 3),
    (1, (9, 70), (9, 70), 4, 0.15, 3),
]


def no_tick(pairs):
    """Count nothing."""


def case_of(random, channels, shape, key_shape, size, sigma, values, unusable=True):
    """A request, and values, of random images."""
    query = random.random((channels, *shape), np.float32)
    key = random.random((channels, *key_shape), np.float32)
    if unusable and 1 < size < 7:
        key[0, 2, 3] = np.inf
    counts = tuple(side - size + 1 for side in shape)
    scale = np.float32(1 / (2 * sigma**2 * math.log(2)))
    # The key of some patch may be the best one, or near it.
    bound = np.full(counts, np.inf, np.float32)
    bound[::2] = bound_of(query, key, size)[::2]
    request = MeanRequest(
        query, key, size, bound, bound + np.float32(30) / scale, scale, key_shape[1] + 3, 11
    )
    return request, random.random((values, *key_shape), np.float32)


def bound_of(query, key, size):
    """Sums of the query patches and the key patch in the last corner."""
    rows, columns = (side - size for side in key.shape[1:])
    corner = key[:, None, None, rows:, columns:]
    patches = np.lib.stride_tricks.sliding_window_view(query, (size, size), axis=(1, 2))
    return ((patches - corner) ** 2).sum(axis=(0, 3, 4)).astype(np.float32) * np.float32(1.001)


def side_of(size):
    return np.exp(-(np.linspace(-1, 1, size) ** 2) / 0.2).astype(np.float32) if size > 1 else (
        np.ones(1, np.float32)
    )  # fmt: skip


def means(engine, request, value, threads=1, xp=np, tick=no_tick, halvings=30):
    """Smallest sums, totals, nearest keys and weighted sums of values, on the host.

    Keys have a weight down to so many halvings.
    """
    how = {"threads": threads, "tick": tick}
    least = request.least.copy()
    query, key, lowered, bound, value = (
        xp.asarray(each) for each in (request.query, request.key, least, request.limit, value)
    )
    request = replace(request, query=query, key=key, least=lowered, limit=bound)
    reached = engine.lower_least(request, **how)
    least = on_host(xp, lowered)
    limit = xp.asarray(least + np.float32(halvings) / request.scale)
    request = replace(request, limit=limit)
    total, index = xp.zeros(least.shape, np.float32), xp.full(least.shape, -1, np.int32)
    engine.add_weights(request, reached, total, index, **how)
    factor, window = np.float32(1) / on_host(xp, total), side_of(request.patch_size)
    out = xp.zeros((len(value), *query.shape[1:]), np.float32)
    engine.add_values(
        request, reached, xp.asarray(factor), value, xp.asarray(window), out, **how
    )  # fmt: skip
    return least, on_host(xp, total), on_host(xp, index), on_host(xp, out)
