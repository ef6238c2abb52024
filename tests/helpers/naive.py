"""The slow oracle: what is computed, in plain loops and float64, written for reading only."""

import itertools
import math

import numpy as np


def patch_distance(query, key, y, x, row, column, p):
    """Mean squared difference of two patches; images are (C, H, W)."""
    total = 0.0
    for channel in range(query.shape[0]):
        for dy in range(p):
            for dx in range(p):
                a = float(query[channel, y + dy, x + dx])
                b = float(key[channel, row + dy, column + dx])
                total += (a - b) ** 2
    return total / (p * p * query.shape[0])


def patch_usable(mask, row, column, p):
    if mask is None:
        return True
    for dy in range(p):
        for dx in range(p):
            if not mask[row + dy, column + dx]:
                return False
    return True


def patch_places(image, p):
    for row in range(image.shape[1] - p + 1):
        for column in range(image.shape[2] - p + 1):
            yield row, column


def key_minimum(query, key, p, mask=None):
    """min over all queries of D, per key; infinity where the key may not be used."""
    result = np.full((key.shape[1] - p + 1, key.shape[2] - p + 1), math.inf)
    for row, column in patch_places(key, p):
        if patch_usable(mask, row, column, p):
            for y, x in patch_places(query, p):
                distance = patch_distance(query, key, y, x, row, column, p)
                if distance < result[row, column]:
                    result[row, column] = distance
    return result


def scores(query, keys, p, alpha=math.inf, masks=None):
    """Score of every (query, source, key), as a dictionary from query place to a list.

    The list holds (score, source, row, column) in the order in which ties are won.
    """
    masks = masks or [None] * len(keys)
    result = {place: [] for place in patch_places(query, p)}
    for source, (key, mask) in enumerate(zip(keys, masks, strict=True)):
        smallest = key_minimum(query, key, p, mask)
        for row, column in patch_places(key, p):
            if not patch_usable(mask, row, column, p):
                continue
            for y, x in patch_places(query, p):
                score = patch_distance(query, key, y, x, row, column, p)
                if not math.isinf(alpha):
                    score /= alpha + smallest[row, column]
                result[y, x].append((score, source, row, column))
    return result


def nearest(query, keys, p, alpha=math.inf, masks=None):
    """(source, row, column) and score of the best key of every query patch."""
    shape = (query.shape[1] - p + 1, query.shape[2] - p + 1)
    index = np.zeros((*shape, 3), int)
    best = np.zeros(shape)
    for (y, x), candidates in scores(query, keys, p, alpha, masks).items():
        lowest = candidates[0]
        for candidate in candidates[1:]:
            if candidate[0] < lowest[0]:
                lowest = candidate
        best[y, x] = lowest[0]
        index[y, x] = lowest[1:]
    return index, best


def vote(values, index, p, how, width=1.7):
    """Image (C, H, W) from patches; `index` holds (source, row, column) of each."""
    rows, columns = index.shape[:2]
    channels = values[0].shape[0]
    result = np.zeros((channels, rows + p - 1, columns + p - 1))
    side = [math.exp(-((2 * k / (p - 1) - 1) ** 2) / (2 * width**2)) for k in range(p)]
    for y in range(rows + p - 1):
        for x in range(columns + p - 1):
            covering = []
            for py in range(rows):
                for px in range(columns):
                    if py <= y < py + p and px <= x < px + p:
                        source, row, column = index[py, px]
                        dy, dx = y - py, x - px
                        pixel = values[source][:, row + dy, column + dx]
                        weight = side[dy] * side[dx]
                        off_centre = abs(2 * dy - p + 1) + abs(2 * dx - p + 1)
                        covering.append((weight, off_centre, pixel))
            for channel in range(channels):
                pixels = [float(pixel[channel]) for _, _, pixel in covering]
                weights = [weight for weight, _, _ in covering]
                if how == "weighted_mean":
                    total = sum(w * v for w, v in zip(weights, pixels, strict=True))
                    result[channel, y, x] = total / sum(weights)
                elif how == "mean":
                    result[channel, y, x] = sum(pixels) / len(pixels)
                elif how == "median":
                    result[channel, y, x] = sorted(pixels)[(len(pixels) - 1) // 2]
                elif how == "trimmed_mean":
                    trim = len(pixels) // 4
                    left = sorted(pixels)[trim : len(pixels) - trim]
                    result[channel, y, x] = sum(left) / len(left)
                else:
                    nearest_one = min(range(len(covering)), key=lambda k: covering[k][1])
                    result[channel, y, x] = pixels[nearest_one]
    return result


def cubic(t):
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    if t <= 2:
        return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return 0.0


def resize_line(line, scale, size, periodic=False):
    """Antialiased bicubic resize of a list of numbers to `size` samples around its centre.

    A periodic line has samples at equal distances, across its ends too.
    """
    if periodic:
        scale = size / len(line)
    stretch = min(scale, 1.0)
    result = []
    for k in range(size):
        centre = (len(line) - 1) / 2 + (k - (size - 1) / 2) / scale
        reach = math.ceil(2 / stretch) + 1
        total = weights = 0.0
        for position in range(math.floor(centre) - reach, math.ceil(centre) + reach + 1):
            weight = cubic((position - centre) * stretch)
            mirrored = position % len(line) if periodic else position
            while not 0 <= mirrored < len(line):
                mirrored = -1 - mirrored if mirrored < 0 else 2 * len(line) - 1 - mirrored
            total += weight * line[mirrored]
            weights += weight
        result.append(total / weights)
    return result


def resize(image, scales, shape, periodic=(False, False)):
    """Rows, then columns, of a 2-D array."""
    columns = [list(column) for column in np.asarray(image).T]
    tall = np.array([resize_line(each, scales[0], shape[0], periodic[0]) for each in columns]).T
    return np.array([resize_line(list(row), scales[1], shape[1], periodic[1]) for row in tall])


def periodic_places(image, p, periodic):
    """Where patches begin: anywhere along periodic axes."""
    rows, columns = (
        side if wraps else side - p + 1
        for side, wraps in zip(image.shape[1:], periodic, strict=True)
    )
    for row in range(rows):
        for column in range(columns):
            yield row, column


def periodic_patch(image, row, column, p):
    """Pixels (C, p, p) of a patch that may pass over the border."""
    height, width = image.shape[1:]
    result = np.zeros((image.shape[0], p, p))
    for dy in range(p):
        for dx in range(p):
            result[:, dy, dx] = image[:, (row + dy) % height, (column + dx) % width]
    return result


def periodic_step(query, key, value, p, alpha, periodic, source_periodic, mask=None):
    """One PNN step with a weighted mean, all axes of which may wrap around."""
    places = list(periodic_places(query, p, periodic))
    patches = [periodic_patch(query, *place, p) for place in places]
    keys = [
        place
        for place in periodic_places(key, p, source_periodic)
        if mask is None or periodic_patch(mask[None], *place, p).all()
    ]
    lowest = [math.inf] * len(places)
    best = [None] * len(places)
    for place in keys:
        patch = periodic_patch(key, *place, p)
        distances = [((each - patch) ** 2).mean() for each in patches]
        for number, distance in enumerate(distances):
            score = distance if math.isinf(alpha) else distance / (alpha + min(distances))
            if score < lowest[number]:
                lowest[number], best[number] = score, place
    height, width = query.shape[1:]
    total, weights = np.zeros((value.shape[0], height, width)), np.zeros((height, width))
    side = [math.exp(-((2 * k / (p - 1) - 1) ** 2) / (2 * 1.7**2)) for k in range(p)]
    for (y, x), place in zip(places, best, strict=True):
        patch = periodic_patch(value, *place, p)
        for dy in range(p):
            for dx in range(p):
                here = (y + dy) % height, (x + dx) % width
                total[:, *here] += side[dy] * side[dx] * patch[:, dy, dx]
                weights[here] += side[dy] * side[dx]
    return total / weights


def mixed(value):
    value ^= value >> 15
    value = value * 0x2C1B3C6D % 2**32
    value ^= value >> 12
    value = value * 0x297A2D39 % 2**32
    return value ^ value >> 15


def combined(stream, value):
    return mixed((stream ^ value * 0x1E3779B1) % 2**32)


def drawn(stream, best, radius, count):
    first, last = max(best - radius, 0), min(best + radius, count - 1)
    return first + (stream * (last - first + 1)) // 2**32


def patchmatch_pass(
    query, key, p, usable, index, step, radius, draws, stream, bound, alpha, active
):
    """One pass of PatchMatch with a score per pair from `distance_of_patches`.

    `p` is one side, or one for each axis; `index` and the result hold positions (row, column), or
    those in a volume. Also returns, for each key, the smallest distance that was tried and the
    number of its query; `bound` and these are means, not sums.
    """
    sides = (p,) * (query.ndim - 1) if isinstance(p, int) else p
    result = index.copy()
    nearest = {}

    def score(distance, other):
        if bound is None:
            return distance
        return distance / (alpha + min(bound[other], distance))

    for place in np.ndindex(index.shape[:-1]):
        if active is not None and not active[place]:
            continue
        other = tuple(int(each) for each in index[place])
        best = score(distance_of_patches(query, key, place, other, sides), other), other
        for tried in tries(index, place, usable.shape, step, radius, draws, stream, query):
            new = tried(best[1])
            if not all(0 <= at < count for at, count in zip(new, usable.shape, strict=True)):
                continue
            if not usable[new]:
                continue
            distance = distance_of_patches(query, key, place, new, sides)
            number = int(np.ravel_multi_index(place, query.shape[1:]))
            nearest[new] = min(nearest.get(new, (math.inf, 0)), (distance, number))
            best = min(best, (score(distance, new), new))
        result[place] = best[1]
    return result, nearest


def tries(index, place, shape, step, radius, draws, stream, query):
    """Functions from the position of the best key so far to that of the next one to try."""
    axes = range(len(place))
    for axis in axes if step else ():
        for shift in (-step, step):
            there = tuple(at + shift * (axis == each) for each, at in enumerate(place))
            if 0 <= there[axis] < index.shape[axis]:
                moved = tuple(
                    int(at) - shift * (axis == each) for each, at in enumerate(index[there])
                )
                # Nothing where it is the best one already.
                yield lambda best, moved=moved: (-1,) * len(moved) if best == moved else moved
    of_patch = combined(stream, int(np.ravel_multi_index(place, query.shape[1:])))
    draw = 0
    while radius > 0:
        for _ in range(draws):
            numbers = [combined(of_patch, draw + axis) for axis in axes]
            yield lambda best, w=radius, numbers=numbers: tuple(
                drawn(number, at, w, count)
                for number, at, count in zip(numbers, best, shape, strict=True)
            )
            draw += len(place)
        radius //= 2


def bidirectional_step(sources, result, p):
    """One step of Bidirectional Similarity: what all patches vote for, and the dissimilarity."""
    votes = np.zeros(result.shape)
    weights = np.zeros(result.shape[1:])
    own = list(patch_places(result, p))
    theirs = [
        (number, *place) for number, image in enumerate(sources) for place in patch_places(image, p)
    ]
    distances = {
        (y, x, number, row, column): patch_distance(result, sources[number], y, x, row, column, p)
        for y, x in own
        for number, row, column in theirs
    }
    total = 0.0
    for y, x in own:
        number, row, column = min(theirs, key=lambda key: distances[(y, x, *key)])
        total += distances[y, x, number, row, column] / len(own)
        for dy in range(p):
            for dx in range(p):
                votes[:, y + dy, x + dx] += sources[number][:, row + dy, column + dx] / len(own)
                weights[y + dy, x + dx] += 1 / len(own)
    for number, row, column in theirs:
        y, x = min(own, key=lambda place: distances[(*place, number, row, column)])
        total += distances[y, x, number, row, column] / len(theirs)
        for dy in range(p):
            for dx in range(p):
                votes[:, y + dy, x + dx] += sources[number][:, row + dy, column + dx] / len(theirs)
                weights[y + dy, x + dx] += 1 / len(theirs)
    return votes / weights, total


def volume_votes(volume, images, axes, p, alpha=math.inf, width=1.7):
    """One step over the slices of a volume (C, Z, Y, X): the mean of all patches over each voxel.

    Of each axis the slices are matched with its image; the smallest distance of a key is that to
    any patch of any slice.
    """
    total, weights = np.zeros(volume.shape), np.zeros(volume.shape[1:])
    side = [math.exp(-((2 * k / (p - 1) - 1) ** 2) / (2 * width**2)) for k in range(p)]
    for axis, key in zip(axes, images, strict=True):
        slices = [
            np.take(volume, number, axis=axis + 1) for number in range(volume.shape[axis + 1])
        ]
        smallest = np.min([key_minimum(each, key, p) for each in slices], axis=0)
        for number, query in enumerate(slices):
            for y, x in patch_places(query, p):
                best = math.inf, 0, 0
                for row, column in patch_places(key, p):
                    score = patch_distance(query, key, y, x, row, column, p)
                    if not math.isinf(alpha):
                        score /= alpha + smallest[row, column]
                    best = min(best, (score, row, column))
                score, row, column = best
                weight = (score * (1 if math.isinf(alpha) else alpha) + 1e-3) ** -0.5
                for dy in range(p):
                    for dx in range(p):
                        place = [y + dy, x + dx]
                        place.insert(axis, number)
                        factor = weight * side[dy] * side[dx]
                        total[(slice(None), *place)] += factor * key[:, row + dy, column + dx]
                        weights[tuple(place)] += factor
    return total / weights


def matched_values(values, reference):
    """Values replaced by those of the same rank in a reference; equal ones by the middle one."""
    ranked, result = sorted(reference), np.empty(values.shape)
    for place, value in np.ndenumerate(values):
        below = sum(other < value for other in values.flat)
        equal = sum(other == value for other in values.flat)
        result[place] = ranked[(2 * below + equal) * len(ranked) // (2 * values.size)]
    return result


# The same with any number of axes: images are (C, ...), patches have a side along each axis.


def patch_of(image, place, sides):
    return image[(slice(None), *(slice(k, k + side) for k, side in zip(place, sides, strict=True)))]


def places_of(shape, sides):
    yield from np.ndindex(*(pixels - side + 1 for pixels, side in zip(shape, sides, strict=True)))


def distance_of_patches(query, key, place, other, sides):
    """Mean squared difference of two patches, value by value."""
    one, two = patch_of(query, place, sides), patch_of(key, other, sides)
    total = 0.0
    for at in np.ndindex(one.shape):
        total += (float(one[at]) - float(two[at])) ** 2
    return total / one.size


def nearest_of_patches(query, keys, sides, alpha=math.inf, masks=None):
    """(source, place...) and score of the best key of every query patch; ties to the first."""
    masks = masks or [None] * len(keys)
    best = dict.fromkeys(places_of(query.shape[1:], sides), (math.inf, None))
    for source, (key, mask) in enumerate(zip(keys, masks, strict=True)):
        for other in places_of(key.shape[1:], sides):
            if mask is not None and not patch_of(mask[None], other, sides).all():
                continue
            distances = {
                place: distance_of_patches(query, key, place, other, sides) for place in best
            }
            smallest = min(distances.values())
            for place, distance in distances.items():
                score = distance if math.isinf(alpha) else distance / (alpha + smallest)
                if score < best[place][0]:
                    best[place] = score, (source, *other)
    return {place: match for place, (_, match) in best.items()}, {
        place: score for place, (score, _) in best.items()
    }


def vote_of_patches(values, index, sides, how, width=1.7):
    """Image (C, ...) from patches; `index` holds (source, place...) of each."""
    shape = [count + side - 1 for count, side in zip(index.shape[:-1], sides, strict=True)]
    result = np.zeros((values[0].shape[0], *shape))
    for pixel in np.ndindex(*shape):
        covering = []
        for place in np.ndindex(*index.shape[:-1]):
            offset = [at - start for at, start in zip(pixel, place, strict=True)]
            if all(0 <= k < side for k, side in zip(offset, sides, strict=True)):
                source, *match = index[place]
                at = tuple(start + k for start, k in zip(match, offset, strict=True))
                steps = [
                    (2 * k / (side - 1) - 1 if side > 1 else 0.0)
                    for k, side in zip(offset, sides, strict=True)
                ]
                weight = math.exp(-sum(step**2 for step in steps) / (2 * width**2))
                off_centre = [
                    (abs(2 * k - side + 1), -k) for k, side in zip(offset, sides, strict=True)
                ]
                covering.append((weight, off_centre, values[source][(slice(None), *at)]))
        pixels = np.array([each for _, _, each in covering], float)
        weights = np.array([weight for weight, _, _ in covering])
        if how == "weighted_mean":
            made = (weights[:, None] * pixels).sum(axis=0) / weights.sum()
        elif how == "mean":
            made = pixels.mean(axis=0)
        elif how == "median":
            made = np.sort(pixels, axis=0)[(len(pixels) - 1) // 2]
        elif how == "trimmed_mean":
            trim = len(pixels) // 4
            made = np.sort(pixels, axis=0)[trim : len(pixels) - trim].mean(axis=0)
        else:
            made = pixels[min(range(len(covering)), key=lambda k: covering[k][1])]
        result[(slice(None), *pixel)] = made
    return result


def on_sphere(values, centre, radius):
    """A pixel as a vector of length `radius`, one value longer."""
    vector = [float(value) - middle for value, middle in zip(values, centre, strict=True)]
    return [*vector, math.sqrt(max(0.0, radius**2 - sum(each**2 for each in vector)))]


def weighted_mean(query, keys, values, p, sigma, side):
    """Denoised image (C, H, W): weighted means of all patches, and a weighted vote of these.

    Double precision, with all weights; `side` is one axis of the vote's weights.
    """
    total = np.zeros((len(values[0]), *query.shape[1:]))
    weights = np.zeros(query.shape[1:])
    for y, x in patch_places(query, p):
        sums = [
            (number, row, column, patch_distance(query, key, y, x, row, column, p) * p * p
             * len(query))
            for number, key in enumerate(keys) for row, column in patch_places(key, p)
        ]  # fmt: skip
        least = min(each[3] for each in sums)
        mean, whole = np.zeros((len(values[0]), p, p)), 0.0
        for number, row, column, squares in sums:
            weight = math.exp(-(squares - least) / (2 * sigma**2))
            whole += weight
            mean += weight * values[number][:, row : row + p, column : column + p]
        for dy in range(p):
            for dx in range(p):
                weight = side[dy] * side[dx]
                total[:, y + dy, x + dx] += weight * mean[:, dy, dx] / whole
                weights[y + dy, x + dx] += weight
    return total / weights


def update_lists(query, key, p, usable, index, length, step, radius, draws, stream):
    """One pass with lists of keys: (sum, flat index) of the `length` best ones of all tried."""
    rows, columns = index.shape[:2]
    result = {}
    for y, x in np.ndindex(rows, columns):
        own = [divmod(int(number), key.shape[2]) for number in index[y, x] if number >= 0]
        tried = list(own)
        for dy, dx in ((-step, 0), (step, 0), (0, -step), (0, step)):
            if step == 0 or not (0 <= y + dy < rows and 0 <= x + dx < columns):
                continue
            for number in index[y + dy, x + dx]:
                if number >= 0:
                    row, column = divmod(int(number), key.shape[2])
                    tried.append((row - dy, column - dx))
        of_patch, draw = combined(stream, y * query.shape[2] + x), 0
        while radius >> draw // draws > 0:
            number = int(index[y, x, draw % length])
            centre = (y, x) if number < 0 else divmod(number, key.shape[2])
            tried.append(tuple(
                drawn(combined(of_patch, 2 * draw + axis), min(at, count - 1),
                      radius >> draw // draws, count)
                for axis, (at, count) in enumerate(zip(centre, usable.shape, strict=True))
            ))  # fmt: skip
            draw += 1
        inside = {
            place for place in tried
            if all(0 <= at < count for at, count in zip(place, usable.shape, strict=True))
            and usable[place]
        }  # fmt: skip
        factor = p * p * len(query)
        result[y, x] = sorted(
            (round(patch_distance(query, key, y, x, *place, p) * factor),
             place[0] * key.shape[2] + place[1])
            for place in inside
        )[:length]  # fmt: skip
    return result


def listed_values(index, weight, value, side, shape):
    """Weighted value patches times a separable window, added up in the pixels they cover."""
    made = np.zeros((len(value), *shape))
    for y, x, k in np.ndindex(index.shape):
        row, column = divmod(int(index[y, x, k]), value.shape[2])
        for dy, dx in np.ndindex(len(side), len(side)):
            if index[y, x, k] >= 0:
                counted = float(weight[y, x, k]) * side[dy] * side[dx]
                made[:, y + dy, x + dx] += counted * value[:, row + dy, column + dx]
    return made


def diffusion(sources, shapes, sigmas, noises, p, side, resize):
    """Image made of noise from coarse to fine, by the formulas of flow matching.

    `sources` (C, h, w), `shapes`, falling `sigmas` and standard normal `noises` are those of each
    level from full size. The state is ``a x + b n`` of image and noise with a + b = 1 and sigma =
    b / (2 a), for values from -1 to 1; `resize(image, shape)` goes from level to level.
    """
    made = None
    for level in range(len(shapes) - 1, -1, -1):
        source, shape = 2 * sources[level].astype(float) - 1, shapes[level]
        is_coarsest = made is None
        mean = 2 * sources[-1].mean(axis=(1, 2), dtype=float, keepdims=True) - 1
        low = mean + np.zeros((1, *shape)) if is_coarsest else resize(made, shape)
        shares = [2 * sigma / (1 + 2 * sigma) for sigma in sigmas[level]]
        signal = 1 - shares[0]
        state = signal * low + shares[0] * noises[level]
        for number, share in enumerate(shares):
            after = shares[number + 1] if number + 1 < len(shares) else 0.0
            after = after if after < share else 0.0
            clean = weighted_mean(
                state / signal, [source], [source], p, share / (1 - share), side
            )  # fmt: skip
            noise = (state - signal * clean) / share
            if after and not is_coarsest:
                half = tuple(-(-count // 2) for count in shape)
                clean = clean - resize(resize(clean, half), shape) + low
            signal = 1 - after
            state = signal * clean + after * noise
        made = state
    return (made + 1) / 2


def hard_data_step(query, key, p, known, data, weight):
    """One step at full size: known pixels count `weight` times, and are put back in the end.

    Images are (C, H, W), `known` is (H, W). Pixels are compared on a sphere of twice the half
    diagonal of their values, hard data included.
    """
    channels = range(len(query))
    query = np.where(known, data, query)
    seen = np.concatenate([key.reshape(len(key), -1), data[:, known]], axis=1)
    centre = [(float(seen[c].min()) + float(seen[c].max())) / 2 for c in channels]
    half = [(float(seen[c].max()) - float(seen[c].min())) / 2 for c in channels]
    radius = 2 * math.sqrt(sum(each**2 for each in half))

    def sphere(image):
        return {
            place: on_sphere(image[(slice(None), *place)], centre, radius)
            for place in np.ndindex(image.shape[1:])
        }

    of_query, of_key = sphere(query), sphere(key)
    index = np.zeros((query.shape[1] - p + 1, query.shape[2] - p + 1, 3), int)
    for y, x in patch_places(query, p):
        best = math.inf, 0, 0
        for row, column in patch_places(key, p):
            total = 0.0
            for dy in range(p):
                for dx in range(p):
                    one, two = of_query[y + dy, x + dx], of_key[row + dy, column + dx]
                    squares = sum((a - b) ** 2 for a, b in zip(one, two, strict=True))
                    total += squares * (weight if known[y + dy, x + dx] else 1)
            best = min(best, (total, row, column))
        index[y, x, 1:] = best[1:]
    voted = vote([key], index, p, "weighted_mean")
    return np.where(known, data, voted), index


def coarse_hard_data(data, known, ratio, level, shape):
    """Means (C, h, w) of the known pixels whose centres are in a coarse pixel, and where some are.

    The centre of the image stays where it is.
    """
    members = {}
    for y, x in zip(*np.nonzero(known), strict=True):
        place = []
        for at, side, new in zip((y, x), known.shape, shape, strict=True):
            centre = new / 2 + (at + 0.5 - side / 2) * ratio**level
            place.append(min(max(math.floor(centre), 0), new - 1))
        members.setdefault(tuple(place), []).append(data[:, y, x])
    means, mask = np.zeros((len(data), *shape)), np.zeros(shape, bool)
    for place, values in members.items():
        means[(slice(None), *place)] = sum(np.asarray(each, float) for each in values) / len(values)
        mask[place] = True
    return means, mask


# Descriptors


def pair_differences(shape, wraps, axis=None):
    """(distance, place, other) of all pairs of pixels, both orders, the shortest ways around."""
    places = list(np.ndindex(*shape))
    for place in places:
        for other in places:
            square = 0
            for one, two, side, each in zip(place, other, shape, wraps, strict=True):
                steps = abs(one - two)
                square += min(steps, side - steps) ** 2 if each else steps**2
            along = all(place[each] == other[each] for each in range(len(shape)) if each != axis)
            if axis is None or along:
                yield round(math.sqrt(square)), place, other


def pair_share(shape, wraps, reach, counted, among=None, axis=None):
    """Share of the pairs at each distance that are counted, among others or all."""
    hits, pairs = np.zeros(reach + 1), np.zeros(reach + 1)
    for distance, place, other in pair_differences(shape, wraps, axis):
        if distance <= reach and (among is None or among(place, other)):
            pairs[distance] += 1
            hits[distance] += counted(place, other)
    with np.errstate(invalid="ignore"):
        return hits / pairs


def neighbours(place, shape, wraps, connectivity):
    """Positions of the neighbours of a pixel."""
    for step in np.ndindex(*(3,) * len(shape)):
        moves = [move - 1 for move in step]
        if not 0 < sum(map(abs, moves)) <= connectivity:
            continue
        near = [one + move for one, move in zip(place, moves, strict=True)]
        near = [
            one % side if each else one for one, side, each in zip(near, shape, wraps, strict=True)
        ]
        if all(0 <= one < side for one, side in zip(near, shape, strict=True)):
            yield tuple(near)


def clusters(phase, connectivity, wraps):
    """Numbers of the connected clusters of True from 1 on, by filling them one by one."""
    numbers = np.zeros(phase.shape, int)
    count = 0
    for place in np.ndindex(*phase.shape):
        if not phase[place] or numbers[place]:
            continue
        count += 1
        numbers[place], ahead = count, [place]
        while ahead:
            for near in neighbours(ahead.pop(), phase.shape, wraps, connectivity):
                if phase[near] and not numbers[near]:
                    numbers[near] = count
                    ahead.append(near)
    return numbers, count


def lines(phase, axis):
    """All lines of pixels along an axis."""
    for place in np.ndindex(*np.delete(phase.shape, axis)):
        yield [bool(phase[(*place[:axis], k, *place[axis:])]) for k in range(phase.shape[axis])]


def lineal_path(phase, axes, wraps, reach):
    """Share of the segments that are wholly inside, for each distance of their ends."""
    hits, places = np.zeros(reach + 1), np.zeros(reach + 1)
    for axis in axes:
        for line in lines(phase, axis):
            for start in range(len(line)):
                for distance in range(reach + 1):
                    if not wraps[axis] and start + distance >= len(line):
                        continue
                    segment = [line[(start + k) % len(line)] for k in range(distance + 1)]
                    places[distance] += 1
                    hits[distance] += all(segment)
    return hits / places


def chord_lengths(phase, axes, wraps, cut):
    """Lengths of all chords, ascending."""
    found = []
    for axis in axes:
        for line in lines(phase, axis):
            side = len(line)
            for start in range(side):
                for length in range(1, side):
                    if start + length > side and not wraps[axis]:
                        continue
                    before, after = start - 1, start + length
                    ends = 0
                    for end in (before, after):
                        if wraps[axis] or 0 <= end < side:
                            ends += not line[end % side]
                        else:
                            ends += cut
                    inside = all(line[(start + k) % side] for k in range(length))
                    if inside and ends == 2:
                        found.append(length)
            if cut and not wraps[axis] and all(line):
                found.append(side)
    return sorted(found)


def local_thickness(phase, wraps):
    """Diameter of the largest ball inside of the phase around each pixel, by trying all."""
    others = [place for place in np.ndindex(*phase.shape) if not phase[place]]
    found = np.zeros(phase.shape)

    def squared(one, other):
        total = 0
        for a, b, side, each in zip(one, other, phase.shape, wraps, strict=True):
            steps = abs(a - b)
            total += min(steps, side - steps) ** 2 if each else steps**2
        return total

    for centre in np.ndindex(*phase.shape):
        if phase[centre]:
            least = min(squared(centre, other) for other in others)
            for place in np.ndindex(*phase.shape):
                if squared(centre, place) < least:
                    found[place] = max(found[place], 2 * math.sqrt(least))
    return found


def variogram(values, wraps, reach, axis=None):
    """Semivariance and number of pairs at each distance; NaN is unknown."""
    sums, pairs = np.zeros(reach + 1), np.zeros(reach + 1)
    for distance, place, other in pair_differences(values.shape, wraps, axis):
        difference = float(values[place]) - float(values[other])
        if distance <= reach and not math.isnan(difference):
            pairs[distance] += 1
            sums[distance] += difference**2 / 2
    with np.errstate(invalid="ignore"):
        return sums / pairs, np.where(np.arange(reach + 1) > 0, pairs / 2, pairs)


def window_shares(phase, side, wraps):
    """Share of the phase in all windows of a size."""
    starts = [
        range(length if each else length - side + 1)
        for length, each in zip(phase.shape, wraps, strict=True)
    ]
    found = []
    for start in itertools.product(*starts):
        inside = [
            phase[tuple((a + b) % n for a, b, n in zip(start, step, phase.shape, strict=True))]
            for step in np.ndindex(*(side,) * phase.ndim)
        ]
        found.append(np.mean(inside))
    return np.array(found)
