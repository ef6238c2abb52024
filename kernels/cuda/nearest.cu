// The best key patch of every query patch, exactly.
//
// One thread owns one displacement (dx, dy) between query and key and a strip of STRIP query
// columns. It walks down the rows and sums the squared differences of pixels over the patch by
// sliding sums: those along the rows wait in registers, one history for each column, those along
// the columns are a tree over the strip. Threads of a block have consecutive dx, so that the query
// row is broadcast from shared memory and the key row is read without conflicts.
//
// Sums are formed in the order of `kernels/protocol.py` and nothing is contracted to fused
// multiply-adds, so that every engine returns the same bits. Scores are not negative, so their bits
// order like unsigned integers: the best of a query is one 64-bit word, score first, then the
// number of the key, and one atomic minimum decides ties for the lower key.
//
// Compile-time: P patch side, C channels, WEIGHTED 0 or 1, STRIP query columns of a thread,
// THREADS most threads of a block.

#include "sums.cuh"

#define COLUMNS (STRIP + P - 1)
#define KEY_COLUMNS (THREADS + COLUMNS - 1)
#define WEIGHT_COLUMNS (THREADS + STRIP - 1)
// Rows between two turns of the loop: no history has to be moved if all its values are new then.
#define UNROLL (P <= 3 ? 2 : 4)
// Pixels of the query row lie side by side; three channels take the space of four, which one
// instruction loads.
#define PIXEL (C == 3 ? 4 : C)

struct Row {
    alignas(16) float query[COLUMNS * PIXEL];
    float key[C][KEY_COLUMNS];
    float limit[STRIP];
#if WEIGHTED
    float weight[WEIGHT_COLUMNS];
#endif
};

struct Images {
    const float *query, *key, *weight;
    const unsigned char *active;
    const unsigned long long *best;
    int query_height, query_width, key_height, key_width;
};

// Fetch what all threads of the block need for one row of query pixels; outside of the images no
// key matches and no query asks.
__device__ void fetch(Row &row, const Images &images, int y, int dy, int left, int first_key,
                      int start, int stop)
{
    const bool inside = y < images.query_height && y + dy < images.key_height;
    for (int i = threadIdx.x; i < COLUMNS * C; i += blockDim.x) {
        const int column = i / C, channel = i % C, x = left + column;
        row.query[column * PIXEL + channel] =
            inside && x < images.query_width
                ? images.query[((long long)channel * images.query_height + y) * images.query_width + x]
                : 0.0f;
    }
    for (int i = threadIdx.x; i < C * KEY_COLUMNS; i += blockDim.x) {
        const int channel = i / KEY_COLUMNS, column = i % KEY_COLUMNS, x = first_key + column;
        row.key[channel][column] =
            inside && x >= 0 && x < images.key_width
                ? images.key[((long long)channel * images.key_height + y + dy) * images.key_width + x]
                : INFINITE;
    }
    // The row of patches that is complete with this row of pixels.
    const int done = y - (P - 1);
    const bool asked = done >= start && done < stop;
    const int query_columns = images.query_width - P + 1, key_columns = images.key_width - P + 1;
    for (int i = threadIdx.x; i < STRIP; i += blockDim.x) {
        const int x = left + i;
        const long long at = (long long)done * query_columns + x;
        const bool open = asked && x < query_columns && (!images.active || images.active[at]);
        // Infinite scores, of keys that must not be used, never pass.
        row.limit[i] = open ? min(score_of(images.best[at]), LARGEST) : -INFINITE;
    }
#if WEIGHTED
    for (int i = threadIdx.x; i < WEIGHT_COLUMNS; i += blockDim.x) {
        const int x = first_key + i;
        row.weight[i] = asked && x >= 0 && x < key_columns
                            ? images.weight[(long long)(done + dy) * key_columns + x]
                            : 1.0f;
    }
#else
    (void)key_columns;
#endif
}

// Sum over the channels of the squared difference of one pair of pixels.
__device__ __forceinline__ float pixel_difference(const Row &row, int column)
{
    float total;
#if C == 3 || C == 4
    const float4 q = reinterpret_cast<const float4 *>(row.query)[column];
    total = square(q.x, row.key[0][threadIdx.x + column]);
    total = add(total, square(q.y, row.key[1][threadIdx.x + column]));
    total = add(total, square(q.z, row.key[2][threadIdx.x + column]));
#if C == 4
    total = add(total, square(q.w, row.key[3][threadIdx.x + column]));
#endif
#else
    total = square(row.query[column * C], row.key[0][threadIdx.x + column]);
#pragma unroll 4
    for (int channel = 1; channel < C; channel++)
        total = add(total, square(row.query[column * C + channel],
                                  row.key[channel][threadIdx.x + column]));
#endif
    return total;
}

// Blocks: x from `first_block` over strips and, slower, blocks of dx; y over chunks of rows; z over dy from `first_dy`.
// `busy` says which (chunk, strip) has an active query, or is null; so is `active`, by query patch.
extern "C" __global__ void __launch_bounds__(THREADS)
    lower_nearest(const float *query, int query_height, int query_width, const float *key,
                  int key_height, int key_width, const float *weight, const unsigned char *active,
                  const unsigned char *busy, unsigned long long *best, int first_index,
                  int index_stride, int first_dy, int chunk_rows, int strips, int first_block)
{
    __shared__ Row row;
    const int query_rows = query_height - P + 1, key_rows = key_height - P + 1;
    const int query_columns = query_width - P + 1, key_columns = key_width - P + 1;
    const int dy = first_dy + blockIdx.z;
    const int block = first_block + blockIdx.x;
    const int strip = block % strips, left = strip * STRIP;
    const int top = blockIdx.y * chunk_rows;
    const int start = max(top, -dy), stop = min(min(top + chunk_rows, query_rows), key_rows - dy);
    const int first_dx = 1 - left - STRIP + block / strips * (int)blockDim.x;
    if (start >= stop || left + first_dx >= key_columns)
        return;
    if (busy && !busy[blockIdx.y * strips + strip])
        return;
    const Images images = {query, key, weight, active, best,
                           query_height, query_width, key_height, key_width};
    float history[COLUMNS][P - 1];
#pragma unroll
    for (int column = 0; column < COLUMNS; column++)
#pragma unroll
        for (int k = 0; k < P - 1; k++)
            history[column][k] = INFINITE;
    for (int first = start; first < stop + P - 1; first += UNROLL) {
#pragma unroll
        for (int ahead = 0; ahead < UNROLL; ahead++) {
            const int y = first + ahead;
            __syncthreads();
            fetch(row, images, y, dy, left, left + first_dx, start, stop);
            __syncthreads();
            float sums[COLUMNS];
#pragma unroll
            for (int column = 0; column < COLUMNS; column++)
                sums[column] = push(history[column], pixel_difference(row, column));
            sum_windows(sums);
            bool found = false;
#pragma unroll
            for (int x = 0; x < STRIP; x++) {
#if WEIGHTED
                sums[x] = multiply(sums[x], row.weight[threadIdx.x + x]);
#endif
                // Equal scores too: threads run in any order, and the lower key wins.
                found |= sums[x] <= row.limit[x];
            }
            if (!found)
                continue;
            const int done = y - (P - 1);
            const int number = first_index + (done + dy) * index_stride + left + first_dx +
                               (int)threadIdx.x;
#pragma unroll
            for (int x = 0; x < STRIP; x++)
                if (sums[x] <= row.limit[x]) {
                    unsigned long long *match = best + (long long)done * query_columns + left + x;
                    const unsigned long long mine = packed(sums[x], number + x);
                    // A look is cheaper than an atomic operation, and mostly shows it needless.
                    if (mine < *match)
                        atomicMin(match, mine);
                }
        }
    }
}
