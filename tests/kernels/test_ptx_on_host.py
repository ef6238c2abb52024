"""The layer that runs PTX on the host, on PTX written by hand, and that it sees flushed numbers."""

import math

import host_cuda
import numpy as np
import nvrtc
import pytest
from cuda_launches import plain_search, search_on_host, vote_on_host
from ptx_on_host import COMPILERS, Kernel, UnknownPtxError, build_ptx, cuda_build, kernel_names

from pnncupy.kernels import reference

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(host_cuda.COMPILER is None, reason="g++ is not installed"),
]

SUBNORMAL = 2.0**-130
NAN, INF = math.nan, math.inf
# Smallest step above 1: halfway to it shows how a result is rounded.
STEP = 2.0**-23
ALL = (1 << 32) - 1
# Instruction, its operands and its result. Their types are the instruction's last one, unless they
# are given: "type value".
CASES = [
    ("add.rn.f32", (1.0, STEP / 2), 1.0),
    ("add.rn.f32", (1 + STEP, STEP / 2), 1 + 2 * STEP),
    ("add.rn.f32", (SUBNORMAL, SUBNORMAL), 2 * SUBNORMAL),
    ("add.rn.ftz.f32", (SUBNORMAL, 0.0), 0.0),
    ("add.f32", (1.5, 2.0), 3.5),
    ("sub.rn.f32", (SUBNORMAL, 0.0), SUBNORMAL),
    ("sub.rn.ftz.f32", (2e-38, 1.9e-38), 0.0),
    ("sub.ftz.f32", (-SUBNORMAL, 0.0), -0.0),
    ("mul.rn.f32", (1e-20, 1e-20), 1e-40),
    ("mul.rn.ftz.f32", (1e-20, -1e-20), -0.0),
    ("mul.f32", (3.0, -2.0), -6.0),
    ("div.rn.f32", (1.0, 3.0), 1 / 3),
    ("div.rn.f32", (1e-20, 1e20), 1e-40),
    ("div.rn.ftz.f32", (SUBNORMAL, 1.0), 0.0),
    ("add.rn.f64", (1.0, 2.0**-52), 1 + 2.0**-52),
    ("mul.rn.f32", (INF, 0.0), "b32 0x7fffffff"),
    ("fma.rn.f32", (1 + STEP, 1 + STEP, -1 - 2 * STEP), STEP * STEP),
    ("fma.rn.ftz.f32", (SUBNORMAL, 1.0, 0.0), 0.0),
    ("sqrt.rn.f32", (2.0,), math.sqrt(2)),
    ("sqrt.rn.ftz.f32", (SUBNORMAL,), 0.0),
    ("min.f32", (SUBNORMAL, 1.0), SUBNORMAL),
    ("min.ftz.f32", (SUBNORMAL, 1.0), 0.0),
    ("min.f32", (NAN, 2.0), 2.0),
    ("min.f32", (0.0, -0.0), -0.0),
    ("max.f32", (-0.0, 0.0), 0.0),
    ("max.f32", (3.0, NAN), 3.0),
    ("max.f32", (NAN, NAN), "b32 0x7fffffff"),
    ("max.ftz.f32", (-1.0, -SUBNORMAL), -0.0),
    ("neg.f32", (SUBNORMAL,), -SUBNORMAL),
    ("neg.ftz.f32", (SUBNORMAL,), -0.0),
    ("abs.f32", (-2.0,), 2.0),
    ("add.s32", (0x7FFFFFFF, 1), "s32 -2147483648"),
    ("add.s16", (0x7FFF, 2), "s16 -32767"),
    ("sub.s64", (0, 1), -1),
    ("mul.lo.s32", (0x10001, 0x10001), 0x20001),
    ("mul.lo.s64", (1 << 33, 3), 3 << 33),
    ("mul.lo.u16", (0xFFFF, 0xFFFF), 1),
    ("mul.hi.s32", (-1, 1), -1),
    ("mul.hi.u32", (ALL, ALL), ALL - 1),
    ("mul.hi.u16", (0xFFFF, 0xFFFF), 0xFFFE),
    ("mul.hi.s64", (-1, 5), -1),
    ("mul.wide.s32", (-2, 3), "s64 -6"),
    ("mul.wide.u32", (ALL, 2), f"u64 {2 * ALL}"),
    ("mul.wide.u16", (0xFFFF, 2), "u32 131070"),
    ("mad.lo.s32", (-3, 5, 1), -14),
    ("mad.hi.s32", (1 << 30, 8, 1), 3),
    ("mad.wide.s32", (-2, 3, "s64 1"), "s64 -5"),
    ("div.s32", (-7, 2), -3),
    ("div.u64", (7, 2), 3),
    ("rem.s64", (-7, 2), -1),
    ("rem.u32", (7, 4), 3),
    ("min.s32", (-1, 1), -1),
    ("min.u32", (ALL, 1), 1),
    ("max.s64", (-1, 1), 1),
    ("neg.s32", (5,), -5),
    ("and.b32", (0b1100, 0b1010), 0b1000),
    ("or.b64", (1 << 40, 1), (1 << 40) + 1),
    ("xor.b16", (0xFFFF, 1), 0xFFFE),
    ("not.b32", (0,), ALL),
    ("and.pred", (1, 0), 0),
    ("or.pred", (1, 0), 1),
    ("xor.pred", (1, 1), 0),
    ("not.pred", (0,), 1),
    ("mov.pred", (1,), 1),
    ("shl.b32", (1, "u32 31"), 1 << 31),
    ("shl.b32", (1, "u32 32"), 0),
    ("shl.b64", (1, "u32 40"), 1 << 40),
    ("shr.u32", (ALL, "u32 31"), 1),
    ("shr.u32", (ALL, "u32 40"), 0),
    ("shr.s32", (-8, "u32 1"), -4),
    ("shr.s64", (-8, "u32 99"), -1),
    ("bfi.b64", (0xAB, (1 << 64) - 1, "u32 32", "u32 32"), (0xAB << 32) + ALL),
    ("bfi.b32", (ALL, 0, "u32 4", "u32 8"), 0xFF0),
    ("setp.lt.s32", (-1, 0), "pred 1"),
    ("setp.lt.u32", (ALL, 0), "pred 0"),
    ("setp.lo.u32", (1, 2), "pred 1"),
    ("setp.hs.u64", (1, 2), "pred 0"),
    ("setp.eq.b64", (3, 3), "pred 1"),
    ("setp.ne.s16", (3, 3), "pred 0"),
    ("setp.ge.s64", (-1, 1), "pred 0"),
    ("setp.gt.f32", (SUBNORMAL, 0.0), "pred 1"),
    ("setp.gt.ftz.f32", (SUBNORMAL, 0.0), "pred 0"),
    ("setp.eq.ftz.f32", (SUBNORMAL, 0.0), "pred 1"),
    ("setp.le.f32", (NAN, 0.0), "pred 0"),
    ("setp.leu.f32", (NAN, 0.0), "pred 1"),
    ("setp.ne.f32", (NAN, 0.0), "pred 0"),
    ("setp.neu.f32", (NAN, 0.0), "pred 1"),
    ("setp.lt.f64", (1.0, 2.0), "pred 1"),
    ("selp.b32", (1, 2, "pred 0"), 2),
    ("selp.f32", (1.0, 2.0, "pred 1"), 1.0),
    ("selp.s64", (-1, 2, "pred 1"), -1),
    ("mov.f32", (1.5,), "b32 0x3fc00000"),
    ("cvt.s64.s32", (-1,), "s64 -1"),
    ("cvt.u64.u32", (ALL,), f"u64 {ALL}"),
    ("cvt.u32.u64", ((1 << 32) + 7,), "u32 7"),
    ("cvt.u16.u32", (0x12345,), "u16 0x2345"),
    ("cvt.s32.s8", ("s16 255",), "s32 -1"),
    ("cvt.rn.f32.s32", (-3,), "f32 -3.0"),
    ("cvt.rn.f32.u64", ((1 << 24) + 1,), f"f32 {2.0**24}"),
    ("cvt.rn.f64.s64", (-5,), "f64 -5.0"),
]


def typed(value, kind):
    """Type and value of an operand or a result."""
    if not isinstance(value, str):
        return kind, value
    kind, value = value.split()
    return kind, float(value) if kind[0] == "f" else int(value, 0)


def bits_of(kind, value):
    """Bits of a value, as an integer."""
    if kind[0] == "f":
        return int(np.array(value, f"f{int(kind[1:]) // 8}").view(f"u{int(kind[1:]) // 8}"))
    return int(value) & ((1 << (1 if kind == "pred" else int(kind[1:]))) - 1)


def literal(kind, value):
    number = bits_of(kind, value)
    return (
        f"0{'f' if kind == 'f32' else 'd'}{number:0{int(kind[1:]) // 4}X}"
        if kind[0] == "f"
        else str(number)
    )


def block(number, name, operands, result):
    """PTX that stores the bits of one instruction's result at its number."""
    kind = name.split(".")[-1]
    out = typed(result, kind)[0]
    lines = [f".reg .{out} %out;"]
    for i, (own, value) in enumerate(typed(each, kind) for each in operands):
        lines += [f".reg .{own} %a{i};", f"mov.{own} %a{i}, {literal(own, value)};"]
    lines.append(f"{name} %out, {', '.join(f'%a{i}' for i in range(len(operands)))};")
    value = "%out"
    if out == "pred":
        lines += [".reg .b16 %number;", "selp.u16 %number, 1, 0, %out;"]
        value, out = "%number", "u16"
    return "\n".join(["{", *lines, f"st.global.{out} [%rd1+{8 * number}], {value};", "}"])


def kernel(body, parameters="u64", declarations=""):
    """A kernel in PTX whose first parameter, the address `%rd1`, is loaded."""
    given = ", ".join(f".param .{kind} given_{i}" for i, kind in enumerate(parameters.split()))
    return f"""
        .version 8.0
        .target sm_90
        .address_size 64
        // A comment with {{ and ;
        .visible .entry tried({given})
        .maxntid 64
        {{
        .reg .pred %p<4>; .reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .f32 %f<9>;
        {declarations}
        ld.param.u64 %rd1, [given_0];
        {body}
        ret;
        }}"""


def run(body, out, *arguments, grid=(1, 1, 1), threads=1, backwards=False, **options):
    build_ptx(kernel(body, **options), "tried")(grid, threads, (out, *arguments), backwards)
    return out.tolist()


def test_every_instruction_gives_the_bits_of_a_device():
    blocks = [block(i, *case) for i, case in enumerate(CASES)]
    found = run("\n".join(blocks), np.zeros(len(CASES), np.uint64))
    wrong = [
        (name, operands, hex(bits))
        for (name, operands, result), bits in zip(CASES, found, strict=True)
        if bits != bits_of(*typed(result, name.split(".")[-1]))
    ]
    assert not wrong


def test_predicates_guard_and_branches_loop():
    body = """
        mov.u32 %r1, 0; mov.u32 %r2, 0;
        $L__BB0_1:
        add.s32 %r2, %r2, %r1;
        add.s32 %r1, %r1, 1;
        setp.lt.u32 %p1, %r1, 5;
        @%p1 bra $L__BB0_1;
        @%p1 mov.u32 %r2, 99;
        @!%p1 add.s32 %r2, %r2, 100;
        st.global.u32 [%rd1], %r2;
        bra.uni END;
        st.global.u32 [%rd1], 0;
        END:"""
    assert run(body, np.zeros(1, np.uint32)) == [110]


def test_threads_and_blocks_know_their_places():
    body = """
        mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ctaid.y; mov.u32 %r4, %ctaid.z;
        mov.u32 %r5, %ntid.x; mov.u32 %r6, %nctaid.x; mov.u32 %r7, %nctaid.y;
        mad.lo.s32 %r8, %r4, %r7, %r3;
        mad.lo.s32 %r8, %r8, %r6, %r2;
        mad.lo.s32 %r8, %r8, %r5, %r1;
        mul.wide.u32 %rd2, %r8, 4;
        add.s64 %rd2, %rd1, %rd2;
        st.global.u32 [%rd2], %r8;"""
    out = np.full(48, 77, np.uint32)
    assert run(body, out, grid=(2, 3, 4), threads=2) == list(range(48))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("width", ["32", "64"])
def test_shared_memory_is_seen_behind_a_barrier(width, backwards):
    register = {"32": "%r", "64": "%rd"}[width]
    body = f"""
        mov.u32 %r1, %tid.x;
        mov.u{width} {register}5, row;
        mul.wide.u32 %rd2, %r1, 4;
        cvt.u{width}.u64 {register}6, %rd2;
        add.s{width} {register}7, {register}5, {register}6;
        st.shared.u32 [{register}7], %r1;
        bar.sync 0;
        sub.s{width} {register}7, {register}5, {register}6;
        ld.shared.u32 %r2, [{register}7+28];
        ld.shared.v2.u32 {{%r3, %r4}}, [row+8];
        mad.lo.s32 %r2, %r3, 100, %r2;
        add.s64 %rd2, %rd1, %rd2;
        st.global.u32 [%rd2], %r2;"""
    shared = ".shared .align 4 .b8 first[3]; .shared .align 8 .b8 row[32];"
    found = run(body, np.zeros(8, np.uint32), threads=8, backwards=backwards, declarations=shared)
    assert found == [207, 206, 205, 204, 203, 202, 201, 200]


def test_shared_memory_may_be_declared_before_all_kernels():
    body = """
        mov.u32 %r1, %tid.x;
        mul.wide.u32 %rd2, %r1, 4;
        mov.u64 %rd5, before;
        add.s64 %rd6, %rd5, %rd2;
        st.shared.u32 [%rd6], %r1;
        bar.sync 0;
        ld.shared.u32 %r2, [before+8];
        add.s64 %rd2, %rd1, %rd2;
        st.global.u32 [%rd2], %r2;"""
    text = ".shared .align 4 .b8 before[16];\n" + kernel(body)
    out = np.zeros(4, np.uint32)
    build_ptx(text, "tried")((1, 1, 1), 4, (out,))
    assert out.tolist() == [2] * 4


def test_threads_that_wait_at_different_barriers_are_found():
    body = """
        mov.u32 %r1, %tid.x;
        setp.eq.s32 %p1, %r1, 0;
        @%p1 ret;
        bar.sync 0;"""
    with pytest.raises(RuntimeError, match="different barriers"):
        run(body, np.zeros(1, np.uint32), threads=2)


def test_local_memory_is_a_threads_own():
    body = """
        mov.u64 %rd2, __local_depot0;
        cvta.local.u64 %rd3, %rd2;
        mov.u32 %r1, %tid.x;
        st.local.v4.u32 [%rd2], {%r1, %r1, 7, 8};
        bar.sync 0;
        ld.u32 %r2, [%rd3+4];
        ld.local.u32 %r3, [%rd2+12];
        mad.lo.s32 %r2, %r2, 10, %r3;
        mul.wide.u32 %rd4, %r1, 4;
        add.s64 %rd4, %rd1, %rd4;
        st.global.u32 [%rd4], %r2;"""
    local = ".local .align 16 .b8 __local_depot0[16];"
    found = run(body, np.zeros(3, np.uint32), threads=3, declarations=local)
    assert found == [8, 18, 28]


def test_atomic_operations_return_what_was_there():
    body = """
        mov.u32 %r1, %tid.x;
        cvt.u64.u32 %rd2, %r1;
        atom.global.min.u64 %rd3, [%rd1], %rd2;
        atom.relaxed.gpu.global.add.u64 %rd4, [%rd1+8], 2;
        red.global.max.s32 [%rd1+16], %r1;
        mul.wide.u32 %rd5, %r1, 8;
        add.s64 %rd5, %rd1, %rd5;
        st.global.u64 [%rd5+24], %rd4;
        atom.global.exch.b32 %r2, [%rd1+20], 5;"""
    assert run(body, np.array([9, 1, 0, 0, 0], np.uint64), threads=2) == [0, 5, 1 + (5 << 32), 1, 3]


def test_vectors_halves_and_parameters():
    body = """
        ld.param.u32 %r1, [given_1];
        ld.param.f32 %f1, [given_2];
        mov.b64 %rd2, {%r1, %f1};
        mov.b64 {%r2, %r3}, %rd2;
        mov.b64 {_, %r4}, %rd2;
        st.global.v2.b32 [%rd1], {%r2, %r3};
        ld.global.nc.v2.u32 {%r5, %r6}, [%rd1];
        st.global.v4.u32 [%rd1+8], {%r6, %r5, %r4, 0x10};
        st.global.u8 [%rd1+24], %r1;
        ld.global.s8 %r7, [%rd1+24];
        st.global.s32 [%rd1+28], %r7;"""
    given = np.uint32(0xFE), np.float32(1.5)
    found = run(body, np.zeros(8, np.uint32), *given, parameters="u64 u32 f32")
    real = 0x3FC00000
    assert found == [0xFE, real, real, 0xFE, real, 16, 0xFE, 0xFFFFFFFE]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("add.rz.f32 %f1, %f1, %f1;", r"instruction add\.rz\.f32"),
        ("add.rn.sat.f32 %f1, %f1, %f1;", r"instruction add\.rn\.sat\.f32"),
        ("div.approx.f32 %f1, %f1, %f1;", r"instruction div\.approx\.f32"),
        ("shfl.sync.idx.b32 %r1, %r1, 0, 31, -1;", "instruction shfl"),
        ("ld.const.u32 %r1, [table];", r"instruction ld\.const\.u32"),
        ("mov.u32 %r1, %laneid;", "operand %laneid"),
        ("mov.u32 %r1, %r9;", "operand %r9"),
        ("mov.u64 %rd1, elsewhere;", "operand elsewhere"),
        ("bar.sync 1;", "barrier 1"),
        ("ld.global.v2.u32 %r1, [%rd1];", "vector %r1"),
        (".extern .shared .b8 rows[];", r"directive \.extern"),
    ],
)
def test_what_is_not_known_is_refused_by_name(body, name):
    with pytest.raises(UnknownPtxError, match=name):
        _ = Kernel(kernel(body), "tried").code


def test_kernels_are_found_by_name():
    assert kernel_names(kernel("")) == ["tried"]
    with pytest.raises(KeyError, match="other"):
        Kernel(kernel(""), "other")
    text = kernel("").replace(".u64 given_0", ".align 8 .b8 given_0[24]")
    with pytest.raises(UnknownPtxError, match=r"parameter \.param \.align 8 \.b8 given_0\[24\]"):
        Kernel(text, "tried")


# What `sums.cuh` would be with intrinsics and operators, which -ftz=true changes.
INTRINSICS = """
#define ON_HOST
__device__ __forceinline__ float add(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ float subtract(float a, float b) { return __fsub_rn(a, b); }
__device__ __forceinline__ float multiply(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float divide(float a, float b) { return __fdiv_rn(a, b); }
__device__ __forceinline__ bool less(float a, float b) { return a < b; }
__device__ __forceinline__ bool at_most(float a, float b) { return a <= b; }
"""


@pytest.fixture(
    params=[
        each if each in ((12, 90), (13, 120)) else pytest.param(each, marks=pytest.mark.exhaustive)
        for each in COMPILERS
    ],
    ids=str,
)
def flushing(request, monkeypatch):
    """Kernels with intrinsics run from PTX; returns a function that sets the compiler's options."""
    if nvrtc.path(request.param[0]) is None:
        pytest.skip(f"NVRTC of CUDA {request.param[0]} is not installed")

    def use(options):
        build = cuda_build(*request.param, options)
        monkeypatch.setattr(
            host_cuda, "build", lambda text, *given: build(INTRINSICS + text, *given)
        )

    return use


def test_flushed_sums_are_seen(flushing, random):
    query, key = ((random.random((1, 7, n)) * 1e-20).astype(np.float32) for n in (9, 12))
    expected = plain_search(query, key, 3)
    flushing(())
    for mine, other in zip(search_on_host(query, key, 3), expected, strict=True):
        np.testing.assert_array_equal(mine, other)
    flushing(nvrtc.CUPY_OPTIONS)
    score, number = search_on_host(query, key, 3)
    assert (score == 0).all()
    assert (number != expected[1]).any()


def test_flushed_comparisons_are_seen(flushing, random):
    value = (random.random((1, 7, 9)) * 1e-39).astype(np.float32)
    index = random.integers(0, 6, (4, 5)).astype(np.int32)
    expected = np.empty((1, 6, 7), np.float32)
    reference.vote(value, index, 3, "median", None, expected, active=None, threads=1)
    flushing(())
    np.testing.assert_array_equal(vote_on_host(value, index, 3, "median"), expected)
    flushing(nvrtc.CUPY_OPTIONS)
    assert (vote_on_host(value, index, 3, "median") != expected).any()
