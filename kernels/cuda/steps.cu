// What stands before and behind a search among the same keys as the one before: which query patches
// changed, and what was found.
//
// One thread works for one query patch. Pixels are compared by their bits: a comparison of numbers
// may take tiny ones for zero.
//
// Compile-time: AXES 2 for images or 3 for volumes; PZ, PY, PX sides of a patch (PZ = 1 in images),
// C channels.

#include "sums.cuh"

// No key yet; see `packed`.
#define NOTHING (0x7f800000ULL << 32)

struct Grid {
    int depth, height, width;

    __device__ __forceinline__ int rows() const { return height - PY + 1; }
    __device__ __forceinline__ int columns() const { return width - PX + 1; }
};

// Whether two versions of an image differ in a patch.
__device__ bool is_changed(const int *query, const int *last, const Grid &grid, int z, int y, int x)
{
    const int depth = AXES == 2 ? 1 : grid.depth;
    for (int channel = 0; channel < C; channel++)
        for (int slice = z; slice < z + PZ; slice++)
            for (int row = y; row < y + PY; row++) {
                const long long line = (long long)(channel * depth + slice) * grid.height + row;
                for (int column = x; column < x + PX; column++) {
                    const long long place = line * grid.width + column;
                    if (query[place] != last[place])
                        return true;
                }
            }
    return false;
}

// Forget the matches of the patches that are needed and changed since the query `last`; null for
// all. Say which these are, and which (slab, chunk of rows, strip of columns) has any.
extern "C" __global__ void begin_step(const float *query, int depth, int height, int width,
                                      const float *last, const unsigned char *needed,
                                      unsigned long long *best, unsigned char *active,
                                      unsigned char *busy, int chunk_rows, int strip, long long count)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count)
        return;
    const Grid grid = {depth, height, width};
    const int x = i % grid.columns(), y = i / grid.columns() % grid.rows();
    const int z = i / grid.columns() / grid.rows();
    const bool search =
        (!needed || needed[i]) &&
        (!last || is_changed((const int *)query, (const int *)last, grid, z, y, x));
    active[i] = search;
    if (!search)
        return;
    best[i] = NOTHING;
    const int chunks = (grid.rows() + chunk_rows - 1) / chunk_rows;
    const int strips = (grid.columns() + strip - 1) / strip;
    busy[((long long)z * chunks + y / chunk_rows) * strips + x / strip] = 1;
}

// Numbers of the best keys; 0 for patches that are not needed. `missing` becomes 1 where a key was
// not found. `busy` is cleared for the next step.
extern "C" __global__ void end_step(const unsigned long long *best, const unsigned char *needed,
                                    int *index, int *missing, unsigned char *busy, long long parts,
                                    long long count)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < parts)
        busy[i] = 0;
    if (i >= count)
        return;
    const int number = (int)(unsigned)best[i] - 1;
    const bool wanted = !needed || needed[i];
    if (wanted && number < 0)
        *missing = 1;
    index[i] = wanted ? max(0, number) : 0;
}
