// What the matched patches say of each pixel: weighted mean, median or trimmed mean.
//
// One thread gathers one pixel of the output, so that nothing is added atomically and the order of
// the sums is fixed: the rows of a patch, then its columns. `active` says which pixels are wanted,
// or is null. Blocks: over parts of rows and, slower, rows, as the second number of a grid is small.
//
// Compile-time: P patch side, C channels.

#include "sums.cuh"

struct Field {
    const int *index;
    int rows, columns, value_width;
};

// Pixel that the patch (dy, dx) above and left of a pixel puts there, as an offset into a plane.
__device__ __forceinline__ long long pixel_of(const Field &field, int y, int x, int dy, int dx)
{
    return field.index[(long long)(y - dy) * field.columns + x - dx] +
           (long long)dy * field.value_width + dx;
}

extern "C" __global__ void vote_mean(const float *value, int value_height, int value_width,
                                     const int *index, int height, int width,
                                     const unsigned char *active, const float *weight, float *out)
{
    const int blocks = (width + blockDim.x - 1) / blockDim.x;
    const int x = blockIdx.x % blocks * blockDim.x + threadIdx.x, y = blockIdx.x / blocks;
    if (x >= width || (active && !active[(long long)y * width + x]))
        return;
    const Field field = {index, height - P + 1, width - P + 1, value_width};
    const long long plane = (long long)value_height * value_width;
    float sums[C], total = 0.0f;
#pragma unroll 4
    for (int channel = 0; channel < C; channel++)
        sums[channel] = 0.0f;
    for (int dy = max(0, y - field.rows + 1); dy < min(P, y + 1); dy++)
        for (int dx = max(0, x - field.columns + 1); dx < min(P, x + 1); dx++) {
            const float factor = weight[dy * P + dx];
            const float *pixel = value + pixel_of(field, y, x, dy, dx);
            total = add(total, factor);
#pragma unroll 4
            for (int channel = 0; channel < C; channel++)
                sums[channel] = add(sums[channel], multiply(factor, pixel[channel * plane]));
        }
#pragma unroll 4
    for (int channel = 0; channel < C; channel++)
        out[((long long)channel * height + y) * width + x] = divide(sums[channel], total);
}

// The lower one of two values in the middle, or the mean of all but a quarter on either side.
// Blocks: x over parts of rows and rows, y over channels.
extern "C" __global__ void vote_ranked(const float *value, int value_height, int value_width,
                                       const int *index, int height, int width,
                                       const unsigned char *active, int trimmed, float *out)
{
    const int blocks = (width + blockDim.x - 1) / blockDim.x;
    const int x = blockIdx.x % blocks * blockDim.x + threadIdx.x, y = blockIdx.x / blocks;
    const int channel = blockIdx.y;
    if (x >= width || (active && !active[(long long)y * width + x]))
        return;
    const Field field = {index, height - P + 1, width - P + 1, value_width};
    const float *plane = value + (long long)channel * value_height * value_width;
    float covering[P * P];
    covering[0] = 0.0f;  // there is always a patch, which compilers do not know
    int count = 0;
    for (int dy = max(0, y - field.rows + 1); dy < min(P, y + 1); dy++)
        for (int dx = max(0, x - field.columns + 1); dx < min(P, x + 1); dx++) {
            const float value_here = plane[pixel_of(field, y, x, dy, dx)];
            // Insertion sort: at most P * P values, mostly nearly equal.
            int place = count++;
            for (; place > 0 && less(value_here, covering[place - 1]); place--)
                covering[place] = covering[place - 1];
            covering[place] = value_here;
        }
    const int first = trimmed ? count / 4 : (count - 1) / 2;
    const int end = trimmed ? count - count / 4 : first + 1;
    float total = covering[first];
    for (int rank = first + 1; rank < end; rank++)
        total = add(total, covering[rank]);
    out[((long long)channel * height + y) * width + x] = divide(total, (float)(end - first));
}
