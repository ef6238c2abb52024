// The best key patch of every query patch, exactly.
//
// One thread owns one displacement (dx, dy) between query and key and a strip of STRIP rows of query
// patches. It walks along the columns and sums the squared differences of pixels over the patch by
// sliding sums: those along the rows are a tree over the strip, those along the columns wait in
// registers, one history for each row of the strip. Threads of a block have consecutive dx, so that
// query pixels are broadcast from shared memory and key pixels are read without conflicts. TILE
// columns at a time are in shared memory; key pixels of many planes stay in the device's memory.
//
// Sums are formed in the order of `kernels/protocol.py` and nothing is contracted to fused
// multiply-adds, so that every engine returns the same bits. Scores are not negative, so their bits
// order like unsigned integers: the best of a query is one 64-bit word, score first, then the
// number of the key, and one atomic minimum decides ties for the lower key. A list of several is
// as many words, each lowered in turn: what a minimum drives out is offered to the next place, so
// that every word moves on until it fits, and the list ends sorted whatever the order of threads.
// Keys learn their nearest query from words in the same way.
//
// A volume is searched slab by slab: PZ slices are an image of PZ * C planes, see `kernels/slabs.py`.
// One launch searches all slabs of the query in one of the key.
//
// Compile-time: PZ, PY, PX sides of a patch (PZ = 1 in images), C channels, WEIGHTED 0 or 1, LENGTH
// of the lists, REVERSE 1 where keys learn, STRIP rows of query patches of a thread, a multiple of 4,
// THREADS of a block, TILE columns, a power of two, SHARED_KEYS 1 if key pixels are in shared memory.

#include "sums.cuh"

#define PLANES (PZ * C)
// Rows of pixels under a strip, and the space that they take, as four are read at a time.
#define ROWS (STRIP + PY - 1)
#define PADDED_ROWS ((ROWS + 3) / 4 * 4)
#define KEYS (THREADS + TILE)
#define ROWS_AT_ONCE (THREADS / TILE)
// Whether something of the keys is in shared memory.
#define RING (SHARED_KEYS || WEIGHTED || REVERSE)
// What stands beyond the query: keys that learn must not take it for a patch.
#define OUTSIDE (REVERSE ? INFINITE : 0.0f)
// Border of a key image in the device's memory.
#define BORDER_ROWS STRIP
#define BORDER_COLUMNS (THREADS + TILE)
// Columns between two turns of the loop: no history has to be moved if all its values are new then.
#define ROTATION (PX <= 3 ? 2 : PX <= 7 ? 4 : 8)
#define UNROLL (TILE < ROTATION ? TILE : ROTATION)

constexpr int unroll_planes = SHARED_KEYS && PLANES <= 6 ? PLANES : 1;

// The four floats behind a column let columns begin in different banks.
struct Tile {
    alignas(16) float query[TILE][PLANES * PADDED_ROWS + 4];
    alignas(16) float limit[TILE][STRIP + 4];
#if SHARED_KEYS
    float key[PLANES][ROWS][KEYS];
#endif
#if WEIGHTED
    float weight[STRIP][KEYS];
#endif
#if REVERSE
    float key_limit[STRIP][KEYS];
#endif
};

// The query patches of a block's strip that are searched: those of the columns [start, stop) and of
// the rows before `end_row`. `best` begins with row `first_row`, and has `columns` columns.
struct Queries {
    const unsigned char *active;
    const unsigned long long *best;
    int columns, first_row, end_row, top, start, stop;
};

// Load a thread's share of some rows of a column of an image, plane by plane: a thread has one of
// TILE columns, and each of the rows from its first one on that is ROWS_AT_ONCE behind the last. In
// `target` rows and planes are so many floats behind each other.
template <int planes, int rows>
__device__ __forceinline__ void load_pixels(float *target, int target_row, int target_plane,
                                            const float *image, int height, int width, int x, int y,
                                            float outside)
{
    const int first = threadIdx.x / TILE;
    const bool in_columns = x >= 0 && x < width;
    const float *pixels = image + (long long)(y + first) * width + x;
    target += first * target_row;
#pragma unroll 1
    for (int plane = 0; plane < planes; plane++) {
#pragma unroll
        for (int row = 0; row < rows; row += ROWS_AT_ONCE) {
            const bool inside = in_columns && (unsigned)(y + first + row) < (unsigned)height;
            const float value = inside ? pixels[(long long)row * width] : outside;
            if (row + ROWS_AT_ONCE <= rows || first + row < rows)
                target[row * target_row] = value;
        }
        pixels += (long long)height * width;
        target += target_plane;
    }
}

// Load what scores must not exceed in the patches that are complete with TILE columns from `base` on.
__device__ __forceinline__ void load_limits(Tile &tile, const Queries &queries, int base)
{
    const int s = threadIdx.x % TILE, first = threadIdx.x / TILE, done = base + s - (PX - 1);
    const bool in_columns = done >= queries.start && done < queries.stop;
    const long long at = (long long)(queries.top + first) * queries.columns + done;
    const long long kept = at - (long long)queries.first_row * queries.columns;
    // The last place of each list.
    const unsigned long long *best = queries.best + kept * LENGTH + LENGTH - 1;
#pragma unroll
    for (int row = 0; row < STRIP; row += ROWS_AT_ONCE) {
        const long long there = (long long)row * queries.columns;
        float limit = -INFINITE;
        // Infinite scores, of keys that must not be used, never pass.
        if (in_columns && queries.top + first + row < queries.end_row &&
            (!queries.active || queries.active[at + there]))
            limit = min(score_of(best[there * LENGTH]), LARGEST);
        if (row + ROWS_AT_ONCE <= STRIP || first + row < STRIP)
            tile.limit[s][first + row] = limit;
    }
}

#if RING
#if REVERSE
// Load what sums must not exceed of the key patches of a column.
__device__ __forceinline__ void load_key_limits(float *target, const unsigned long long *key_best,
                                                int rows, int columns, int x, int y)
{
    const int first = threadIdx.x / TILE;
#pragma unroll
    for (int row = first; row < STRIP; row += ROWS_AT_ONCE) {
        const bool inside = x >= 0 && x < columns && (unsigned)(y + row) < (unsigned)rows;
        target[row * KEYS] =
            inside ? min(score_of(key_best[(long long)(y + row) * columns + x]), LARGEST) : -INFINITE;
    }
}
#endif

// Shared memory holds the KEYS columns that the threads compare with a tile as a ring: a tile later
// TILE of them are others. Where a column is that lies `column` behind the first of the first tile.
__device__ __forceinline__ int slot_of(int column)
{
    return column < KEYS ? column : column - KEYS;
}
#endif

// Sums over the planes of the squared differences of a column of pixel pairs; key pixels of a row and
// a plane lie `key_row` and `key_plane` floats behind those of the one before.
__device__ __forceinline__ void pixel_differences(float (&sums)[ROWS],
                                                  const float (&query)[PLANES * PADDED_ROWS + 4],
                                                  const float *key, int key_row, long long key_plane)
{
#pragma unroll unroll_planes
    for (int plane = 0; plane < PLANES; plane++) {
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            const float squared =
                square(query[plane * PADDED_ROWS + row], key[(long long)row * key_row]);
            sums[row] = plane == 0 ? squared : add(sums[row], squared);
        }
        key += key_plane;
    }
}

// Put a word into a list, sorted from its least one. A word that is not the least of its place
// moves on, exactly once: place k ends with the k-th least of all words that were ever offered.
__device__ __forceinline__ void insert(unsigned long long *list, unsigned long long word)
{
#pragma unroll
    for (int place = 0; place + 1 < LENGTH; place++)
        word = max(word, atomicMin(list + place, word));
    // What the last place drives out is lost, and need not be returned.
    atomicMin(list + LENGTH - 1, word);
}

// Lower the bests of a column's first `rows` queries whose limit this thread's scores do not exceed.
//
// The comparison is not the one that led here, or compilers would keep the results of that, at three
// instructions a pair. It passes NaN, of infinite sums times a weight of 0, whose word is the larger.
__device__ __forceinline__ void lower(const float (&limits)[STRIP + 4], const float (&scores)[ROWS],
                                      int rows, unsigned long long *best, int columns, int number,
                                      int index_stride)
{
#pragma unroll
    for (int row = 0; row < STRIP; row++)
        if (row < rows && !(scores[row] > limits[row])) {
            const unsigned long long mine = packed(scores[row], number + row * index_stride);
            unsigned long long *list = best + (long long)row * columns * LENGTH;
            // A look is cheaper than an atomic operation, and mostly shows it needless.
            if (mine < list[LENGTH - 1])
                insert(list, mine);
        }
}

#if REVERSE
// Lower what the keys of a column know of their nearest query, whose numbers are `stride` apart.
__device__ __forceinline__ void lower_keys(const float (&limits)[STRIP][KEYS], int slot,
                                           const float (&sums)[ROWS], unsigned long long *key_best,
                                           int columns, int number, int stride)
{
#pragma unroll
    for (int row = 0; row < STRIP; row++)
        if (limits[row][slot] >= 0.0f && !(sums[row] > limits[row][slot])) {
            const unsigned long long mine = packed(sums[row], number + row * stride);
            unsigned long long *place = key_best + (long long)row * columns;
            if (mine < *place)
                atomicMin(place, mine);
        }
}
#endif

// Blocks: x from `first_block` over strips of the query rows [first_row, end_row) and, slower, blocks
// of dx; y over chunks of columns and, slower, slabs of the query; z over dy from `first_dy`. `best`
// has LENGTH words for each query patch of these rows, `key_best` one for each key patch; there the
// number of a query is `first_query` more than that of its pixel in a slice. `busy` says which (slab,
// strip, chunk) has an active query, or is null; so is `active`, by query patch.
extern "C" __global__ void __launch_bounds__(THREADS)
    update_nearest(const float *query, int query_height, int query_width, const float *key,
                   int key_height, int key_width, const float *weight, const unsigned char *active,
                   const unsigned char *busy, unsigned long long *best,
                   unsigned long long *key_best, int first_index, int index_stride, int first_query,
                   int first_dy, int first_row, int end_row, int chunk_columns, int strips,
                   int first_block)
{
    __shared__ Tile tile;
    const int query_columns = query_width - PX + 1;
    const int key_rows = key_height - PY + 1, key_columns = key_width - PX + 1;
    const int dy = first_dy + blockIdx.z;
    const int block = first_block + blockIdx.x;
    const int strip = block % strips, top = first_row + strip * STRIP;
    const int chunks = (query_columns + chunk_columns - 1) / chunk_columns;
    const int slab = blockIdx.y / chunks, chunk = blockIdx.y % chunks, left = chunk * chunk_columns;
    const int first_dx = 1 - query_columns + block / strips * THREADS;
    // Columns with a key for some thread of the block.
    const int start = max(left, -(first_dx + THREADS - 1));
    const int stop = min(min(left + chunk_columns, query_columns), key_columns - first_dx);
    if (start >= stop || top + dy >= key_rows || top + STRIP + dy <= 0)
        return;
    if (busy && !busy[((long long)slab * strips + strip) * chunks + chunk])
        return;
    query += (long long)slab * C * query_height * query_width;
    best += (long long)slab * (end_row - first_row) * query_columns * LENGTH;
    if (active)
        active += (long long)slab * (query_height - PY + 1) * query_columns;
    const Queries queries = {active, best, query_columns, first_row, end_row, top, start, stop};
#if !SHARED_KEYS
    // The key image has a border of infinite pixels, as wide as blocks reach beyond it.
    const int key_row = key_width + 2 * BORDER_COLUMNS;
    const long long key_plane = (long long)(key_height + 2 * BORDER_ROWS) * key_row;
    const float *keys = key + (long long)(top + dy + BORDER_ROWS) * key_row + first_dx +
                        (int)threadIdx.x + BORDER_COLUMNS;
#endif
    float history[STRIP][HISTORY(PX)];
#pragma unroll
    for (int row = 0; row < STRIP; row++)
#pragma unroll
        for (int k = 0; k < HISTORY(PX); k++)
            history[row][k] = INFINITE;
#if !WEIGHTED
    (void)weight;
#endif
#if !REVERSE
    (void)key_best, (void)first_query;
#endif
#if RING
    int ring = 0;
#endif
    for (int base = start; base < stop + PX - 1; base += TILE) {
        __syncthreads();
        // Query pixels outside of the image belong to no patch.
        const int column = threadIdx.x % TILE;
        load_pixels<PLANES, ROWS>(tile.query[column], 1, PADDED_ROWS, query, query_height,
                                  query_width, base + column, top, OUTSIDE);
        load_limits(tile, queries, base);
#if RING
        for (int i = column + (base == start ? 0 : THREADS); i < KEYS; i += TILE) {
            const int slot = slot_of(ring + i), x = base + first_dx + i;
#if SHARED_KEYS
            // Outside of the image no key matches.
            load_pixels<PLANES, ROWS>(&tile.key[0][0][slot], KEYS, ROWS * KEYS, key, key_height,
                                      key_width, x, top + dy, INFINITE);
#endif
#if WEIGHTED
            // Of the key patches that are complete with these pixels.
            load_pixels<1, STRIP>(&tile.weight[0][slot], KEYS, 0, weight, key_rows, key_columns,
                                  x - (PX - 1), top + dy, 1.0f);
#endif
#if REVERSE
            load_key_limits(&tile.key_limit[0][slot], key_best, key_rows, key_columns, x - (PX - 1),
                            top + dy);
#endif
        }
#endif
        __syncthreads();
#pragma unroll 1
        for (int first = 0; first < TILE; first += UNROLL) {
            // Beyond the key image all threads of a warp would only see infinite pixels.
            const int x = base + first + first_dx + (int)threadIdx.x / 32 * 32;
            if (x + UNROLL - 1 + 31 < 0 || x >= key_width)
                continue;
#pragma unroll
            for (int ahead = 0; ahead < UNROLL; ahead++) {
                const int s = first + ahead, done = base + s - (PX - 1);
                float sums[ROWS];
#if RING
                const int slot = slot_of(slot_of(ring + threadIdx.x) + s);
#endif
#if SHARED_KEYS
                pixel_differences(sums, tile.query[s], &tile.key[0][0][slot], KEYS, ROWS * KEYS);
#else
                pixel_differences(sums, tile.query[s], keys + base + s, key_row, key_plane);
#endif
                sum_windows<PY>(sums);
#if REVERSE
                const int key_x = done + first_dx + (int)threadIdx.x;
                bool found_for_keys = false;
#pragma unroll
                for (int row = 0; row < STRIP; row++) {
                    sums[row] = push<PX>(history[row], sums[row]);
                    found_for_keys |= sums[row] <= tile.key_limit[row][slot];
                }
                if (found_for_keys)
                    lower_keys(tile.key_limit, slot, sums,
                               key_best + (long long)(top + dy) * key_columns + key_x, key_columns,
                               first_query + (slab * query_height + top) * query_width + done,
                               query_width);
#endif
                bool found = false;
#pragma unroll
                for (int row = 0; row < STRIP; row++) {
#if !REVERSE
                    sums[row] = push<PX>(history[row], sums[row]);
#endif
#if WEIGHTED
                    sums[row] = multiply(sums[row], tile.weight[row][slot]);
#endif
                    // Equal scores too: threads run in any order, and the lower key wins.
                    found |= sums[row] <= tile.limit[s][row];
                }
                if (found)
                    lower(tile.limit[s], sums, end_row - top,
                          best + ((long long)(top - first_row) * query_columns + done) * LENGTH,
                          query_columns,
                          first_index + (top + dy) * index_stride + done + first_dx + (int)threadIdx.x,
                          index_stride);
            }
        }
#if RING
        ring = slot_of(ring + TILE);
#endif
    }
}

// The bests of one image as words, before and after a search; see `packed`.
extern "C" __global__ void pack_matches(const float *score, const int *index,
                                        unsigned long long *best, long long count)
{
    const long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (i < count)
        best[i] = packed(score[i], index[i]);
}

extern "C" __global__ void unpack_matches(const unsigned long long *best, float *score, int *index,
                                          long long count)
{
    const long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (i >= count)
        return;
    score[i] = score_of(best[i]);
    index[i] = (int)(unsigned)best[i] - 1;
}
