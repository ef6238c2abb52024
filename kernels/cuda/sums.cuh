// Arithmetic with bits that are the same everywhere, sliding sums, and packed matches.
//
// Every operation is rounded by itself: left to the compiler, products and sums would become fused
// multiply-adds. And subnormal numbers count: CuPy compiles with -ftz=true, under which operators,
// comparisons, `min`, `max` and even intrinsics like `__fadd_rn` take them for zero. PTX says for
// each instruction whether it does.

#define INFINITE __int_as_float(0x7f800000)
#define LARGEST __int_as_float(0x7f7fffff)

// Where there is no PTX, whoever defines ON_HOST offers these six functions.
#ifndef ON_HOST
#define ARITHMETIC(name, instruction)                                                              \
    __device__ __forceinline__ float name(float a, float b)                                        \
    {                                                                                              \
        float result;                                                                              \
        asm(instruction " %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));                           \
        return result;                                                                             \
    }

ARITHMETIC(add, "add.rn.f32")
ARITHMETIC(subtract, "sub.rn.f32")
ARITHMETIC(multiply, "mul.rn.f32")
ARITHMETIC(divide, "div.rn.f32")

#define COMPARISON(name, instruction)                                                              \
    __device__ __forceinline__ bool name(float a, float b)                                         \
    {                                                                                              \
        int result;                                                                                \
        asm("{\n\t.reg .pred is_true;\n\t" instruction " is_true, %1, %2;\n\t"                     \
            "selp.s32 %0, 1, 0, is_true;\n\t}"                                                     \
            : "=r"(result)                                                                         \
            : "f"(a), "f"(b));                                                                     \
        return result;                                                                             \
    }

COMPARISON(less, "setp.lt.f32")
COMPARISON(at_most, "setp.le.f32")
#endif

__device__ __forceinline__ float smaller(float a, float b) { return less(a, b) ? a : b; }

__device__ __forceinline__ float larger(float a, float b) { return less(a, b) ? b : a; }

__device__ __forceinline__ float square(float a, float b)
{
    const float difference = subtract(a, b);
    return multiply(difference, difference);
}

// The largest k with 2^k <= p, for p below 32.
#define TOP(p) ((p) >= 16 ? 4 : (p) >= 8 ? 3 : (p) >= 4 ? 2 : (p) >= 2 ? 1 : 0)
// Sums of values pushed before that `push` keeps; C++ has no arrays without elements.
#define HISTORY(p) ((p) > 1 ? (p) - 1 : 1)

// Sum of the last p values pushed, by powers of two. The history holds, level after level, the last
// sums of 2^k values, oldest first: as many as the next level looks back.
template <int p> __device__ __forceinline__ float push(float (&history)[HISTORY(p)], float value)
{
    constexpr int top = TOP(p);
    float newest[top + 1];
    newest[0] = value;
#pragma unroll
    for (int k = 0; k < top; k++)
        newest[k + 1] = add(history[(1 << k) - 1], newest[k]);
    int covered = 1 << top;
    float total = p == covered ? newest[top] : history[covered - 1 < p - 1 ? covered - 1 : 0];
#pragma unroll
    for (int k = top - 1; k >= 0; k--)
        if (p >> k & 1) {
            covered += 1 << k;
            const int back = p - covered;
            // Level k starts at 2^k - 1 and looks back 2^k steps.
            total = add(total, back == 0 ? newest[k] : history[(2 << k) - 1 - back]);
        }
#pragma unroll
    for (int i = 0; i + 1 < p; i++) {
        const int k = TOP(i + 1);
        const bool last = i + 2 == 2 << k || i + 2 == p;
        history[i] = last ? newest[k] : history[i + 2 < p ? i + 1 : i];
    }
    return total;
}

// Sums over p neighbours, in place: sums[x] becomes the sum from x on, for the first ones.
template <int p, int count> __device__ __forceinline__ void sum_windows(float (&sums)[count])
{
    // Sums of 2^k neighbours, k rising; those that p is made of are wanted from the largest down.
    // All loops have constant lengths, so that the compiler keeps every array in registers.
    constexpr int top = TOP(p);
    float level[top + 1][count];
#pragma unroll
    for (int x = 0; x < count; x++)
        level[0][x] = sums[x];
#pragma unroll
    for (int k = 0; k < top; k++)
#pragma unroll
        for (int x = 0; x < count; x++)
            if (x + (2 << k) <= count)
                level[k + 1][x] = add(level[k][x], level[k][x + (1 << k)]);
#pragma unroll
    for (int x = 0; x < count; x++)
        if (x + p <= count) {
            float total = level[top][x];
            int covered = 1 << top;
#pragma unroll
            for (int k = top - 1; k >= 0; k--)
                if (p >> k & 1) {
                    total = add(total, level[k][x + covered]);
                    covered += 1 << k;
                }
            sums[x] = total;
        }
}

// Score and key in one word that orders by score, then key; 0 for no key yet.
__device__ __forceinline__ unsigned long long packed(float score, int number)
{
    return (unsigned long long)__float_as_uint(score) << 32 | (unsigned)(number + 1);
}

__device__ __forceinline__ float score_of(unsigned long long match)
{
    return __uint_as_float((unsigned)(match >> 32));
}
