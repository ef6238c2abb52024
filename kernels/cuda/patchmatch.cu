// Passes of PatchMatch: every query patch tries the matches of its neighbours, two along each axis,
// and random keys.
//
// One thread works for one query patch and reads only what the pass before has written, so that
// the order of threads does not matter; see `patchmatch_pass` in `kernels/protocol.py`. Sums are formed in
// the order that is fixed there, column by column: what is above the limit after some columns is
// given up, which changes no result.
//
// Compile-time: AXES 2 for images or 3 for volumes; PZ, PY, PX sides of a patch (PZ = 1 in images),
// C channels, NORMALISED 0 or 1.

#include "sums.cuh"
#include "patches.cuh"

// Widens the limit of sums for the rounding of a score.
#define WIDENING 1.00001f
#define TINY 1e-37f

typedef unsigned long long Word;

// The same as `kernels/random_bits.py`.
__device__ __forceinline__ long long mixed(long long value)
{
    value ^= value >> 15;
    value = value * 0x2C1B3C6DLL & 0xFFFFFFFFLL;
    value ^= value >> 12;
    value = value * 0x297A2D39LL & 0xFFFFFFFFLL;
    return value ^ value >> 15;
}

__device__ __forceinline__ long long combined(long long stream, long long value)
{
    return mixed((stream ^ value * 0x1E3779B1LL) & 0xFFFFFFFFLL);
}

// A position within a radius of the best one, inside of [0, count).
__device__ __forceinline__ int drawn(long long stream, int best, int radius, int count)
{
    const int first = max(best - radius, 0), last = min(best + radius, count - 1);
    return first + (int)(stream * (last - first + 1) >> 32);
}

__device__ __forceinline__ float normalised(float sum, float bound, float factor, float alpha)
{
    const float smallest = smaller(bound, sum);
    return multiply(sum, divide(factor, add(alpha, multiply(smallest, factor))));
}

__device__ __forceinline__ Word word_of(float sum, int number)
{
    return (Word)__float_as_uint(sum) << 32 | (unsigned)number;
}

// Match of a neighbour, moved back to the query patch at `here`; what is not inside of the key image
// where there is none. Neighbours are `step` patches before and behind along the slices (in volumes
// only), the rows, and the columns, numbered so that those along the rows are 2 and 3.
__device__ __forceinline__ Place propagated_key(const int *index, const Place &patches,
                                                const Place &here, int neighbour, int step,
                                                const Image &key)
{
    const int axis = neighbour >> 1, move = step * (2 * (neighbour & 1) - 1);
    const int dz = AXES == 3 && axis == 0 ? move : 0, dy = axis == 1 ? move : 0;
    const int dx = axis == 2 ? move : 0;
    const Place moved = {here.slice + dz, here.row + dy, here.column + dx};
    if (!is_inside(moved, patches))
        return {-1, -1, -1};
    const Place there = place_of(index[flat(moved, patches.row, patches.column)], key);
    return {there.slice - dz, there.row - dy, there.column - dx};
}

// A key drawn within a radius of the best one; `draw` counts the random numbers used.
__device__ __forceinline__ Place random_key(long long of_patch, int draw, const Place &best,
                                            int radius, const Place &keys)
{
    const int row = draw + AXES - 2;
    return {AXES == 2 ? 0 : drawn(combined(of_patch, draw), best.slice, radius, keys.slice),
            drawn(combined(of_patch, row), best.row, radius, keys.row),
            drawn(combined(of_patch, row + 1), best.column, radius, keys.column)};
}

// The best match of a query patch so far, and what to beat.
struct Best {
    int number;
    Place place;
    float sum, score;
};

struct Keys {
    Image image;
    const unsigned char *usable;
    const float *bound;
    Word *words;
    float factor, alpha;
};

// Whether a key is better than the best one; of equal scores the lower flat index is.
__device__ __forceinline__ bool accept(const Best &best, float score, int number)
{
    return less(score, best.score) || (at_most(score, best.score) && number < best.number);
}

// Try one key for the query patch whose first pixel has the number `place`.
__device__ __forceinline__ void attempt(Best &best, const Image &query, int place, const Keys &keys,
                                        const Place &key)
{
    const Place count = patches_of(keys.image);
    if (!is_inside(key, count))
        return;
    const int at = flat(key, count.row, count.column);
    if (!keys.usable[at])
        return;
    const int number = flat(key, keys.image.height, keys.image.width);
    float limit = best.sum;
#if NORMALISED
    const float bound = keys.bound[at];
    const float least_per_score =
        divide(add(keys.alpha, multiply(bound, keys.factor)), keys.factor);
    limit = multiply(multiply(add(best.score, TINY), least_per_score), WIDENING);
    // Sums up to the bound count for the key, whatever they score.
    limit = larger(limit, bound);
#endif
    const float sum = patch_sum(query, place, keys.image, number, limit);
    if (!at_most(sum, limit))
        return;
    float score = sum;
#if NORMALISED
    const Word mine = word_of(sum, place);
    // A look is cheaper than an atomic operation, and mostly shows it needless.
    if (mine < keys.words[at])
        atomicMin(keys.words + at, mine);
    score = normalised(sum, bound, keys.factor, keys.alpha);
#endif
    if (accept(best, score, number))
        best = {number, key, sum, score};
}

// Blocks: over parts of rows and, slower, rows of the query patches, slice by slice.
extern "C" __global__ void patchmatch_pass(
    const float *query, int query_depth, int query_height, int query_width, const float *key,
    int key_depth, int key_height, int key_width, const unsigned char *usable, const int *index,
    const float *sums, int *out_index, float *out_sums, int step, int radius, int draws,
    long long stream, const float *bound, float factor, float alpha, Word *words,
    const unsigned char *active)
{
    const Image query_image = {query, query_depth, query_height, query_width};
    const Keys keys = {{key, key_depth, key_height, key_width}, usable, bound, words, factor, alpha};
    const Place patches = patches_of(query_image), key_patches = patches_of(keys.image);
    const int blocks = (patches.column + blockDim.x - 1) / blockDim.x, line = blockIdx.x / blocks;
    const Place here = {AXES == 2 ? 0 : line / patches.row, AXES == 2 ? line : line % patches.row,
                        (int)(blockIdx.x % blocks * blockDim.x + threadIdx.x)};
    if (here.column >= patches.column)
        return;
    const int at = flat(here, patches.row, patches.column);
    Best best = {index[at], place_of(index[at], keys.image), sums[at], sums[at]};
    if (!active || active[at]) {
        const int place = flat(here, query_height, query_width);
#if NORMALISED
        best.score = normalised(best.sum, bound[flat(best.place, key_patches.row, key_patches.column)],
                                factor, alpha);
#endif
        // Compilers would repeat all of an attempt, some of them for a minute.
#pragma unroll 1
        for (int neighbour = step > 0 ? 6 - 2 * AXES : 6; neighbour < 6; neighbour++) {
            const Place there = propagated_key(index, patches, here, neighbour, step, keys.image);
            if (!is_same(there, best.place))
                attempt(best, query_image, place, keys, there);
        }
        const long long of_patch = combined(stream, place);
#pragma unroll 1
        for (int draw = 0; radius > 0; radius /= 2)
#pragma unroll 1
            for (int k = 0; k < draws; k++, draw += AXES)
                attempt(best, query_image, place, keys,
                        random_key(of_patch, draw, best.place, radius, key_patches));
    }
    out_index[at] = best.number;
    out_sums[at] = best.sum;
}

// Sums of given pairs of patches, one a thread.
extern "C" __global__ void pair_sums(const float *query, int query_depth, int query_height,
                                     int query_width, const float *key, int key_depth,
                                     int key_height, int key_width, const int *query_number,
                                     const int *key_number, float *out, long long count)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count)
        out[i] = patch_sum({query, query_depth, query_height, query_width}, query_number[i],
                           {key, key_depth, key_height, key_width}, key_number[i], INFINITE);
}

extern "C" __global__ void scatter_minimum(Word *words, const int *places, const Word *values,
                                           long long count)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count && values[i] < words[places[i]])
        atomicMin(words + places[i], values[i]);
}
