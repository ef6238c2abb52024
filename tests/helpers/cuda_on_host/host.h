// Enough of CUDA to run kernels on the host: blocks one after another, the threads of a block as
// fibers that take turns at every barrier. Slow, for finding wrong results and accesses only.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ucontext.h>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define __global__
#define __device__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)

using std::max;
using std::min;

struct Index {
    unsigned x, y, z;
};
struct float4 {
    float x, y, z, w;
} __attribute__((aligned(16)));

static Index threadIdx, blockIdx, blockDim, gridDim;

template <class To, class From> static To bits(From value)
{
    To result;
    static_assert(sizeof(To) == sizeof(From), "");
    std::memcpy(&result, &value, sizeof result);
    return result;
}

static float __int_as_float(int value) { return bits<float>(value); }
static float __uint_as_float(unsigned value) { return bits<float>(value); }
static unsigned __float_as_uint(float value) { return bits<unsigned>(value); }
// What sums.cuh has in PTX. The compiler must not contract these either: -ffp-contract=off.
#define ON_HOST
static float add(float a, float b) { return a + b; }
static float subtract(float a, float b) { return a - b; }
static float multiply(float a, float b) { return a * b; }
static float divide(float a, float b) { return a / b; }
static bool less(float a, float b) { return a < b; }
static bool at_most(float a, float b) { return a <= b; }

// Other threads may take their turn before an atomic operation, where threads are shuffled.
static void let_others();

template <class Number> static Number atomicMin(Number *address, Number value)
{
    let_others();
    const Number before = *address;
    *address = min(before, value);
    return before;
}

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    bool done, at_barrier;
    void *fake_stack;
};

static const size_t stack_bytes = 256 * 1024;
static ucontext_t scheduler;
static std::vector<Fiber> fibers;
static Fiber *running;
static std::function<void()> work;
static const void *scheduler_stack;
static size_t scheduler_stack_bytes;
static void *scheduler_fake_stack;

static void to_scheduler(bool last)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(last ? nullptr : &running->fake_stack, scheduler_stack,
                                   scheduler_stack_bytes);
#endif
    if (last)
        setcontext(&scheduler);
    swapcontext(&running->context, &scheduler);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(running->fake_stack, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

static void __syncthreads()
{
    running->at_barrier = true;
    to_scheduler(false);
}

// 0: threads and blocks in their order; 1: backwards; more: shuffled, the number is the seed.
static unsigned order;
static uint64_t shuffle_state;

static uint64_t random_bits()
{
    shuffle_state ^= shuffle_state << 13;
    shuffle_state ^= shuffle_state >> 7;
    shuffle_state ^= shuffle_state << 17;
    return shuffle_state * 0x2545F4914F6CDD1DULL >> 32;
}

static void let_others()
{
    if (order > 1 && random_bits() % 2)
        to_scheduler(false);
}

static std::vector<unsigned> ordered(unsigned count)
{
    std::vector<unsigned> places(count);
    for (unsigned i = 0; i < count; i++)
        places[i] = order == 1 ? count - 1 - i : i;
    for (unsigned i = count; order > 1 && i > 1; i--)
        std::swap(places[i - 1], places[random_bits() % i]);
    return places;
}

static void fiber_main()
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
#endif
    work();
    running->done = true;
    to_scheduler(true);
}

static void resume(Fiber &fiber)
{
    running = &fiber;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, fiber.stack.data(), stack_bytes);
#endif
    swapcontext(&scheduler, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
}

// All threads of a block up to their next barrier, again and again until all have returned; -1 if
// some wait at a barrier that others have passed by.
static int run_block()
{
    const unsigned count = blockDim.x;
    if (fibers.size() < count)
        fibers.resize(count);
    for (unsigned i = 0; i < count; i++) {
        Fiber &fiber = fibers[i];
        fiber.stack.resize(stack_bytes);
        fiber.done = fiber.at_barrier = false;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = stack_bytes;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, fiber_main, 0);
    }
    for (;;) {
        unsigned waiting = 0, done = 0;
        for (const unsigned i : ordered(count)) {
            threadIdx = {i, 0, 0};
            if (!fibers[i].done && !fibers[i].at_barrier)
                resume(fibers[i]);
            waiting += fibers[i].at_barrier;
            done += fibers[i].done;
        }
        if (done == count)
            return 0;
        if (waiting + done < count)
            continue;
        if (waiting < count)
            return -1;
        for (unsigned i = 0; i < count; i++)
            fibers[i].at_barrier = false;
    }
}

template <class... Types, size_t... Numbers>
static void call(void (*kernel)(Types...), void **arguments, std::index_sequence<Numbers...>)
{
    kernel(*static_cast<Types *>(arguments[Numbers])...);
}

template <class... Types>
static int launch(void (*kernel)(Types...), const unsigned *grid, unsigned threads, unsigned how,
                  void **arguments)
{
    order = how;
    shuffle_state = how * 0x9E3779B97F4A7C15ULL + 1;
    work = [=] { call(kernel, arguments, std::index_sequence_for<Types...>()); };
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {threads, 1, 1};
    const unsigned blocks = grid[0] * grid[1] * grid[2];
    for (const unsigned block : ordered(blocks)) {
        blockIdx = {block % grid[0], block / grid[0] % grid[1], block / grid[0] / grid[1]};
        if (run_block() != 0)
            return -1;
    }
    return 0;
}

#define HOST_KERNEL(name)                                                                          \
    extern "C" int launch_##name(const unsigned *grid, unsigned threads, unsigned how,             \
                                 void **arguments)                                                 \
    {                                                                                              \
        return launch(name, grid, threads, how, arguments);                                        \
    }
