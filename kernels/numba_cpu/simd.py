"""Vectors of float32 for Numba kernels: one value of type `vector` is one or more registers.

Numba leaves vectorising to LLVM, which has to guess and, without aliasing guarantees, checks for
overlap before every inner loop. Here the vectors are explicit: what is written is what runs, on
any processor (LLVM splits vectors that are wider than its registers). Elements are computed
independently, so results do not depend on the width.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any, cast

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from pnncupy.kernels.exp2 import (
    EXP2_COEFFICIENTS,
    LEAST_EXPONENT,
    MANTISSA_BITS,
    ROUND_TO_INTEGER,
)
from pnncupy.kernels.numba_cpu.compile import inlined
from pnncupy.kernels.sum_order import powers, tree_sum


def _intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Function of kernels that generates LLVM code."""
    return cast(Callable[..., Any], intrinsic(function))


def _intrinsic_of_literals(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, which sees constants among its arguments."""
    return cast(Callable[..., Any], intrinsic(prefer_literal=True)(function))


def _overloaded(operation: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let an operator work with vectors."""
    return cast(Callable[[Callable[..., Any]], Callable[..., Any]], overload(operation))


def _register_lanes() -> int:
    """Floats in the widest vector register of the processor that Numba compiles for."""
    if config.CPU_FEATURES is not None:
        features = config.CPU_FEATURES
    elif config.CPU_NAME == "generic":
        features = ""
    else:
        features = binding.get_host_cpu_features().flatten()
    enabled = features.split(",")
    if "+avx512f" in enabled:
        return 16
    return 8 if "+avx" in enabled else 4


LANES = _register_lanes()

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_MASK = ir.IntType(LANES)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)


class VectorType(types.Type):  # type: ignore[misc]  # Numba has no types
    """Numba type of `LANES` floats."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


vector = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


def _element(
    context: Any, builder: Any, array_type: Any, array: Any, position_type: Any, position: Any,
    offset: Any = 0,
) -> Any:  # fmt: skip
    """Address of element `position + offset` of a flat array; no bounds check, no wrap-around."""
    data = context.make_array(array_type)(context, builder, array).data
    position = context.cast(builder, position, position_type, types.intp)
    return builder.gep(data, [builder.add(position, position.type(offset))])


def _load(builder: Any, address: Any) -> Any:
    return builder.load(builder.bitcast(address, _VECTOR.as_pointer()), align=4)


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.bitcast(address, _VECTOR.as_pointer()), align=4)


def _splat(builder: Any, value: Any) -> Any:
    first = builder.insert_element(_UNDEFINED, value, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, _UNDEFINED, zeros)


@_intrinsic
def load(typing_context: Any, array: Any, position: Any) -> Any:
    """`LANES` consecutive elements of a flat float32 array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, position_type = signature.args
        return _load(
            builder,
            _element(context, builder, array_type, arguments[0], position_type, arguments[1]),
        )

    return vector(array, position), generate


@_intrinsic
def store(typing_context: Any, array: Any, position: Any, value: Any) -> Any:
    """Write a vector to `LANES` consecutive elements of a flat float32 array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, position_type, _ = signature.args
        address = _element(context, builder, array_type, arguments[0], position_type, arguments[1])
        _store(builder, arguments[2], address)
        return context.get_dummy_value()

    return types.void(array, position, value), generate


@_intrinsic
def broadcast(typing_context: Any, array: Any, position: Any) -> Any:
    """One element of a flat float32 array in every lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, position_type = signature.args
        address = _element(context, builder, array_type, arguments[0], position_type, arguments[1])
        return _splat(builder, builder.load(address))

    return vector(array, position), generate


def _elementwise(instruction: Any) -> Any:
    @_intrinsic
    def apply(typing_context: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

        return vector(vector, vector), generate

    return apply


_add, _subtract, _multiply = map(_elementwise, ("fadd", "fsub", "fmul"))


# Numba compares the names and annotations of both functions.
@_overloaded(operator.add)
def _overload_add(left: Any, right: Any) -> Any:
    def implementation(left: Any, right: Any) -> Any:
        return _add(left, right)

    return implementation if left is vector and right is vector else None


@_overloaded(operator.sub)
def _overload_subtract(left: Any, right: Any) -> Any:
    def implementation(left: Any, right: Any) -> Any:
        return _subtract(left, right)

    return implementation if left is vector and right is vector else None


@_overloaded(operator.mul)
def _overload_multiply(left: Any, right: Any) -> Any:
    def implementation(left: Any, right: Any) -> Any:
        return _multiply(left, right)

    return implementation if left is vector and right is vector else None


@_intrinsic
def maximum(typing_context: Any, left: Any, right: Any) -> Any:
    """The larger one in each lane; `right` where either is NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return vector(vector, vector), generate


@_intrinsic
def any_less(typing_context: Any, left: Any, right: Any) -> Any:
    """Test whether any lane has ``left < right``; NaN is never less."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = builder.bitcast(builder.fcmp_ordered("<", *arguments), _MASK)
        return builder.icmp_unsigned("!=", lanes, _MASK(0))

    return types.boolean(vector, vector), generate


def _lanes_that(comparison: str) -> Any:
    """Function of kernels: bit k is set where lane k compares so; NaN never does."""

    @_intrinsic
    def lanes_that(typing_context: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lanes = builder.bitcast(builder.fcmp_ordered(comparison, *arguments), _MASK)
            return builder.zext(lanes, ir.IntType(64))

        return types.int64(vector, vector), generate

    return lanes_that


less_lanes, equal_lanes = map(_lanes_that, ("<", "=="))


@_intrinsic
def minimum(typing_context: Any, left: Any, right: Any) -> Any:
    """The smaller one in each lane; `right` where either is NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return vector(vector, vector), generate


@_intrinsic
def lowest_bit(typing_context: Any, bits: Any) -> Any:
    """Number of the lowest bit that is set in a 64-bit integer other than 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.int64), generate


@_intrinsic
def either_less(
    typing_context: Any, left: Any, right: Any, other_left: Any, other_right: Any,
) -> Any:  # fmt: skip
    """Test any lane for ``left < right`` or ``other_left < other_right``; NaN is never less."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = builder.fcmp_ordered("<", arguments[0], arguments[1])
        second = builder.fcmp_ordered("<", arguments[2], arguments[3])
        lanes = builder.bitcast(builder.or_(first, second), _MASK)
        return builder.icmp_unsigned("!=", lanes, _MASK(0))

    return types.boolean(vector, vector, vector, vector), generate


@_intrinsic
def weights_below(typing_context: Any, sums: Any, least: Any, limit: Any, scale: Any) -> Any:
    """Weights ``2**((least - sums) * scale)``, 0 where ``sums < limit`` is false; see `exp2`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, least, limit, scale = arguments
        power = builder.fmul(builder.fsub(least, sums), scale)
        smallest = _constant(LEAST_EXPONENT)
        power = builder.select(builder.fcmp_ordered(">", power, smallest), power, smallest)
        magic = _constant(ROUND_TO_INTEGER)
        whole = builder.fsub(builder.fadd(power, magic), magic)
        rest = builder.fsub(power, whole)
        total = _constant(EXP2_COEFFICIENTS[0])
        for coefficient in EXP2_COEFFICIENTS[1:]:
            total = builder.fadd(builder.fmul(total, rest), _constant(coefficient))
        integers = ir.VectorType(ir.IntType(32), LANES)
        exponent = builder.shl(
            builder.fptosi(whole, integers), ir.Constant(integers, [MANTISSA_BITS] * LANES)
        )
        weights = builder.bitcast(builder.add(builder.bitcast(total, integers), exponent), _VECTOR)
        return builder.select(builder.fcmp_ordered("<", sums, limit), weights, _constant(0.0))

    return vector(vector, vector, vector, vector), generate


def _constant(value: float) -> Any:
    return ir.Constant(_VECTOR, [value] * LANES)


# A sliding sum over the last p vectors pushed, in the order that `protocol` fixes. Its history is
# a tuple of p - 1 vectors: for each power of two 2^k <= p the last few sums of 2^k values, oldest
# first, level after level.


@_intrinsic_of_literals
def infinite_history(typing_context: Any, length: Any) -> Any:
    """History of `length` vectors whose sums stay infinite until it is full of pushed values."""
    history = types.UniTuple(vector, length.literal_value)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        infinite = ir.Constant(_VECTOR, [float("inf")] * LANES)
        return context.make_tuple(builder, history, [infinite] * history.count)

    return history(length), generate


@_intrinsic_of_literals
def load_history(typing_context: Any, array: Any, position: Any, length: Any) -> Any:
    """History stored by `store_history`."""
    history = types.UniTuple(vector, length.literal_value)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, position_type, _ = signature.args
        values = [
            _load(
                builder,
                _element(
                    context, builder, array_type, arguments[0], position_type, arguments[1], k
                ),
            )
            for k in range(0, history.count * LANES, LANES)
        ]
        return context.make_tuple(builder, history, values)

    return history(array, position, length), generate


@_intrinsic
def store_history(typing_context: Any, array: Any, position: Any, history: Any) -> Any:
    """Write a history to consecutive elements of a flat float32 array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, position_type, _ = signature.args
        for k in range(history.count):
            address = _element(
                context, builder, array_type, arguments[0], position_type, arguments[1], k * LANES
            )
            _store(builder, builder.extract_value(arguments[2], k), address)
        return context.get_dummy_value()

    return types.void(array, position, history), generate


@_intrinsic
def push(typing_context: Any, history: Any, value: Any) -> Any:
    """Push a value: the new history and the sum of the last ``len(history) + 1`` values."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        old = [builder.extract_value(arguments[0], k) for k in range(history.count)]
        new, total = _slide(builder, old, arguments[1])
        return context.make_tuple(
            builder, signature.return_type, [context.make_tuple(builder, history, new), total]
        )

    return types.Tuple((history, vector))(history, value), generate


def _slide(builder: Any, history: Any, value: Any) -> Any:
    """Emit the additions of `push`; plain Python lists of LLVM values in and out."""
    size = len(history) + 1
    top = size.bit_length() - 1
    levels = []
    newest = value
    for k in range(top + 1):
        # Sums of 2^k values; level k + 1 needs them back to 2^k steps ago, the window to its start.
        depth = 2**k if k < top else size - 2**top
        kept, history = history[:depth], history[depth:]
        levels.append([*kept, newest])
        if k < top:
            newest = builder.fadd(kept[0], newest)
    parts = [
        levels[length.bit_length() - 1][first + length - 1 - size] for first, length in powers(size)
    ]
    total = functools.reduce(builder.fadd, parts)
    return [kept for level in levels for kept in level[1:]], total


@_intrinsic_of_literals
def sum_of_rows(
    typing_context: Any, newest: Any, ring: Any, offset: Any, now: Any, back: Any, part: Any,
    levels: Any, parts: Any,
) -> Any:  # fmt: skip
    """Push a vector to a ring of rows of sums of 2**k vectors, and return the sum of `parts` rows.

    The sum of 2**k rows is kept at ``now[k] + offset``, and made of that of half as many rows at
    ``back[k - 1] + offset`` and the newest one; the parts, of these sums, are at ``part[k] +
    offset``. `levels` and `parts` are constants.
    """
    signature = vector(newest, ring, types.intp, now, back, part, levels, parts)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        newest, ring, offset = arguments[:3]
        tables = [
            context.make_array(given)(context, builder, argument).data
            for given, argument in zip(signature.args[3:6], arguments[3:6], strict=True)
        ]
        sums = context.make_array(signature.args[1])(context, builder, ring).data

        def address(table: Any, k: int) -> Any:
            place = builder.load(builder.gep(table, [offset.type(k)]))
            return builder.gep(sums, [builder.add(place, offset)])

        count = levels.literal_value
        for level in range(count):
            _store(builder, newest, address(tables[0], level))
            if level < count - 1:
                newest = builder.fadd(_load(builder, address(tables[1], level)), newest)
        added = [_load(builder, address(tables[2], k)) for k in range(parts.literal_value)]
        return functools.reduce(builder.fadd, added)

    return signature, generate


@_intrinsic_of_literals
def sum_of_columns(typing_context: Any, last: Any, newest: Any, size: Any) -> Any:
    """Push a vector of a row: the last vectors, and sums of `size` neighbours of the oldest one.

    `last` is a tuple of as many vectors as `size` - 1 neighbours reach into; `size` is a constant.
    """
    result = types.Tuple((last, vector))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = [builder.extract_value(arguments[0], k) for k in range(last.count)]
        vectors.append(arguments[1])
        levels = [vectors]
        for k in range(size.literal_value.bit_length() - 1):
            sums = levels[-1]
            levels.append(
                [builder.fadd(each, _shifted(builder, sums, place, 1 << k))
                 for place, each in enumerate(sums)]
            )  # fmt: skip
        parts = [
            _shifted(builder, levels[length.bit_length() - 1], 0, first)
            for first, length in powers(size.literal_value)
        ]
        total = functools.reduce(builder.fadd, parts)
        return context.make_tuple(
            builder, result, [context.make_tuple(builder, last, vectors[1:]), total]
        )

    return result(last, newest, size), generate


def _shifted(builder: Any, vectors: Any, place: int, shift: int) -> Any:
    """Emit the elements that begin `shift` after those of one of the vectors; undefined beyond."""
    place, shift = place + shift // LANES, shift % LANES
    two = [vectors[k] if k < len(vectors) else _UNDEFINED for k in (place, place + 1)]
    if shift == 0:
        return two[0]
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(range(shift, shift + LANES)))
    return builder.shuffle_vector(*two, lanes)


@_intrinsic_of_literals
def sum_of_stored(typing_context: Any, array: Any, position: Any, count: Any) -> Any:
    """Sum of `count` consecutive vectors of a flat array, in the order that `protocol` fixes."""
    number = count.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, position_type, _ = signature.args
        values = [
            _load(
                builder,
                _element(
                    context, builder, array_type, arguments[0], position_type, arguments[1], k
                ),
            )
            for k in range(0, number * LANES, LANES)
        ]
        return _sum_of(builder, values)

    return vector(array, position, count), generate


def _sum_of(builder: Any, values: Any) -> Any:
    """Emit the sum of LLVM values."""
    return tree_sum(builder.fadd)(list(values), len(values))


@_intrinsic_of_literals
def patch_sum(
    typing_context: Any, query: Any, query_place: Any, query_stride: Any, query_plane: Any,
    key: Any, key_place: Any, key_stride: Any, key_plane: Any, rows: Any, columns: Any,
    channels: Any, limit: Any,
) -> Any:  # fmt: skip
    """Sum of squared differences of two patches, or what is above `limit` and not above that sum.

    Images are flat planar arrays with the length of a vector, or more, behind their last pixel;
    places are those of the patches' first pixels. Lanes are the columns of the patch. `rows`,
    `columns` and `channels` are constants.
    """
    height, width, planes = (given.literal_value for given in (rows, columns, channels))
    positions = (types.intp,) * 3
    signature = types.float32(
        query, *positions, key, *positions, rows, columns, channels, types.float32
    )  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        images = [
            (context.make_array(signature.args[first])(context, builder, arguments[first]).data,
             *arguments[first + 1 : first + 4])
            for first in (0, 4)
        ]  # fmt: skip
        limit = arguments[-1]
        found = cgutils.alloca_once(builder, _FLOAT)
        done = builder.append_basic_block("patch_sum.done")
        blocks = range(0, width, LANES)
        total = [_rows_sum(builder, images, planes, 0, 1, block) for block in blocks]
        for row, count in _growth(height):
            added = [_rows_sum(builder, images, planes, row, count, block) for block in blocks]
            total = [builder.fadd(*pair) for pair in zip(total, added, strict=True)]
            builder.store(_sum_of_columns(builder, total, width), found)
            if row + count < height:
                more = builder.append_basic_block("patch_sum.more")
                above = builder.fcmp_ordered(">", builder.load(found), limit)
                builder.cbranch(above, done, more)
                builder.position_at_end(more)
        builder.branch(done)
        builder.position_at_end(done)
        return builder.load(found)

    return signature, generate


def _growth(size: int) -> list[tuple[int, int]]:
    """Rows (first, count) to add one after the other to the first one.

    The largest power of two is reached by doubling; then come the smaller ones.
    """
    (_, largest), *smaller = powers(size)
    doubled = [(1 << k, 1 << k) for k in range(largest.bit_length() - 1)]
    return [*doubled, *smaller]


def _rows_sum(builder: Any, images: Any, planes: Any, row: Any, count: Any, column: Any) -> Any:
    """Emit the sum of `count` rows of squared differences, a power of two, as a balanced tree."""
    if count > 1:
        half = count // 2
        return builder.fadd(
            _rows_sum(builder, images, planes, row, half, column),
            _rows_sum(builder, images, planes, row + half, half, column),
        )

    def square(channel: Any) -> Any:
        pixels = []
        for data, place, stride, plane in images:
            offset = builder.add(
                builder.add(place, place.type(column)),
                builder.add(builder.mul(stride, stride.type(row)), builder.mul(plane, channel)),
            )
            pixels.append(_load(builder, builder.gep(data, [offset])))
        difference = builder.fsub(*pixels)
        return builder.fmul(difference, difference)

    position = images[0][1].type
    first = square(position(0))
    if planes == 1:
        return first
    total = cgutils.alloca_once_value(builder, first)
    with cgutils.for_range_slice(builder, position(1), position(planes), position(1)) as (at, _):
        builder.store(builder.fadd(builder.load(total), square(at)), total)
    return builder.load(total)


def _sum_of_columns(builder: Any, vectors: Any, count: Any) -> Any:
    """Emit the sum of the first `count` lanes, by powers of two."""
    lanes = [
        builder.extract_element(vectors[k // LANES], ir.IntType(32)(k % LANES))
        for k in range(count)
    ]
    return _sum_of(builder, lanes)


@_intrinsic
def float_bits(typing_context: Any, value: Any) -> Any:
    """The bits of a float32 as an unsigned integer of 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.bitcast(arguments[0], ir.IntType(32)), ir.IntType(64))

    return types.uint64(types.float32), generate


@_intrinsic
def atomic_minimum(typing_context: Any, array: Any, position: Any, value: Any) -> Any:
    """Lower an element of a flat uint64 array, whatever other threads do to it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, position_type, _ = signature.args
        address = _element(context, builder, array_type, arguments[0], position_type, arguments[1])
        builder.atomic_rmw("umin", address, arguments[2], "monotonic")
        return context.get_dummy_value()

    return types.void(array, position, types.uint64), generate


@inlined
def squared_difference(query: Any, pixel: Any, key: Any, at: Any, channels: Any, plane: Any) -> Any:
    """Squared differences of a query pixel and the key pixels of all lanes, summed over channels.

    The channels of the query are neighbours, those of the key `plane` apart.
    """
    difference = broadcast(query, pixel) - load(key, at)
    total = difference * difference
    for channel in range(1, channels):
        difference = broadcast(query, pixel + channel) - load(key, at + channel * plane)
        total = total + difference * difference
    return total
