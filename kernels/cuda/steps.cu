// What stands before and behind a search among the same keys as the one before: which query patches
// have to be searched again, and what was found.
//
// One thread works for one query patch. It lists the LENGTH best keys of the last search. A key that
// is not listed was at least as far as the last one listed, and by the triangle inequality came
// nearer by no more than the query has moved since: a listed key that is nearer than that is the
// best one, without a search. Comparisons are strict and bounds widened for rounding, so that the
// first of equal keys still wins. See `pnncupy/search/incremental.py`.
//
// Compile-time: AXES 2 for images or 3 for volumes; PZ, PY, PX sides of a patch (PZ = 1 in images),
// C channels, LENGTH of the lists.

#include "sums.cuh"
#include "patches.cuh"

// No key yet; see `packed`.
#define NOTHING (0x7f800000ULL << 32)
// A share that rounding does not take of a sum of so many squares, and one that it does not add.
#define EPSILON 1.1920929e-7f
#define WITHOUT_ROUNDING (1.0f - 4.0f * (PZ * C + 14) * EPSILON)
#define WITH_ROUNDING (1.0f + 4.0f * PZ * PY * PX * C * EPSILON)
// More than the root of what is lost of squares too small for a float.
#define TINY_STEP 1e-18f

struct State {
    // LENGTH words for each query patch, the best first when they have just been searched.
    unsigned long long *list;
    // The best key, and the sum that all keys not listed reached when the list was filled.
    int *found;
    float *reach;
    // How far the query has moved since, at most.
    float *moved;
};

// Root of the squared differences of a patch in two versions of an image, or a little more; 0 where
// no pixel has other bits: a comparison of numbers may take tiny ones for zero.
__device__ float movement(const Image &query, const float *last, long long place)
{
    float total = 0.0f;
    bool changed = false;
    for (int channel = 0; channel < C; channel++)
        for (int slice = 0; slice < PZ; slice++)
            for (int y = 0; y < PY; y++) {
                const long long first = place + channel * query.volume() + slice * query.slice() +
                                        (long long)y * query.width;
                for (int x = 0; x < PX; x++) {
                    const float now = query.pixels[first + x], before = last[first + x];
                    changed |= __float_as_uint(now) != __float_as_uint(before);
                    total = add(total, square(now, before));
                }
            }
    return changed ? add(multiply(sqrtf(total), WITH_ROUNDING), TINY_STEP) : 0.0f;
}

// Whether a listed key is certainly the best one, which is noted then; else the list is emptied but
// for a limit that as many keys pass.
__device__ bool is_certain(const State &state, const Image &query, const Image &key, long long i,
                           long long place)
{
    unsigned long long best = NOTHING;
    float farthest = 0.0f;
    for (int k = 0; k < LENGTH; k++) {
        const int number = (int)(unsigned)state.list[i * LENGTH + k] - 1;
        const float sum = number < 0 ? INFINITE : patch_sum(query, place, key, number, INFINITE);
        farthest = larger(farthest, sum);
        const unsigned long long word = packed(sum, number);
        if (number >= 0 && word < best)
            best = word;
    }
    const float reach = multiply(sqrtf(state.reach[i]), WITHOUT_ROUNDING);
    const float nearest = larger(subtract(reach, state.moved[i]), 0.0f);
    const float unlisted = multiply(multiply(nearest, nearest), WITHOUT_ROUNDING);
    if (best != NOTHING && less(score_of(best), unlisted)) {
        state.found[i] = (int)(unsigned)best - 1;
        return true;
    }
    // The next number above, as long as there is one; number 0 lets no equal key pass.
    const unsigned bits = __float_as_uint(farthest);
    const unsigned long long limit =
        (unsigned long long)(bits < __float_as_uint(INFINITE) ? bits + 1 : bits) << 32;
    for (int k = 0; k < LENGTH; k++)
        state.list[i * LENGTH + k] = limit;
    return false;
}

// Say which patches have to be searched, and which (slab, strip of rows, chunk of columns) has any.
// `last` is the query before, or null: all that are needed have to be. `key` is the canvas that the
// numbers of keys are for.
extern "C" __global__ void begin_step(const float *query_pixels, int depth, int height, int width,
                                      const float *key_pixels, int key_depth, int key_height,
                                      int key_width, const float *last,
                                      const unsigned char *needed, unsigned long long *list,
                                      int *found, float *reach, float *moved,
                                      unsigned char *active, unsigned char *busy, int strip_rows,
                                      int chunk_columns, long long count)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count)
        return;
    const Image query = {query_pixels, depth, height, width};
    const Image key = {key_pixels, key_depth, key_height, key_width};
    const State state = {list, found, reach, moved};
    const Place patches = patches_of(query);
    const Place here = {(int)(i / patches.column / patches.row),
                        (int)(i / patches.column % patches.row), (int)(i % patches.column)};
    const long long place = flat(here, height, width);
    active[i] = 0;
    if (needed && !needed[i]) {
        found[i] = 0;
        return;
    }
    if (last) {
        const float step = movement(query, last, place);
        if (step == 0.0f)
            return;
        moved[i] = add(moved[i], step);
        if (is_certain(state, query, key, i, place))
            return;
    } else {
        for (int k = 0; k < LENGTH; k++)
            list[i * LENGTH + k] = NOTHING;
    }
    active[i] = 1;
    const int strips = (patches.row + strip_rows - 1) / strip_rows;
    const int chunks = (patches.column + chunk_columns - 1) / chunk_columns;
    const long long line = (long long)here.slice * strips + here.row / strip_rows;
    busy[line * chunks + here.column / chunk_columns] = 1;
}

// Copy the numbers of the best keys to `index`. `missing` becomes 1 where a key was not found. `busy`
// is cleared for the next step.
extern "C" __global__ void end_step(const unsigned long long *list, int *found, float *reach,
                                    float *moved, const unsigned char *active, int *index,
                                    int *missing, unsigned char *busy, long long parts,
                                    long long count)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < parts)
        busy[i] = 0;
    if (i >= count)
        return;
    if (active[i]) {
        const int number = (int)(unsigned)list[i * LENGTH] - 1;
        if (number < 0)
            *missing = 1;
        found[i] = max(0, number);
        reach[i] = score_of(list[i * LENGTH + LENGTH - 1]);
        moved[i] = 0.0f;
    }
    index[i] = found[i];
}
