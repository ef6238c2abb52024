// Sums of squared differences of a block of query patches and their keys, displacement by displacement;
// see `weighted_mean.cu`, whose steps 1 and 2 these are, and for what is compile-time.

#define LEAST 0
#define TOTALS 1
#define MEANS 2

// Rows of pixels under a strip.
#define ROWS (STRIP + P - 1)
#define QUERY_ROWS (STRIPS * STRIP)
// Query patches whose columns of pixels are all there; four are weighed at a time.
#define QUERY_COLUMNS ((COLUMNS - P + 1) / 4 * 4)
#define FOURS (QUERY_COLUMNS / 4)
#define THREADS (COLUMNS * STRIPS * GROUPS)
#define QUERIES (QUERY_ROWS * QUERY_COLUMNS)
#define QUERIES_PER_THREAD ((QUERIES + THREADS - 1) / THREADS)
// Pixels of the result all of whose query patches are in the block.
#define OUT_COLUMNS ((QUERY_COLUMNS - P + 1) / 4 * 4)
#define OUT_ROWS ((QUERY_ROWS - P + 1) / VERTICAL * VERTICAL)
// How far the first query patch of a block is from its first query or pixel.
#define AHEAD (PURPOSE == MEANS ? P - 1 : 0)
// Whether the query pixels of a thread stay in registers.
#define KEPT (C * ROWS <= 96)

constexpr int unroll_planes = C <= 4 ? C : 1;

struct Tile {
    // Sums over the rows of a patch, and later the weights convolved along rows.
    alignas(16) float sums[BATCH][QUERY_ROWS][COLUMNS];
#if PURPOSE != LEAST
    alignas(16) float weight[BATCH][QUERY_ROWS][QUERY_COLUMNS];
    // The last batch in which each of its displacements had a weight.
    int found[BATCH];
    unsigned char wanted[THREADS];
#endif
#if PURPOSE == MEANS
    float window[P];
#endif
};

// What all three kernels are given. Images are planes of rows; the key image has its border.
struct Request {
    const float *query;
    int height, width;
    const float *key;
    int key_height, key_width;
    const float *limit;
    float scale;
    unsigned char *reached;
    int band_rows, first_dy, end_dy;

    __device__ __forceinline__ int rows() const { return height - P + 1; }
    __device__ __forceinline__ int columns() const { return width - P + 1; }
    __device__ __forceinline__ int key_rows() const { return key_height - P + 1; }
    __device__ __forceinline__ int key_columns() const { return key_width - P + 1; }
    __device__ __forceinline__ int key_stride() const { return key_width + 2 * BORDER_COLUMNS; }

    // Displacements are numbered from the first one on.
    __device__ __forceinline__ int spans() const
    {
        return (columns() + key_columns() - 1 + SPAN - 1) / SPAN;
    }

    // What is noted of a band of query rows, a row of displacements and a span of these.
    __device__ __forceinline__ unsigned char *note(int band, int dy, int span) const
    {
        const long long line = (long long)band * (rows() + key_rows() - 1) + dy + rows() - 1;
        return reached + line * spans() + span;
    }
};

// The query patches of a block, some of which may be outside of the image, and the displacements
// with a key for one of them: rows [first_dy, end_dy), and batches of a row.
struct Block {
    int top, left, first_dy, end_dy, first_batch, end_batch;
};

__device__ __forceinline__ Block block_of(const Request &request, int number, int parts, int part)
{
    const int height = PURPOSE == MEANS ? OUT_ROWS : QUERY_ROWS;
    const int width = PURPOSE == MEANS ? OUT_COLUMNS : QUERY_COLUMNS;
    const int across = ((PURPOSE == MEANS ? request.width : request.columns()) + width - 1) / width;
    const int top = number / across * height - AHEAD, left = number % across * width - AHEAD;
    const int last_row = min(top + QUERY_ROWS, request.rows()) - 1;
    const int last_column = min(left + QUERY_COLUMNS, request.columns()) - 1;
    const int first_dy = max(request.first_dy, -last_row);
    const int end_dy = min(request.end_dy, request.key_rows() - max(top, 0));
    const int first = request.columns() - 1 - last_column;
    const int last = request.key_columns() - 1 - max(left, 0) + request.columns() - 1;
    const int rows = max(0, end_dy - first_dy), each = (rows + parts - 1) / parts;
    return {top, left, first_dy + part * each, min(end_dy, first_dy + (part + 1) * each),
            first / BATCH, last / BATCH + 1};
}

// A thread's column of pixels, its strip of query rows and its displacements of a batch.
struct Column {
    int column, strip, group;
#if KEPT
    float pixels[C * ROWS];
#else
    const float *pixels;
    int first_row;
#endif
};

// Pixels outside of the image belong to no patch: any other will do.
__device__ __forceinline__ int query_row(const Request &request, int row)
{
    return min(max(row, 0), request.height - 1);
}

__device__ __forceinline__ void begin_column(Column &own, const Request &request, const Block &block)
{
    own.column = threadIdx.x % COLUMNS;
    own.strip = threadIdx.x / COLUMNS % STRIPS;
    own.group = threadIdx.x / (COLUMNS * STRIPS);
    const int x = min(max(block.left + own.column, 0), request.width - 1);
    const int first_row = block.top + own.strip * STRIP;
#if KEPT
#pragma unroll
    for (int plane = 0; plane < C; plane++)
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            const int line = plane * request.height + query_row(request, first_row + row);
            own.pixels[plane * ROWS + row] = request.query[(long long)line * request.width + x];
        }
#else
    own.pixels = request.query + x;
    own.first_row = first_row;
#endif
}

// Sums over the rows of a patch of the squared differences of a column of pixels and its keys.
__device__ __forceinline__ void sum_rows(float (&sums)[ROWS], const Column &own,
                                         const Request &request, const float *key)
{
    const int stride = request.key_stride();
    const long long key_plane = (long long)(request.key_height + 2 * BORDER_ROWS) * stride;
#pragma unroll unroll_planes
    for (int plane = 0; plane < C; plane++) {
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
#if KEPT
            const float pixel = own.pixels[plane * ROWS + row];
#else
            const int line = plane * request.height + query_row(request, own.first_row + row);
            const float pixel = own.pixels[(long long)line * request.width];
#endif
            const float squared = square(pixel, key[(long long)row * stride]);
            sums[row] = plane == 0 ? squared : add(sums[row], squared);
        }
        key += key_plane;
    }
    sum_windows<P>(sums);
}

// Step 1 for the displacements from (dx, dy) on.
__device__ __forceinline__ void sum_columns(Tile &tile, const Column &own, const Request &request,
                                            const Block &block, int dy, int dx)
{
    const int y = block.top + own.strip * STRIP + dy + BORDER_ROWS;
    const int x = block.left + own.column + dx + BORDER_COLUMNS;
    const float *key = request.key + (long long)y * request.key_stride() + x;
#pragma unroll 1
    for (int each = own.group; each < BATCH; each += GROUPS) {
        float sums[ROWS];
        sum_rows(sums, own, request, key + each);
#pragma unroll
        for (int row = 0; row < STRIP; row++)
            tile.sums[each][own.strip * STRIP + row][own.column] = sums[row];
    }
}

// Four neighbouring query patches at one displacement of a batch.
struct Four {
    int each, row, column;
    float sums[P + 3];
};

// Take the sums of squared differences of four query patches.
__device__ __forceinline__ void take_sums(Four &four, const Tile &tile, int number)
{
    const int line = number / FOURS;
    four.column = number % FOURS * 4;
    four.row = line % QUERY_ROWS;
    four.each = line / QUERY_ROWS;
#pragma unroll
    for (int k = 0; k < P + 3; k++)
        four.sums[k] = tile.sums[four.each][four.row][four.column + k];
    sum_windows<P>(four.sums);
}

// Number of a query patch, or -1 outside of the image.
__device__ __forceinline__ long long query_number(const Request &request, int y, int x)
{
    if (y < 0 || x < 0 || y >= request.rows() || x >= request.columns())
        return -1;
    return (long long)y * request.columns() + x;
}
