// Patches of an image or a volume, and the distance of two of them.
//
// Compile-time: AXES 2 for images or 3 for volumes; PZ, PY, PX sides of a patch (PZ = 1 in images),
// C channels.

// Loops over a patch are unrolled where that does not make the code too long.
constexpr bool is_short = PZ * PY * PX * C <= 256;
constexpr int unroll_rows = is_short ? PY : 1, unroll_columns = is_short ? PX : 1;

// An image has one slice.
struct Image {
    const float *pixels;
    int depth, height, width;

    __device__ __forceinline__ long long slice() const { return (long long)height * width; }
    __device__ __forceinline__ long long volume() const
    {
        return AXES == 2 ? slice() : depth * slice();
    }
};

// Position of a patch; in images the slice is 0.
struct Place {
    int slice, row, column;
};

// Patches along each axis.
__device__ __forceinline__ Place patches_of(const Image &image)
{
    return {image.depth - PZ + 1, image.height - PY + 1, image.width - PX + 1};
}

// Whether a position is in an array of this shape.
__device__ __forceinline__ bool is_inside(const Place &place, const Place &shape)
{
    return (AXES == 2 || (place.slice >= 0 && place.slice < shape.slice)) && place.row >= 0 &&
           place.column >= 0 && place.row < shape.row && place.column < shape.column;
}

__device__ __forceinline__ bool is_same(const Place &a, const Place &b)
{
    return (AXES == 2 || a.slice == b.slice) && a.row == b.row && a.column == b.column;
}

// Flat index of a position in an array of so many rows and columns; 32 bits number all pixels.
__device__ __forceinline__ int flat(const Place &place, int rows, int columns)
{
    const int line = AXES == 2 ? place.row : place.slice * rows + place.row;
    return line * columns + place.column;
}

__device__ __forceinline__ Place place_of(int number, const Image &image)
{
    const int line = number / image.width;
    if (AXES == 2)
        return {0, line, number % image.width};
    return {line / image.height, line % image.height, number % image.width};
}

// Sum of the squared differences of a pair of pixels, slice by slice and in each channel by channel.
__device__ __forceinline__ float pixel_difference(const Image &query, long long place,
                                                  const Image &key, long long number)
{
    const long long query_volume = query.volume(), key_volume = key.volume();
    float total = square(query.pixels[place], key.pixels[number]);
#pragma unroll 4
    for (int plane = 1; plane < PZ * C; plane++) {
        const int slice = plane / C, channel = plane % C;
        total = add(total, square(query.pixels[place + slice * query.slice() + channel * query_volume],
                                  key.pixels[number + slice * key.slice() + channel * key_volume]));
    }
    return total;
}

// Sums of values that come one by one, by powers of two: level k holds the sum of 2^k of them where
// bit k of their number is set.
template <int p> struct Sums {
    float level[TOP(p) + 1];
};

template <int p> __device__ __forceinline__ void append(Sums<p> &sums, int count, float value)
{
#pragma unroll
    for (int k = 0; k <= TOP(p); k++) {
        if (!(count >> k & 1)) {
            sums.level[k] = value;
            break;
        }
        value = add(sums.level[k], value);
    }
}

template <int p> __device__ __forceinline__ float total(const Sums<p> &sums, int count)
{
    float result = 0.0f;
    bool begun = false;
#pragma unroll
    for (int k = TOP(p); k >= 0; k--)
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
    Sums<PX> columns;
#pragma unroll unroll_columns
    for (int x = 0; x < PX; x++) {
        Sums<PY> rows;
#pragma unroll unroll_rows
        for (int y = 0; y < PY; y++)
            append(rows, y, pixel_difference(query, place + x + (long long)y * query.width, key,
                                             number + x + (long long)y * key.width));
        append(columns, x, total(rows, PY));
        // Sums of the first 1, 2, 4, ... columns, and what follows the largest of these.
        const int count = x + 1;
        if (count < PX && ((count & (count - 1)) == 0 || count > 1 << TOP(PX))) {
            const float so_far = total(columns, count);
            if (less(limit, so_far))
                return so_far;
        }
    }
    return total(columns, PX);
}
