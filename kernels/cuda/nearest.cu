// The best key patch of every query patch, exactly.
//
// One thread owns one displacement (dx, dy) between query and key and a strip of STRIP query
// columns. It walks down the rows and sums the squared differences of pixels over the patch by
// sliding sums: those along the rows wait in registers, one history for each column, those along
// the columns are a tree over the strip. Threads of a block have consecutive dx, so that the query
// row is broadcast from shared memory and the key row is read without conflicts. The next row is
// on its way from the device's memory while this one is summed.
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
// of the lists, REVERSE 1 where keys learn, STRIP query columns of a thread, THREADS of a block,
// BUFFERS rows in shared memory (1 where planes are too many for 2).

#include "sums.cuh"

#define PLANES (PZ * C)
#define COLUMNS (STRIP + PX - 1)
#define KEY_COLUMNS (THREADS + COLUMNS - 1)
#define WEIGHT_COLUMNS (THREADS + STRIP - 1)
// Rows between two turns of the loop: no history has to be moved if all its values are new then.
#define UNROLL (PY <= 3 ? 2 : 4)
// Pixels of the query row lie side by side; three planes take the space of four, which one
// instruction loads.
#define PIXEL (PLANES == 3 ? 4 : PLANES)
// What stands beyond the query: keys that learn must not take it for a patch.
#define OUTSIDE (REVERSE ? INFINITE : 0.0f)
// How often a block must load to get that many values.
#define TURNS(values) (((values) + THREADS - 1) / THREADS)

struct Row {
    alignas(16) float query[COLUMNS * PIXEL];
    float key[PLANES][KEY_COLUMNS];
    float limit[STRIP];
#if WEIGHTED
    float weight[WEIGHT_COLUMNS];
#endif
#if REVERSE
    float key_limit[WEIGHT_COLUMNS];
#endif
};

// A thread's share of a row, between the device's memory and shared memory.
struct Share {
    float query[TURNS(COLUMNS * PLANES)];
    float key[PLANES][TURNS(KEY_COLUMNS)];
    float limit;
#if WEIGHTED
    float weight[TURNS(WEIGHT_COLUMNS)];
#endif
#if REVERSE
    float key_limit[TURNS(WEIGHT_COLUMNS)];
#endif
};

struct Images {
    const float *query, *key, *weight;
    const unsigned char *active;
    unsigned long long *best, *key_best;
    int query_height, query_width, key_height, key_width;
};

// What a block works on: `best` begins with row `first_row` of the query patches.
struct Job {
    int first_row, dy, left, first_key, start, stop;
};

// Load a thread's share of one row of pixels, and of what is known of the row of patches that is
// complete with it. Outside of the images no key matches and no query asks.
__device__ __forceinline__ void load(Share &share, const Images &images, const Job &job, int y)
{
    const bool inside = y < images.query_height && y + job.dy < images.key_height;
#pragma unroll
    for (int turn = 0; turn < TURNS(COLUMNS * PLANES); turn++) {
        const int i = turn * THREADS + threadIdx.x;
        const int plane = i / COLUMNS, x = job.left + i % COLUMNS;
        share.query[turn] =
            inside && plane < PLANES && x < images.query_width
                ? images.query[((long long)plane * images.query_height + y) * images.query_width + x]
                : OUTSIDE;
    }
#pragma unroll
    for (int turn = 0; turn < TURNS(KEY_COLUMNS); turn++) {
        const int i = turn * THREADS + threadIdx.x, x = job.first_key + i;
        const bool here = inside && i < KEY_COLUMNS && x >= 0 && x < images.key_width;
#pragma unroll
        for (int plane = 0; plane < PLANES; plane++)
            share.key[plane][turn] =
                here ? images.key[((long long)plane * images.key_height + y + job.dy) * images.key_width + x]
                     : INFINITE;
    }
    const int done = y - (PY - 1);
    const bool asked = done >= job.start && done < job.stop;
    const int query_columns = images.query_width - PX + 1, column = job.left + threadIdx.x;
    share.limit = -INFINITE;
    if (threadIdx.x < STRIP && asked && column < query_columns) {
        const long long at = (long long)done * query_columns + column;
        const long long kept = at - (long long)job.first_row * query_columns;
        // Infinite scores, of keys that must not be used, never pass.
        if (!images.active || images.active[at])
            share.limit = min(score_of(images.best[kept * LENGTH + LENGTH - 1]), LARGEST);
    }
#if WEIGHTED || REVERSE
    const int key_columns = images.key_width - PX + 1;
#endif
#if REVERSE
#pragma unroll
    for (int turn = 0; turn < TURNS(WEIGHT_COLUMNS); turn++) {
        const int i = turn * THREADS + threadIdx.x, x = job.first_key + i;
        share.key_limit[turn] = -INFINITE;
        if (asked && i < WEIGHT_COLUMNS && x >= 0 && x < key_columns) {
            const long long at = (long long)(done + job.dy) * key_columns + x;
            share.key_limit[turn] = min(score_of(images.key_best[at]), LARGEST);
        }
    }
#endif
#if WEIGHTED
#pragma unroll
    for (int turn = 0; turn < TURNS(WEIGHT_COLUMNS); turn++) {
        const int i = turn * THREADS + threadIdx.x, x = job.first_key + i;
        share.weight[turn] = asked && i < WEIGHT_COLUMNS && x >= 0 && x < key_columns
                                 ? images.weight[(long long)(done + job.dy) * key_columns + x]
                                 : 1.0f;
    }
#endif
}

// Put a thread's share where all threads of the block can read it.
__device__ __forceinline__ void store(Row &row, const Share &share)
{
#pragma unroll
    for (int turn = 0; turn < TURNS(COLUMNS * PLANES); turn++) {
        const int i = turn * THREADS + threadIdx.x;
        if (i < COLUMNS * PLANES)
            row.query[i % COLUMNS * PIXEL + i / COLUMNS] = share.query[turn];
    }
#pragma unroll
    for (int turn = 0; turn < TURNS(KEY_COLUMNS); turn++) {
        const int i = turn * THREADS + threadIdx.x;
        if (i < KEY_COLUMNS)
#pragma unroll
            for (int plane = 0; plane < PLANES; plane++)
                row.key[plane][i] = share.key[plane][turn];
    }
    if (threadIdx.x < STRIP)
        row.limit[threadIdx.x] = share.limit;
#if WEIGHTED
#pragma unroll
    for (int turn = 0; turn < TURNS(WEIGHT_COLUMNS); turn++) {
        const int i = turn * THREADS + threadIdx.x;
        if (i < WEIGHT_COLUMNS)
            row.weight[i] = share.weight[turn];
    }
#endif
#if REVERSE
#pragma unroll
    for (int turn = 0; turn < TURNS(WEIGHT_COLUMNS); turn++) {
        const int i = turn * THREADS + threadIdx.x;
        if (i < WEIGHT_COLUMNS)
            row.key_limit[i] = share.key_limit[turn];
    }
#endif
}

// Sum over the planes of the squared difference of one pair of pixels.
__device__ __forceinline__ float pixel_difference(const Row &row, int column)
{
    float total;
#if PLANES == 3 || PLANES == 4
    const float4 q = reinterpret_cast<const float4 *>(row.query)[column];
    total = square(q.x, row.key[0][threadIdx.x + column]);
    total = add(total, square(q.y, row.key[1][threadIdx.x + column]));
    total = add(total, square(q.z, row.key[2][threadIdx.x + column]));
#if PLANES == 4
    total = add(total, square(q.w, row.key[3][threadIdx.x + column]));
#endif
#else
    total = square(row.query[column * PLANES], row.key[0][threadIdx.x + column]);
#pragma unroll 4
    for (int plane = 1; plane < PLANES; plane++)
        total = add(total, square(row.query[column * PLANES + plane],
                                  row.key[plane][threadIdx.x + column]));
#endif
    return total;
}

// Put a word into a list, sorted from its least one. A word that is not the least of its place
// moves on, exactly once: place k ends with the k-th least of all words that were ever offered.
__device__ __forceinline__ void insert(unsigned long long *list, unsigned long long word)
{
#pragma unroll
    for (int place = 0; place < LENGTH; place++)
        word = max(word, atomicMin(list + place, word));
}

// Lower the bests of the queries of a row whose limit this thread's scores do not exceed.
__device__ __forceinline__ void lower(const Row &row, const float (&scores)[COLUMNS],
                                      unsigned long long *best, int number)
{
#pragma unroll
    for (int x = 0; x < STRIP; x++)
        if (scores[x] <= row.limit[x]) {
            const unsigned long long mine = packed(scores[x], number + x);
            // A look is cheaper than an atomic operation, and mostly shows it needless.
            if (mine < best[x * LENGTH + LENGTH - 1])
                insert(best + x * LENGTH, mine);
        }
}

#if REVERSE
// Lower what the keys of a row know of their nearest query.
__device__ __forceinline__ void lower_keys(const Row &row, const float (&sums)[COLUMNS],
                                           unsigned long long *key_best, int number)
{
#pragma unroll
    for (int x = 0; x < STRIP; x++)
        if (sums[x] <= row.key_limit[threadIdx.x + x]) {
            const unsigned long long mine = packed(sums[x], number + x);
            if (mine < key_best[x])
                atomicMin(key_best + x, mine);
        }
}
#endif

// Blocks: x from `first_block` over strips and, slower, blocks of dx; y over chunks of the query rows
// [first_row, end_row) and, slower, slabs of the query; z over dy from `first_dy`. `best` has LENGTH
// words for each query patch of these rows, `key_best` one for each key patch; there the number of a
// query is `first_query` more than that of its pixel in a slice. `busy` says which (slab, chunk, strip) has an active
// query, or is null; so is `active`, by query patch.
extern "C" __global__ void __launch_bounds__(THREADS)
    update_nearest(const float *query, int query_height, int query_width, const float *key,
                  int key_height, int key_width, const float *weight, const unsigned char *active,
                  const unsigned char *busy, unsigned long long *best,
                  unsigned long long *key_best, int first_index, int index_stride, int first_query,
                  int first_dy, int first_row, int end_row, int chunk_rows, int strips,
                  int first_block)
{
    __shared__ Row rows[BUFFERS];
    const int key_rows = key_height - PY + 1;
    const int query_columns = query_width - PX + 1, key_columns = key_width - PX + 1;
    const int dy = first_dy + blockIdx.z;
    const int block = first_block + blockIdx.x;
    const int strip = block % strips, left = strip * STRIP;
    const int chunks = (end_row - first_row + chunk_rows - 1) / chunk_rows;
    const int slab = blockIdx.y / chunks, top = first_row + blockIdx.y % chunks * chunk_rows;
    const int start = max(top, -dy), stop = min(min(top + chunk_rows, end_row), key_rows - dy);
    const int first_dx = 1 - left - STRIP + block / strips * THREADS;
    if (start >= stop || left + first_dx >= key_columns)
        return;
    if (busy && !busy[blockIdx.y * strips + strip])
        return;
    query += (long long)slab * C * query_height * query_width;
    best += (long long)slab * (end_row - first_row) * query_columns * LENGTH;
    if (active)
        active += (long long)slab * (query_height - PY + 1) * query_columns;
#if !REVERSE
    (void)first_query;
#endif
    const Images images = {query, key, weight, active, best, key_best,
                           query_height, query_width, key_height, key_width};
    const Job job = {first_row, dy, left, left + first_dx, start, stop};
    float history[COLUMNS][HISTORY(PY)];
#pragma unroll
    for (int column = 0; column < COLUMNS; column++)
#pragma unroll
        for (int k = 0; k < HISTORY(PY); k++)
            history[column][k] = INFINITE;
    Share share;
    load(share, images, job, start);
    store(rows[0], share);
    __syncthreads();
    for (int first = start; first < stop + PY - 1; first += UNROLL) {
#pragma unroll
        for (int ahead = 0; ahead < UNROLL; ahead++) {
            const int y = first + ahead, done = y - (PY - 1);
            const Row &row = rows[ahead % BUFFERS];
            load(share, images, job, y + 1);
            float sums[COLUMNS];
#pragma unroll
            for (int column = 0; column < COLUMNS; column++)
                sums[column] = push<PY>(history[column], pixel_difference(row, column));
            sum_windows<PX>(sums);
            bool found = false;
#if REVERSE
            bool found_for_keys = false;
#pragma unroll
            for (int x = 0; x < STRIP; x++)
                found_for_keys |= sums[x] <= row.key_limit[threadIdx.x + x];
            if (found_for_keys) {
                const int key_x = left + first_dx + (int)threadIdx.x;
                lower_keys(row, sums, key_best + (long long)(done + dy) * key_columns + key_x,
                           first_query + slab * query_height * query_width + done * query_width + left);
            }
#endif
#pragma unroll
            for (int x = 0; x < STRIP; x++) {
#if WEIGHTED
                sums[x] = multiply(sums[x], row.weight[threadIdx.x + x]);
#endif
                // Equal scores too: threads run in any order, and the lower key wins. Subnormal
                // scores may all be equal here, to zero: the words decide.
                found |= sums[x] <= row.limit[x];
            }
            if (found)
                lower(row, sums, best + ((long long)(done - first_row) * query_columns + left) * LENGTH,
                      first_index + (done + dy) * index_stride + left + first_dx + (int)threadIdx.x);
            if (BUFFERS == 1)
                __syncthreads();
            store(rows[(ahead + 1) % BUFFERS], share);
            __syncthreads();
        }
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
