// Passes of PatchMatch: every query patch tries the matches of four neighbours, and random keys.
//
// One thread works for one query patch and reads only what the pass before has written, so that
// the order of threads does not matter; see `patchmatch_pass` in `kernels/protocol.py`. Sums are formed in
// the order that is fixed there, column by column: what is above the limit after some columns is
// given up, which changes no result.
//
// Compile-time: P patch side, C channels, NORMALISED 0 or 1.

#include "sums.cuh"

// Widens the limit of sums for the rounding of a score.
#define WIDENING 1.00001f
#define TINY 1e-37f

// Loops over a patch are unrolled where that does not make the code too long.
#define UNROLL (P * P * C <= 256 ? P : 1)

typedef unsigned long long Word;

struct Image {
    const float *pixels;
    int height, width;
};

__device__ __forceinline__ float pixel_difference(const Image &query, long long place,
                                                  const Image &key, long long number)
{
    const long long query_plane = (long long)query.height * query.width;
    const long long key_plane = (long long)key.height * key.width;
    float total = square(query.pixels[place], key.pixels[number]);
#pragma unroll 4
    for (int channel = 1; channel < C; channel++)
        total = add(total, square(query.pixels[place + channel * query_plane],
                                  key.pixels[number + channel * key_plane]));
    return total;
}

// Sums of values that come one by one, by powers of two: level k holds the sum of 2^k of them where
// bit k of their number is set.
struct Sums {
    float level[TOP + 1];
};

__device__ __forceinline__ void append(Sums &sums, int count, float value)
{
#pragma unroll
    for (int k = 0; k <= TOP; k++) {
        if (!(count >> k & 1)) {
            sums.level[k] = value;
            break;
        }
        value = add(sums.level[k], value);
    }
}

__device__ __forceinline__ float total(const Sums &sums, int count)
{
    float result = 0.0f;
    bool begun = false;
#pragma unroll
    for (int k = TOP; k >= 0; k--)
        if (count >> k & 1) {
            result = begun ? add(result, sums.level[k]) : sums.level[k];
            begun = true;
        }
    return result;
}

// Sum of squared differences of two patches, or what is above `limit` and not above that sum.
__device__ float patch_sum(const Image &query, long long place, const Image &key, long long number,
                           float limit)
{
    Sums columns;
#pragma unroll UNROLL
    for (int x = 0; x < P; x++) {
        Sums rows;
#pragma unroll UNROLL
        for (int y = 0; y < P; y++)
            append(rows, y, pixel_difference(query, place + x + (long long)y * query.width, key,
                                             number + x + (long long)y * key.width));
        append(columns, x, total(rows, P));
        // Sums of the first 1, 2, 4, ... columns, and what follows the largest of these.
        const int count = x + 1;
        if (count < P && ((count & (count - 1)) == 0 || count > 1 << TOP)) {
            const float so_far = total(columns, count);
            if (less(limit, so_far))
                return so_far;
        }
    }
    return total(columns, P);
}

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

// Row and column of a key.
struct Place {
    int row, column;
};

// Match of a neighbour, moved back to the query patch at (y, x), as row and column; -1 where there
// is none. Neighbours 0 to 3 are `step` patches above, below, left and right.
__device__ __forceinline__ Place propagated_key(const int *index, int rows, int columns, int y, int x,
                                               int neighbour, int step, int key_width)
{
    const int move = step * (2 * (neighbour & 1) - 1);
    const int dy = neighbour < 2 ? move : 0, dx = neighbour < 2 ? 0 : move;
    if (y + dy < 0 || x + dx < 0 || y + dy >= rows || x + dx >= columns)
        return {-1, -1};
    const int there = index[(long long)(y + dy) * columns + x + dx];
    return {there / key_width - dy, there % key_width - dx};
}

// Row and column of a key drawn within a radius of the best one.
__device__ __forceinline__ Place random_key(long long of_patch, int draw, int row, int column,
                                           int radius, int key_rows, int key_columns)
{
    return {drawn(combined(of_patch, draw), row, radius, key_rows),
            drawn(combined(of_patch, draw + 1), column, radius, key_columns)};
}

// The best match of a query patch so far, and what to beat.
struct Best {
    int number, row, column;
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

// Try one key for the query patch at `place`.
__device__ __forceinline__ void attempt(Best &best, const Image &query, int place, const Keys &keys,
                                        int row, int column)
{
    const int rows = keys.image.height - P + 1, columns = keys.image.width - P + 1;
    if (row < 0 || column < 0 || row >= rows || column >= columns)
        return;
    const long long at = (long long)row * columns + column;
    if (!keys.usable[at])
        return;
    const int number = row * keys.image.width + column;
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
        best = {number, row, column, sum, score};
}

// Blocks: over parts of rows and, slower, rows of the query patches.
extern "C" __global__ void patchmatch_pass(const float *query, int query_height, int query_width,
                                   const float *key, int key_height, int key_width,
                                   const unsigned char *usable, const int *index, const float *sums,
                                   int *out_index, float *out_sums, int step, int radius, int draws,
                                   long long stream, const float *bound, float factor, float alpha,
                                   Word *words, const unsigned char *active)
{
    const int rows = query_height - P + 1, columns = query_width - P + 1;
    const int blocks = (columns + blockDim.x - 1) / blockDim.x;
    const int x = blockIdx.x % blocks * blockDim.x + threadIdx.x, y = blockIdx.x / blocks;
    if (x >= columns)
        return;
    const long long at = (long long)y * columns + x;
    const Image query_image = {query, query_height, query_width};
    const Keys keys = {{key, key_height, key_width}, usable, bound, words, factor, alpha};
    const int number = index[at];
    Best best = {number, number / key_width, number % key_width, sums[at], sums[at]};
    if (!active || active[at]) {
        const int place = y * query_width + x;
#if NORMALISED
        const long long key_columns = key_width - P + 1;
        best.score = normalised(best.sum, bound[best.row * key_columns + best.column], factor, alpha);
#endif
        // Compilers would repeat all of an attempt, some of them for a minute.
#pragma unroll 1
        for (int neighbour = step > 0 ? 0 : 4; neighbour < 4; neighbour++) {
            const Place there =
                propagated_key(index, rows, columns, y, x, neighbour, step, key_width);
            if (there.row != best.row || there.column != best.column)
                attempt(best, query_image, place, keys, there.row, there.column);
        }
        const long long of_patch = combined(stream, place);
#pragma unroll 1
        for (int draw = 0; radius > 0; radius /= 2)
#pragma unroll 1
            for (int k = 0; k < draws; k++, draw += 2) {
                const Place there = random_key(of_patch, draw, best.row, best.column, radius,
                                               key_height - P + 1, key_width - P + 1);
                attempt(best, query_image, place, keys, there.row, there.column);
            }
    }
    out_index[at] = best.number;
    out_sums[at] = best.sum;
}

// Sums of given pairs of patches, one a thread.
extern "C" __global__ void pair_sums(const float *query, int query_height, int query_width,
                                     const float *key, int key_height, int key_width,
                                     const int *query_number, const int *key_number, float *out,
                                     long long count)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count)
        out[i] = patch_sum({query, query_height, query_width}, query_number[i],
                           {key, key_height, key_width}, key_number[i], INFINITE);
}

extern "C" __global__ void scatter_minimum(Word *words, const int *places, const Word *values,
                                           long long count)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count && values[i] < words[places[i]])
        atomicMin(words + places[i], values[i]);
}
