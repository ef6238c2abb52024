"""A kernel in PTX as a function in C++."""

import re
from functools import cached_property

from ptx_on_host.instructions import UnknownPtxError, c_name, statement

_ENTRY = re.compile(r"\.entry\s+([\w$]+)\s*\(([^)]*)\)([^{;]*)\{")
_POINTER = r"(?:\s+\.ptr(?:\s+\.\w+)*(?:\s+\.align\s+\d+)?)?"
_PARAMETER = re.compile(rf"\.param\s+\.(\w+){_POINTER}\s+([\w$]+)")
_REGISTERS = re.compile(r"\.reg\s+\.(pred|[bsuf]\d+)\s+(.+)", re.DOTALL)
_ARRAY = re.compile(r"\.(shared|local)\s+(?:\.align\s+(\d+)\s+)?\.b8\s+([\w$]+)\[(\d+)\]")
_INSTRUCTION = re.compile(r"(?:@(!?)(%?[\w$]+)\s+)?([a-z][\w.:]*)\s*(.*)", re.DOTALL)
# The parts of a body: blocks, labels, and all that ends with a semicolon.
_PART = re.compile(r"\s*(?:([{}])|([\w$]+)\s*:(?!:)|([^;]+);)")


def _without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def kernel_names(text):
    """The kernels of a text of PTX."""
    return [match[1] for match in _ENTRY.finditer(_without_comments(text))]


def _body(text, start):
    """The text from a place up to the brace that closes what was opened before it."""
    depth, end = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return text[start : end - 1]


def _operands(text):
    """The operands of an instruction; commas in braces and brackets do not part them."""
    return [part.strip() for part in re.split(r",(?![^{\[]*[}\]])", text) if part.strip()]


class Kernel:
    """One kernel of a text of PTX.

    `parameters` are its types and names in C++, `code` is a function of C++ named `name`.
    """

    def __init__(self, text, kernel, name="kernel"):
        text = _without_comments(text)
        found = [match for match in _ENTRY.finditer(text) if match[1] == kernel]
        if not found:
            raise KeyError(kernel)
        self.name, self._text = name, _body(text, found[0].end())
        # Numba declares shared arrays before all functions.
        self._outside = [
            match for match in _ARRAY.finditer(text[: text.index(".entry")])
            if re.search(rf"{re.escape(match[3])}(?![\w$])", self._text)
        ]  # fmt: skip
        given = [part for part in found[0][2].split(",") if part.strip()]
        matches = [_PARAMETER.fullmatch(part.strip()) for part in given]
        if None in matches:
            raise UnknownPtxError(f"parameter {given[matches.index(None)].strip()}")
        self.parameters = [
            (match[1].replace("b", "u"), c_name(match[2])) for match in matches if match
        ]
        self._scopes = [{match[2] for match in matches if match}]
        self._bytes = {"shared": 0, "local": 0}

    @cached_property
    def code(self):
        """The function, and the shared memory of its blocks."""
        lines = [
            self._array(match[1], int(match[2] or 1), match[3], int(match[4]))
            for match in self._outside
        ]
        place, end = 0, len(self._text.rstrip())
        while place < end:
            match = _PART.match(self._text, place)
            if match is None:
                raise UnknownPtxError(self._text[place:].strip()[:80])
            lines.append(self._part(*match.groups()))
            place = match.end()
        given = ", ".join(f"{kind} {name}" for kind, name in self.parameters)
        sizes = {space: max(size, 1) for space, size in self._bytes.items()}
        return "\n".join([
            f"alignas(16) static char shared_memory[{sizes['shared']}];",
            f"static void {self.name}({given})", "{",
            f"alignas(16) char local_memory[{sizes['local']}];",
            *lines, "}", "",
        ])  # fmt: skip

    def _part(self, brace, label, text):
        """Lines of C++ for a part of the body."""
        if brace == "{":
            self._scopes.append(set())
            return "{"
        if brace == "}":
            self._scopes.pop()
            return "}"
        if label:
            return f"{c_name(label)}:;"
        text = text.strip()
        if text.startswith(".pragma"):
            return ""
        if match := _REGISTERS.fullmatch(text):
            return "\n".join(self._register(match[1], name) for name in match[2].split(","))
        if match := _ARRAY.fullmatch(text):
            return self._array(match[1], int(match[2] or 1), match[3], int(match[4]))
        if text.startswith("."):
            raise UnknownPtxError(f"directive {text}")
        return self._instruction(text)

    def _register(self, kind, name):
        """Declare a register, or a number of them: ``%r<3>`` are ``%r0`` to ``%r2``."""
        match = re.fullmatch(r"\s*([%\w$]+)(?:<(\d+)>)?\s*", name)
        names = [f"{match[1]}{i}" for i in range(int(match[2]))] if match[2] else [match[1]]
        self._scopes[-1].update(names)
        kind = "bool" if kind == "pred" else "u" + kind[1:]
        return "\n".join(f"{kind} {c_name(each)} = 0;" for each in names)

    def _array(self, space, alignment, name, size):
        """Give an array of shared or local memory its place."""
        first = -(-self._bytes[space] // alignment) * alignment
        self._bytes[space] = first + size
        self._scopes[-1].add(name)
        return f"const u64 {c_name(name)} = {first};"

    def _instruction(self, text):
        match = _INSTRUCTION.fullmatch(text)
        if match is None:
            raise UnknownPtxError(text)
        unless, guard, name, operands = match.groups()
        known = set().union(*self._scopes)
        done = statement(name, _operands(operands), known)
        if guard:
            return f"if ({unless}{c_name(guard)}) {{ {done} }}"
        return f"{{ {done} }}"
