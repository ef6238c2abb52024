"""Rules that turn one instruction of PTX into C++; see `machine.h`.

A rule belongs to a pattern of the whole name, so that no modifier is passed over. It takes the
pattern's groups and the operands, and returns statements.
"""

import re


class UnknownPtxError(Exception):
    """Something in a text of PTX that no rule is there for."""


_RULES = []
_INTEGER = r"([sub](?:8|16|32|64))"
_ANY = r"([sub](?:8|16|32|64)|f32|f64)"
_WIDER = {"s16": "s32", "u16": "u32", "s32": "s64", "u32": "u64"}
_SPACES = {"shared": "(u64)shared_memory", "local": "(u64)local_memory"}


def _rule(pattern):
    """Register the decorated function for the names that match a pattern."""

    def register(function):
        _RULES.append((re.compile(pattern), function))
        return function

    return register


def statement(name, operands, symbols):
    """C++ for an instruction; operands are texts, `symbols` are the names of variables."""
    matches = ((pattern.fullmatch(name), rule) for pattern, rule in _RULES)
    match, rule = next((each for each in matches if each[0]), (None, None))
    if match is None:
        raise UnknownPtxError(f"instruction {name}: write a rule for it")
    try:
        return rule(*match.groups(), *(Operand(text, symbols) for text in operands))
    except UnknownPtxError as error:
        raise UnknownPtxError(f"{name} {', '.join(operands)}: {error}") from None


def c_name(name):
    """Name of a register, label or variable in C++."""
    return "ptx_" + re.sub(r"\W", lambda odd: f"_{ord(odd[0]):x}_", name)


def type_of(name):
    """C++ type of a value; plain bits are unsigned."""
    return "u" + name[1:] if name[0] == "b" else name


SPECIAL = {
    **{f"%{name}.x": f"{c}.x" for name, c in (
        ("tid", "threadIdx"), ("ctaid", "blockIdx"), ("ntid", "blockDim"), ("nctaid", "gridDim"),
    )},
    "%ctaid.y": "blockIdx.y", "%ctaid.z": "blockIdx.z",
    "%nctaid.y": "gridDim.y", "%nctaid.z": "gridDim.z",
    # Blocks have one axis here.
    "%tid.y": "0u", "%tid.z": "0u", "%ntid.y": "1u", "%ntid.z": "1u",
}  # fmt: skip


class Operand:
    """A register, number, name, address or a list of these in braces."""

    def __init__(self, text, symbols):
        self.text, self.symbols = text.strip(), symbols

    @property
    def bits(self):
        """C++ of the operand's bits, and where it is a register, of its place."""
        text = self.text
        if text in SPECIAL:
            return SPECIAL[text]
        if match := re.fullmatch(r"0[fF]([0-9a-fA-F]{8})", text):
            return f"0x{match[1]}u"
        if match := re.fullmatch(r"0[dD]([0-9a-fA-F]{16})", text):
            return f"0x{match[1]}ull"
        if re.fullmatch(r"-?(0[xX][0-9a-fA-F]+|\d+)U?", text):
            number = int(text.rstrip("U"), 0)
            return f"{number % (1 << 64)}ull"
        if text in self.symbols:
            return c_name(text)
        raise UnknownPtxError(f"operand {text}")

    def get(self, kind):
        """C++ of the operand's value as a type of PTX."""
        if kind == "pred":
            if self.text.startswith("!"):
                return f"!{Operand(self.text[1:], self.symbols).bits}"
            return f"(bool){self.bits}"
        return f"get<{type_of(kind)}>({self.bits})"

    def put(self, value, kind):
        """C++ that writes a value of a type of PTX into the register; `_` is nowhere."""
        if self.text == "_":
            return f"(void)({value});"
        return f"put<decltype({self.bits}), {type_of(kind)}>({self.bits}, {value});"

    def parts(self):
        """The operands in braces, or the operand itself."""
        return [Operand(part, self.symbols) for part in self.text.strip("{}").split(",")]

    def address(self, space):
        """C++ of an address in brackets, as a pointer."""
        match = re.fullmatch(r"\[\s*([^\s+\]]+)\s*(?:\+\s*(-?\d+)\s*)?\]", self.text)
        if match is None:
            raise UnknownPtxError(f"address {self.text}")
        start, offset = Operand(match[1], self.symbols).bits, f"{int(match[2] or 0)}ll"
        if space == "param":
            return f"((u64)&{start} + {offset})"
        if space in _SPACES:  # its addresses have 32 bits
            return f"({_SPACES[space]} + (u32)({start} + {offset}))"
        return f"({start} + {offset})"


# Arithmetic of floating-point numbers. Without .ftz subnormal numbers count; without a rounding
# an instruction may become a part of a fused one, which is not done here.


def _float(value, kind, ftz):
    return f"flushed({value.get(kind)})" if ftz else value.get(kind)


def _float_result(out, value, kind, ftz):
    return out.put(f"flushed(made({value}))" if ftz else f"made({value})", kind)


@_rule(r"(add|sub|mul)(?:\.rn)?(\.ftz)?\.(f32|f64)|(div)\.rn(\.ftz)?\.(f32|f64)")
def _rounded(name, ftz, kind, divide, divide_ftz, divide_kind, out, a, b):
    sign = {"add": "+", "sub": "-", "mul": "*", "div": "/"}[name or divide]
    ftz, kind = ftz or divide_ftz, kind or divide_kind
    value = f"({_float(a, kind, ftz)} {sign} {_float(b, kind, ftz)})"
    return _float_result(out, value, kind, ftz)


@_rule(r"fma\.rn(\.ftz)?\.(f32|f64)")
def _fused(ftz, kind, out, *factors):
    value = f"std::fma({', '.join(_float(each, kind, ftz) for each in factors)})"
    return _float_result(out, value, kind, ftz)


@_rule(r"sqrt\.rn(\.ftz)?\.(f32|f64)")
def _root(ftz, kind, out, a):
    return _float_result(out, f"std::sqrt({_float(a, kind, ftz)})", kind, ftz)


@_rule(r"(min|max)(\.ftz)?\.(f32|f64)")
def _float_extreme(name, ftz, kind, out, a, b):
    function = {"min": "smaller_number", "max": "larger_number"}[name]
    return out.put(f"{function}({_float(a, kind, ftz)}, {_float(b, kind, ftz)})", kind)


@_rule(r"(neg|abs)(\.ftz)?\.(f32|f64)")
def _sign(name, ftz, kind, out, a):
    function = {"neg": "-", "abs": "std::fabs"}[name]
    return out.put(f"{function}({_float(a, kind, ftz)})", kind)


# Arithmetic of integers, which wraps around.


@_rule(r"(add|sub)\." + _INTEGER)
def _integer_sum(name, kind, out, a, b):
    wrapping = "u" + kind[1:]
    sign = {"add": "+", "sub": "-"}[name]
    return out.put(f"({type_of(kind)})({a.get(wrapping)} {sign} {b.get(wrapping)})", kind)


def _product(part, kind, a, b):
    """C++ and the type of a product: its low or high half, or all of it."""
    if part == "wide":
        wide = _WIDER[kind]
        return f"({wide})(({wide}){a.get(kind)} * ({wide}){b.get(kind)})", wide
    if part == "hi":
        return f"high_half<{kind}>({a.get(kind)}, {b.get(kind)})", kind
    # As 64 bits: shorter factors would become int, which may overflow.
    return f"({kind})((u64){a.get(kind)} * (u64){b.get(kind)})", kind


@_rule(r"mul\.(lo|hi|wide)\.([su](?:16|32|64))")
def _multiplied(part, kind, out, a, b):
    return out.put(*_product(part, kind, a, b))


@_rule(r"mad\.(lo|hi|wide)\.([su](?:16|32|64))")
def _multiplied_and_added(part, kind, out, a, b, c):
    value, kind = _product(part, kind, a, b)
    return out.put(f"({kind})((u64){value} + (u64){c.get(kind)})", kind)


@_rule(r"(div|rem)\.([su](?:16|32|64))")
def _quotient(name, kind, out, a, b):
    sign = {"div": "/", "rem": "%"}[name]
    return out.put(f"({kind})({a.get(kind)} {sign} {b.get(kind)})", kind)


@_rule(r"(min|max)\.([su](?:16|32|64))")
def _integer_extreme(name, kind, out, a, b):
    return out.put(f"std::{name}<{kind}>({a.get(kind)}, {b.get(kind)})", kind)


@_rule(r"neg\.(s16|s32|s64)")
def _negative(kind, out, a):
    return out.put(f"({kind})(0 - (u64){a.get(kind)})", kind)


# Bits.


@_rule(r"(and|or|xor)\.(pred|b16|b32|b64)")
def _logic(name, kind, out, a, b):
    sign = {"and": "&", "or": "|", "xor": "^"}[name]
    if kind == "pred":
        return f"{out.bits} = {a.get(kind)} {sign} {b.get(kind)};"
    return out.put(f"{a.get(kind)} {sign} {b.get(kind)}", kind)


@_rule(r"not\.(pred|b16|b32|b64)")
def _complement(kind, out, a):
    if kind == "pred":
        return f"{out.bits} = !{a.get(kind)};"
    return out.put(f"~{a.get(kind)}", kind)


@_rule(r"shl\.(b16|b32|b64)")
def _left(kind, out, a, count):
    return out.put(f"shifted_left({a.get(kind)}, {count.get('u32')})", kind)


@_rule(r"shr\.([sub](?:16|32|64))")
def _right(kind, out, a, count):
    return out.put(f"shifted_right({a.get(kind)}, {count.get('u32')})", kind)


@_rule(r"bfi\.(b32|b64)")
def _field(kind, out, field, whole, first, length):
    values = [field.get(kind), whole.get(kind), first.get("u32"), length.get("u32")]
    return out.put(f"with_field<{type_of(kind)}>({', '.join(values)})", kind)


# Comparisons.

_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_UNSIGNED_SIGNS = {"lo": "<", "ls": "<=", "hi": ">", "hs": ">="}


@_rule(r"setp\.(eq|ne|lt|le|gt|ge|lo|ls|hi|hs)\.([sub](?:16|32|64))")
def _integers_compared(name, kind, out, a, b):
    sign = {**_SIGNS, **_UNSIGNED_SIGNS}[name]
    return f"{out.bits} = {a.get(kind)} {sign} {b.get(kind)};"


@_rule(r"setp\.(eq|ne|lt|le|gt|ge)(u?)(\.ftz)?\.(f32|f64)")
def _floats_compared(name, unordered, ftz, kind, out, a, b):
    a, b = _float(a, kind, ftz), _float(b, kind, ftz)
    compared = f"{a} {_SIGNS[name]} {b}"
    if unordered:
        return f"{out.bits} = {a} != {a} || {b} != {b} || {compared};"
    return f"{out.bits} = {a} == {a} && {b} == {b} && {compared};"


@_rule(r"selp\.([sub](?:16|32|64)|f32|f64)")
def _selected(kind, out, a, b, condition):
    return out.put(f"{condition.get('pred')} ? {a.get(kind)} : {b.get(kind)}", kind)


# Moves and conversions.


@_rule(r"mov\.(pred)")
def _predicate_moved(kind, out, a):
    return f"{out.bits} = {a.get(kind)};"


@_rule(r"mov\." + _ANY)
def _moved(kind, out, a):
    halves, width = "u" + str(int(kind[1:]) // 2), int(kind[1:]) // 2
    if out.text.startswith("{"):
        low, high = out.parts()
        whole = a.get("u" + kind[1:])
        return f"{low.put(f'({halves}){whole}', halves)} " + high.put(
            f"({halves})({whole} >> {width})", halves
        )
    if a.text.startswith("{"):
        low, high = (f"(u64){part.get(halves)}" for part in a.parts())
        return out.put(f"({type_of(kind)})({low} | {high} << {width})", kind)
    return out.put(a.get(kind), kind)


@_rule(rf"cvt\.{_INTEGER}\.{_INTEGER}")
def _resized(to, kind, out, a):
    return out.put(f"({type_of(to)}){a.get(kind)}", to)


@_rule(r"cvt\.rn\.(f32|f64)\.([su](?:8|16|32|64))")
def _float_of_integer(to, kind, out, a):
    return out.put(f"({to}){a.get(kind)}", to)


# Memory.

_ACCESS = r"(?:\.volatile|\.relaxed\.(?:cta|gpu|sys))?(?:\.(param|global|shared|local))?(?:\.nc)?"


def _places(vector, kind, where, space, values):
    """Address in C++ and operand of each value of a vector."""
    count, size = int(vector or 1), int(kind[1:]) // 8
    parts = values.parts()
    if len(parts) != count:
        raise UnknownPtxError(f"vector {values.text}")
    return [(f"{where.address(space)} + {i * size}", part) for i, part in enumerate(parts)]


@_rule(rf"ld{_ACCESS}(?:\.v([24]))?\.{_ANY}")
def _loaded(space, vector, kind, out, where):
    # An address may be in a register that the load overwrites.
    places = _places(vector, kind, where, space, out)
    loads = [f"const auto v{i} = load<{type_of(kind)}>({at});" for i, (at, _) in enumerate(places)]
    return " ".join(loads + [part.put(f"v{i}", kind) for i, (_, part) in enumerate(places)])


@_rule(rf"st{_ACCESS}(?:\.v([24]))?\.{_ANY}")
def _stored(space, vector, kind, where, values):
    return " ".join(
        f"store<{type_of(kind)}>({at}, {part.get(kind)});"
        for at, part in _places(vector, kind, where, space, values)
    )


@_rule(rf"atom{_ACCESS}\.(min|max|add|exch)\.([sub](?:32|64))")
def _atomic(space, change, kind, out, where, value):
    number, given = type_of(kind), value.get(kind)
    new = {
        "min": f"std::min(before, {given})", "max": f"std::max(before, {given})",
        "add": f"({number})((u64)before + (u64){given})", "exch": given,
    }[change]  # fmt: skip
    changed = f"[&]([[maybe_unused]] {number} before) {{ return {new}; }}"
    return out.put(f"exchange<{number}>({where.address(space)}, {changed})", kind)


@_rule(rf"red{_ACCESS}\.(min|max|add)\.([su](?:32|64))")
def _reduced(space, change, kind, where, value):
    nowhere = Operand("_", where.symbols)
    return _atomic(space, change, kind, nowhere, where, value)


@_rule(r"cvta(\.to)?\.(global|shared|local)\.u64")
def _address_converted(to, space, out, a):
    start = _SPACES.get(space, "0")
    return out.put(f"{a.get('u64')} {'-' if to else '+'} {start}", "u64")


# Control.


@_rule(r"bra(?:\.uni)?")
def _jumped(label):
    return f"goto {c_name(label.text)};"


@_rule(r"ret|exit")
def _ended():
    return "return;"


@_rule(r"bar\.sync|barrier\.sync(?:\.aligned)?")
def _waited(barrier):
    if barrier.text != "0":
        raise UnknownPtxError(f"barrier {barrier.text}")
    return "__syncthreads();"
