// What the matched patches say of each pixel: weighted mean, median or trimmed mean.
//
// One thread gathers one pixel of the output, so that nothing is added atomically and the order of
// the sums is fixed: the slices of a patch, its rows, then its columns. `active` says which pixels
// are wanted, or is null. Blocks: over parts of rows and, slower, rows of all slices, as the second
// number of a grid is small. With `last_index` and `last`, other matches and what they made, pixels
// all of whose patches are the same are copied. Several images lie one behind the other, with all
// their channels, and blocks along the second axis take one each.
//
// Compile-time: AXES 2 for images or 3 for volumes; PZ, PY, PX sides of a patch (PZ = 1 in images),
// C channels.

#include "sums.cuh"

// What patches say, and how large the result is; images have one slice.
struct Field {
    const float *value;
    int value_depth, value_height, value_width;
    const int *index;
    int depth, height, width;
    const unsigned char *active;
    const int *last_index;
    const float *last;
    float *out;

    __device__ __forceinline__ long long value_pixels() const
    {
        return (long long)(AXES == 2 ? 1 : value_depth) * value_height * value_width;
    }

    __device__ __forceinline__ long long pixels() const
    {
        return (long long)(AXES == 2 ? 1 : depth) * height * width;
    }

    // The same for one of several images.
    __device__ __forceinline__ Field of_image(int number) const
    {
        Field field = *this;
        const int rows = height - PY + 1, columns = width - PX + 1;
        const long long patches = (long long)(AXES == 2 ? 1 : depth - PZ + 1) * rows * columns;
        field.index += number * patches;
        field.out += number * C * pixels();
        if (last_index) {
            field.last_index += number * patches;
            field.last += number * C * pixels();
        }
        return field;
    }
};

// A pixel of the result, and the offsets in a patch of those patches that cover it.
struct Pixel {
    int z, y, x;
    long long number;
    bool wanted;
    int first_dz, end_dz, first_dy, end_dy, first_dx, end_dx;
};

__device__ __forceinline__ Pixel pixel_of_thread(const Field &field)
{
    const int blocks = (field.width + blockDim.x - 1) / blockDim.x, line = blockIdx.x / blocks;
    const int z = AXES == 2 ? 0 : line / field.height, y = AXES == 2 ? line : line % field.height;
    const int x = blockIdx.x % blocks * blockDim.x + threadIdx.x;
    const long long number = (long long)line * field.width + x;
    const bool wanted = x < field.width && (!field.active || field.active[number]);
    return {z, y, x, number, wanted,
            PZ == 1 ? 0 : max(0, z - (field.depth - PZ)), PZ == 1 ? 1 : min(PZ, z + 1),
            max(0, y - (field.height - PY)), min(PY, y + 1),
            max(0, x - (field.width - PX)), min(PX, x + 1)};
}

// Number of the patch that is (dz, dy, dx) before a pixel.
__device__ __forceinline__ long long patch_of(const Field &field, const Pixel &pixel, int dz, int dy,
                                              int dx)
{
    const long long slice = AXES == 2 ? 0 : (long long)(pixel.z - dz) * (field.height - PY + 1);
    return (slice + pixel.y - dy) * (field.width - PX + 1) + pixel.x - dx;
}

// Whether all patches that cover a pixel are those of the last time.
__device__ bool is_as_before(const Field &field, const Pixel &pixel)
{
    if (!field.last_index)
        return false;
    for (int dz = pixel.first_dz; dz < pixel.end_dz; dz++)
        for (int dy = pixel.first_dy; dy < pixel.end_dy; dy++)
            for (int dx = pixel.first_dx; dx < pixel.end_dx; dx++) {
                const long long patch = patch_of(field, pixel, dz, dy, dx);
                if (field.index[patch] != field.last_index[patch])
                    return false;
            }
    return true;
}

// What the patch that is (dz, dy, dx) before a pixel puts there, as an offset into a channel.
__device__ __forceinline__ long long offset_of(const Field &field, const Pixel &pixel, int dz, int dy,
                                               int dx)
{
    const long long patch = patch_of(field, pixel, dz, dy, dx);
    const long long row = AXES == 2 ? dy : (long long)dz * field.value_height + dy;
    return field.index[patch] + row * field.value_width + dx;
}

extern "C" __global__ void vote_mean(const float *value, int value_depth, int value_height,
                                     int value_width, const int *index, int depth, int height,
                                     int width, const unsigned char *active,
                                     const int *last_index, const float *last, const float *weight,
                                     float *out)
{
    const Field all = {value, value_depth, value_height, value_width, index, depth, height, width,
                       active, last_index, last, out};
    const Field field = all.of_image(blockIdx.y);
    const Pixel pixel = pixel_of_thread(field);
    if (!pixel.wanted)
        return;
    const long long plane = field.value_pixels(), pixels = field.pixels();
    if (is_as_before(field, pixel)) {
        for (int channel = 0; channel < C; channel++)
            field.out[channel * pixels + pixel.number] = field.last[channel * pixels + pixel.number];
        return;
    }
    float sums[C], total = 0.0f;
#pragma unroll 4
    for (int channel = 0; channel < C; channel++)
        sums[channel] = 0.0f;
    for (int dz = pixel.first_dz; dz < pixel.end_dz; dz++)
        for (int dy = pixel.first_dy; dy < pixel.end_dy; dy++)
            for (int dx = pixel.first_dx; dx < pixel.end_dx; dx++) {
                const float factor = weight[(dz * PY + dy) * PX + dx];
                const float *here = field.value + offset_of(field, pixel, dz, dy, dx);
                total = add(total, factor);
#pragma unroll 4
                for (int channel = 0; channel < C; channel++)
                    sums[channel] = add(sums[channel], multiply(factor, here[channel * plane]));
            }
#pragma unroll 4
    for (int channel = 0; channel < C; channel++)
        field.out[channel * pixels + pixel.number] = divide(sums[channel], total);
}

// Call `each` with the values of a channel that patches put at a pixel, slice by slice, row by row.
template <class Function>
__device__ __forceinline__ void for_each_value(const Field &field, const Pixel &pixel,
                                               const float *plane, Function each)
{
    for (int dz = pixel.first_dz; dz < pixel.end_dz; dz++)
        for (int dy = pixel.first_dy; dy < pixel.end_dy; dy++)
            for (int dx = pixel.first_dx; dx < pixel.end_dx; dx++)
                each(plane[offset_of(field, pixel, dz, dy, dx)]);
}

// Sum of the values of ranks [first, end) from the lowest.
#if PZ * PY * PX <= 256
__device__ __forceinline__ float sum_of_ranks(const Field &field, const Pixel &pixel,
                                              const float *plane, int first, int end)
{
    float covering[PZ * PY * PX];
    covering[0] = 0.0f;  // there is always a patch, which compilers do not know
    int count = 0;
    for_each_value(field, pixel, plane, [&](float value) {
        // Insertion sort: at most the values of a patch, mostly nearly equal.
        int place = count++;
        for (; place > 0 && less(value, covering[place - 1]); place--)
            covering[place] = covering[place - 1];
        covering[place] = value;
    });
    float total = covering[first];
    for (int rank = first + 1; rank < end; rank++)
        total = add(total, covering[rank]);
    return total;
}
#else
// So many values are too many for the memory of each thread: they are read again for each value that
// there is, from the lowest on.
__device__ __forceinline__ float sum_of_ranks(const Field &field, const Pixel &pixel,
                                              const float *plane, int first, int end)
{
    float total = 0.0f, last = -INFINITE;
    int rank = 0;
    while (rank < end) {
        float next = INFINITE;
        int copies = 0;
        for_each_value(field, pixel, plane, [&](float value) {
            if (less(last, value) && at_most(value, next)) {
                copies = less(value, next) ? 1 : copies + 1;
                next = value;
            }
        });
        if (copies == 0)  // a value that is not finite
            return INFINITE;
        for (; copies > 0 && rank < end; copies--, rank++)
            if (rank >= first)
                total = rank == first ? next : add(total, next);
        rank += copies;
        last = next;
    }
    return total;
}
#endif

// The lower one of two values in the middle, or the mean of all but a quarter on either side.
// Blocks: x over parts of rows and rows, y over images and channels.
extern "C" __global__ void vote_ranked(const float *value, int value_depth, int value_height,
                                       int value_width, const int *index, int depth, int height,
                                       int width, const unsigned char *active,
                                       const int *last_index, const float *last, int trimmed,
                                       float *out)
{
    const Field all = {value, value_depth, value_height, value_width, index, depth, height, width,
                       active, last_index, last, out};
    const Field field = all.of_image(blockIdx.y / C);
    const Pixel pixel = pixel_of_thread(field);
    if (!pixel.wanted)
        return;
    const int channel = blockIdx.y % C;
    const long long place = channel * field.pixels() + pixel.number;
    if (is_as_before(field, pixel)) {
        field.out[place] = field.last[place];
        return;
    }
    const float *plane = field.value + channel * field.value_pixels();
    const int count = (pixel.end_dz - pixel.first_dz) * (pixel.end_dy - pixel.first_dy) *
                      (pixel.end_dx - pixel.first_dx);
    const int first = trimmed ? count / 4 : (count - 1) / 2;
    const int end = trimmed ? count - count / 4 : first + 1;
    const float total = sum_of_ranks(field, pixel, plane, first, end);
    field.out[place] = divide(total, (float)(end - first));
}
