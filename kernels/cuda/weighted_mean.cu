// Weighted means of all key patches, by their distances to the query patches.
//
// Three kernels of one form: `lower_least` finds the smallest sums of squared differences,
// `add_weights` adds the weights of the keys of each query patch, `add_values` the value patches times
// weights to the pixels that they cover. Sums of weights and values have an order, so a block owns
// query patches (or pixels of the result) and walks all displacements between query and key in it:
// by rows, then by columns. Nothing but minima is lowered atomically. A step of the walk is a batch of
// displacements that follow each other along x:
//
// 1. A thread owns a column of pixels and a strip of query rows, whose pixels stay in registers. It
//    sums squared differences over the rows of a patch, for its displacements of the batch.
// 2. Threads sum these over the columns of a patch, four query patches at a time, and weigh them.
// 3. Each query patch has a thread that adds its weights, displacement by displacement. Or weights are
//    convolved with the window along rows, then columns, and each pixel has a thread that adds values.
//
// Step 3 is left out where no key has a weight, and so are all where `lower_least` reached none: it
// notes so for each band of query rows and each SPAN of displacements.
//
// The key image has a border of infinite pixels, as wide as blocks reach beyond it; no key there has
// a weight. Sums are formed in the order of `kernels/protocol.py`.
//
// Compile-time: PURPOSE 0, 1 or 2 of these kernels; P side of a patch, C channels, VALUES channels of
// values; STRIP rows of query patches of a thread, STRIPS of a block, COLUMNS of pixels of a block, a
// multiple of 32, GROUPS of threads that share a batch, BATCH displacements, SPAN, of which BATCH is a
// multiple; VERTICAL rows of pixels of a thread; BORDER_ROWS, BORDER_COLUMNS; RESIDENT blocks of a
// multiprocessor at least: while one waits at a barrier, another computes.

#include "sums.cuh"
#include "displacements.cuh"

// 2 to a power of up to 0 as `kernels/exp2.py` has it: n + p(rest) with n the nearest integer, which
// the lowest bits of a sum with 1.5 * 2^23 hold.
__device__ __forceinline__ float power_of_two(float power)
{
    const float magic = 12582912.0f;
    power = larger(power, -126.0f);
    const float shifted = add(power, magic), rest = subtract(power, subtract(shifted, magic));
    float total = 0.001326472731307149f;
    total = add(multiply(total, rest), 0.009671512991189957f);
    total = add(multiply(total, rest), 0.05550733581185341f);
    total = add(multiply(total, rest), 0.24022242426872253f);
    total = add(multiply(total, rest), 0.6931470036506653f);
    total = add(multiply(total, rest), 1.0f);
    return __uint_as_float(__float_as_uint(total) + (__float_as_uint(shifted) << 23));
}

#if PURPOSE == LEAST
// Step 2 of the smallest sums, whose bits order as unsigned integers.
__device__ __forceinline__ void lower(const Tile &tile, const Request &request, const Block &block,
                                      unsigned *least, int dy, int first)
{
#pragma unroll 1
    for (int number = threadIdx.x; number < BATCH * QUERY_ROWS * FOURS; number += THREADS) {
        Four four;
        take_sums(four, tile, number);
        const int y = block.top + four.row;
        bool found = false;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const long long place = query_number(request, y, block.left + four.column + k);
            if (place < 0 || !less(four.sums[k], request.limit[place]))
                continue;
            found = true;
            const unsigned mine = __float_as_uint(four.sums[k]);
            // A look is cheaper than an atomic operation, and mostly shows it needless.
            if (mine < least[place])
                atomicMin(least + place, mine);
        }
        if (found)
            *request.note(y / request.band_rows, dy, (first + four.each) / SPAN) = 1;
    }
}

// Blocks: x over tiles of query patches, y over parts of the rows of displacements.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    lower_least(const float *query, int height, int width, const float *key, int key_height,
                int key_width, unsigned *least, const float *limit, unsigned char *reached,
                int band_rows, int first_dy, int end_dy)
{
    __shared__ Tile tile;
    const Request request = {query, height, width, key, key_height, key_width,
                             limit, 0.0f, reached, band_rows, first_dy, end_dy};
    const Block block = block_of(request, blockIdx.x, gridDim.y, blockIdx.y);
    Column own;
    begin_column(own, request, block);
    for (int dy = block.first_dy; dy < block.end_dy; dy++)
        for (int batch = block.first_batch; batch < block.end_batch; batch++) {
            sum_columns(tile, own, request, block, dy, batch * BATCH + 1 - request.columns());
            __syncthreads();
            lower(tile, request, block, least, dy, batch * BATCH);
            __syncthreads();
        }
}
#else
// Step 2 of weights, which are multiplied by `factor` where that is given. Of the totals the sign says
// that the sum of a key is the least one.
__device__ __forceinline__ void weigh(Tile &tile, const Request &request, const Block &block,
                                      const float *least, const float *factor, int stamp)
{
#pragma unroll 1
    for (int number = threadIdx.x; number < BATCH * QUERY_ROWS * FOURS; number += THREADS) {
        Four four;
        take_sums(four, tile, number);
        bool found = false;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const long long place =
                query_number(request, block.top + four.row, block.left + four.column + k);
            float weight = 0.0f;
            if (place >= 0 && less(four.sums[k], request.limit[place])) {
                const float lowest = least[place];
                found = true;
                weight = power_of_two(multiply(subtract(lowest, four.sums[k]), request.scale));
#if PURPOSE == MEANS
                weight = multiply(weight, factor[place]);
#else
                if (__float_as_uint(lowest) == __float_as_uint(four.sums[k]))
                    weight = __uint_as_float(__float_as_uint(weight) | 0x80000000u);
#endif
            }
            tile.weight[four.each][four.row][four.column + k] = weight;
        }
        if (found)
            tile.found[four.each] = stamp;
    }
#if PURPOSE == TOTALS
    (void)factor;
#endif
}

// Whether a batch may have a weight for the query patches of the block.
__device__ __forceinline__ bool is_reached(const Request &request, const Block &block, int dy,
                                           int batch)
{
    const int last_row = min(block.top + QUERY_ROWS, request.rows()) - 1;
    const int first_span = batch * (BATCH / SPAN);
    const int end_span = min(first_span + BATCH / SPAN, request.spans());
    for (int band = max(block.top, 0) / request.band_rows; band <= last_row / request.band_rows; band++)
        for (int span = first_span; span < end_span; span++)
            if (*request.note(band, dy, span))
                return true;
    return false;
}

// The walk over all batches that are reached, in their order. `Adder` takes each with a weight.
template <class Adder>
__device__ __forceinline__ void walk(Tile &tile, const Request &request, const Block &block,
                                     const float *least, const float *factor, Adder &adder)
{
    Column own;
    begin_column(own, request, block);
    if (threadIdx.x < BATCH)
        tile.found[threadIdx.x] = 0;
    int stamp = 0;
    for (int dy = block.first_dy; dy < block.end_dy; dy++)
        for (int ahead = block.first_batch; ahead < block.end_batch; ahead += THREADS) {
            __syncthreads();
            const int mine = ahead + threadIdx.x;
            tile.wanted[threadIdx.x] =
                mine < block.end_batch && is_reached(request, block, dy, mine);
            __syncthreads();
            const int count = min(THREADS, block.end_batch - ahead);
#pragma unroll 1
            for (int k = 0; k < count; k++) {
                if (!tile.wanted[k])
                    continue;
                const int dx = (ahead + k) * BATCH + 1 - request.columns();
                stamp++;
                sum_columns(tile, own, request, block, dy, dx);
                __syncthreads();
                weigh(tile, request, block, least, factor, stamp);
                __syncthreads();
                bool found = false;
#pragma unroll
                for (int each = 0; each < BATCH; each++)
                    found |= tile.found[each] == stamp;
                if (found)
                    adder.add_batch(tile, dy, dx, stamp);
            }
        }
}
#endif

#if PURPOSE == TOTALS
// The totals of a thread's query patches.
struct Totals {
    const Block &block;
    int first_index, index_stride;
    float total[QUERIES_PER_THREAD];
    int index[QUERIES_PER_THREAD];

    __device__ __forceinline__ void add_batch(const Tile &tile, int dy, int dx, int stamp)
    {
#pragma unroll
        for (int k = 0; k < QUERIES_PER_THREAD; k++) {
            const int place = threadIdx.x + k * THREADS;
            if (place >= QUERIES)
                continue;
            const int row = place / QUERY_COLUMNS, column = place % QUERY_COLUMNS;
#pragma unroll
            for (int each = 0; each < BATCH; each++) {
                if (tile.found[each] != stamp)
                    continue;
                const unsigned bits = __float_as_uint(tile.weight[each][row][column]);
                total[k] = add(total[k], __uint_as_float(bits & 0x7fffffffu));
                if (bits >> 31 && index[k] < 0)
                    index[k] = first_index + (block.top + row + dy) * index_stride + block.left +
                               column + dx + each;
            }
        }
    }
};

// Blocks over tiles of query patches.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    add_weights(const float *query, int height, int width, const float *key, int key_height,
                int key_width, const float *least, const float *limit, float scale,
                unsigned char *reached, int band_rows, int first_dy, int end_dy, int first_index,
                int index_stride, float *total, int *index)
{
    __shared__ Tile tile;
    const Request request = {query, height, width, key, key_height, key_width,
                             limit, scale, reached, band_rows, first_dy, end_dy};
    const Block block = block_of(request, blockIdx.x, 1, 0);
    Totals totals = {block, first_index, index_stride, {}, {}};
    long long places[QUERIES_PER_THREAD];
#pragma unroll
    for (int k = 0; k < QUERIES_PER_THREAD; k++) {
        const int place = threadIdx.x + k * THREADS;
        places[k] = place >= QUERIES ? -1 : query_number(request, block.top + place / QUERY_COLUMNS,
                                                         block.left + place % QUERY_COLUMNS);
        totals.total[k] = places[k] < 0 ? 0.0f : total[places[k]];
        totals.index[k] = places[k] < 0 ? 0 : index[places[k]];
    }
    walk(tile, request, block, least, nullptr, totals);
#pragma unroll
    for (int k = 0; k < QUERIES_PER_THREAD; k++)
        if (places[k] >= 0) {
            total[places[k]] = totals.total[k];
            index[places[k]] = totals.index[k];
        }
}
#endif

#if PURPOSE == MEANS
// The pixels of a thread: VERTICAL ones of a column of the result.
struct Means {
    const Request &request;
    const float *value;
    float *out;
    int row, column, y, x;

    // Convolve the weights along rows, four neighbouring places at a time.
    __device__ __forceinline__ void spread_rows(Tile &tile, int stamp) const
    {
        constexpr int fours = OUT_COLUMNS / 4;
#pragma unroll 1
        for (int number = threadIdx.x; number < BATCH * QUERY_ROWS * fours; number += THREADS) {
            const int line = number / fours, first = number % fours * 4;
            const int each = line / QUERY_ROWS, of_row = line % QUERY_ROWS;
            if (tile.found[each] != stamp)
                continue;
            float weights[P + 3];
            unsigned some = 0;
#pragma unroll
            for (int k = 0; k < P + 3; k++) {
                weights[k] = tile.weight[each][of_row][first + k];
                some |= __float_as_uint(weights[k]);
            }
            float made[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            if (some)
#pragma unroll
                for (int k = 0; k < P; k++)
#pragma unroll
                    for (int i = 0; i < 4; i++)
                        made[i] = add(made[i], multiply(tile.window[k], weights[i + P - 1 - k]));
#pragma unroll
            for (int i = 0; i < 4; i++)
                tile.sums[each][of_row][first + i] = made[i];
        }
    }

    // Convolve them along columns too, and add the values times that.
    __device__ __forceinline__ void add_values_of(const Tile &tile, int each, int dy, int dx) const
    {
        float lines[VERTICAL + P - 1];
        unsigned some = 0;
#pragma unroll
        for (int k = 0; k < VERTICAL + P - 1; k++) {
            lines[k] = tile.sums[each][row + k][column];
            some |= __float_as_uint(lines[k]);
        }
        if (!some)
            return;
        float spread[VERTICAL];
#pragma unroll
        for (int i = 0; i < VERTICAL; i++)
            spread[i] = 0.0f;
#pragma unroll
        for (int k = 0; k < P; k++)
#pragma unroll
            for (int i = 0; i < VERTICAL; i++)
                spread[i] = add(spread[i], multiply(tile.window[k], lines[i + P - 1 - k]));
        const long long plane = (long long)request.height * request.width;
        const long long value_plane = (long long)request.key_height * request.key_width;
#pragma unroll
        for (int i = 0; i < VERTICAL; i++) {
            // Where nothing is added there may be no key pixel.
            if (!__float_as_uint(spread[i]))
                continue;
            const float *from = value + (long long)(y + i + dy) * request.key_width + x + dx;
            float *to = out + (long long)(y + i) * request.width + x;
#pragma unroll 1
            for (int channel = 0; channel < VALUES; channel++, from += value_plane, to += plane)
                *to = add(*to, multiply(spread[i], *from));
        }
    }

    __device__ __forceinline__ void add_batch(Tile &tile, int dy, int dx, int stamp) const
    {
        spread_rows(tile, stamp);
        __syncthreads();
        if (row < OUT_ROWS)
#pragma unroll 1
            for (int each = 0; each < BATCH; each++)
                if (tile.found[each] == stamp)
                    add_values_of(tile, each, dy, dx + each);
        __syncthreads();
    }
};

// Blocks over tiles of pixels of the result.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    add_values(const float *query, int height, int width, const float *key, int key_height,
               int key_width, const float *least, const float *limit, float scale,
               unsigned char *reached, int band_rows, int first_dy, int end_dy, const float *factor,
               const float *value, const float *window, float *out)
{
    __shared__ Tile tile;
    const Request request = {query, height, width, key, key_height, key_width,
                             limit, scale, reached, band_rows, first_dy, end_dy};
    const Block block = block_of(request, blockIdx.x, 1, 0);
    if (threadIdx.x < P)
        tile.window[threadIdx.x] = window[threadIdx.x];
    const int column = threadIdx.x % OUT_COLUMNS, row = threadIdx.x / OUT_COLUMNS * VERTICAL;
    Means means = {request, value, out, row, column, block.top + P - 1 + row,
                   block.left + P - 1 + column};
    walk(tile, request, block, least, factor, means);
}
#endif
