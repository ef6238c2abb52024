// What instructions of PTX do, for the rules of instructions.py. Registers hold bits: unsigned
// integers of their size, or bool; `get` and `put` read and write them as numbers of a type.

#pragma once

#include <cmath>

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using s8 = int8_t;
using s16 = int16_t;
using s32 = int32_t;
using s64 = int64_t;
using f32 = float;
using f64 = double;

template <class To, class Register> static To get(Register value)
{
    if constexpr (std::is_same_v<To, f32>)
        return bits<f32>(static_cast<u32>(value));
    else if constexpr (std::is_same_v<To, f64>)
        return bits<f64>(static_cast<u64>(value));
    else
        return static_cast<To>(value);
}

// Signed numbers are extended by their sign, others by zeros.
template <class Register, class From> static void put(Register &target, From value)
{
    if constexpr (std::is_same_v<From, f32>)
        target = bits<u32>(value);
    else if constexpr (std::is_same_v<From, f64>)
        target = bits<u64>(value);
    else
        target = static_cast<Register>(value);
}

// Memory: an address is a pointer, or an offset into the shared or a thread's local memory.

template <class To> static To load(u64 address)
{
    To value;
    std::memcpy(&value, reinterpret_cast<const void *>(address), sizeof value);
    return value;
}

template <class From> static void store(u64 address, From value)
{
    std::memcpy(reinterpret_cast<void *>(address), &value, sizeof value);
}

template <class Number, class Change> static Number exchange(u64 address, Change change)
{
    const Number before = load<Number>(address);
    store<Number>(address, change(before));
    return before;
}

// Arithmetic. Results that are no numbers all have the same bits on a device.

static f32 made(f32 value) { return value == value ? value : bits<f32>(0x7fffffffu); }
static f64 made(f64 value) { return value == value ? value : bits<f64>(0x7fffffffffffffffull); }

// What .ftz does to operands and results.
static f32 flushed(f32 value)
{
    return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value;
}

template <class Number> static Number smaller_number(Number a, Number b)
{
    if (a != a || b != b)
        return made(a != a ? b : a);
    return a < b || (a == b && std::signbit(a)) ? a : b;
}

template <class Number> static Number larger_number(Number a, Number b)
{
    if (a != a || b != b)
        return made(a != a ? b : a);
    return a > b || (a == b && std::signbit(b)) ? a : b;
}

template <class Number> static Number shifted_left(Number value, u32 count)
{
    return count < 8 * sizeof value ? static_cast<Number>(value << count) : 0;
}

template <class Number> static Number shifted_right(Number value, u32 count)
{
    const u32 all = 8 * sizeof value;
    if (count >= all)
        return value < 0 ? static_cast<Number>(-1) : 0;
    return static_cast<Number>(value >> count);
}

template <class Number> static Number high_half(Number a, Number b)
{
    using Wide = std::conditional_t<std::is_signed_v<Number>, __int128, unsigned __int128>;
    return static_cast<Number>(static_cast<Wide>(a) * static_cast<Wide>(b) >> 8 * sizeof(Number));
}

template <class Number> static Number with_field(Number field, Number whole, u32 first, u32 length)
{
    first &= 255, length &= 255;
    const Number mask = shifted_left<Number>(
        length < 8 * sizeof(Number) ? shifted_left<Number>(1, length) - 1 : ~Number(0), first);
    return (whole & ~mask) | (shifted_left(field, first) & mask);
}
