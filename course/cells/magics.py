"""Makes plain Python of a notebook cell: magics, shell and help lines become no-ops, line for line.

IPython's own transformer would do, but for three things: it joins continued lines, so that a traceback's
line numbers no longer are the student's; it tokenises the whole cell again for each magic and has regular
expressions of quadratic cost, which a hostile cell can turn into minutes; and it takes 0.4 s to import.
`tests/cells/test_magics.py` holds this against IPython's, as the oracle.

| in the cell | becomes |
|---|---|
| `%matplotlib inline`, `!pip install x`, `?x`, `x?`, `/f x`, `,f x` | `pass` |
| `%time statement` | the statement |
| `x = !ls`, `x = %magic` | `x = None` |
| `%%time`, `%%capture out`, a profiler not known here | the rest of the cell, as it is (`out = None`) |
| `%%bash`, `%%html`, `%%writefile`, `%%timeit`, ... | nothing: no Python, or none whose names would remain |
"""

from __future__ import annotations

import ast
import re
from typing import Literal

from course.cells.python import parsed

# Their bodies are another language, or Python that leaves no names behind.
_DROPPED = re.compile(
    r"""! | ai | bash | bigquery | cmd | cython | file | html | javascript | js | latex | markdown | mermaid
    | perl | powershell | pypy | python[23]? | r | ruby | rust | script | sh | sql | svg | sx | system
    | timeit | writefile""",
    re.VERBOSE | re.IGNORECASE,
)

_MAYBE = re.compile(
    r"\A\s*^[ \t]|^[ \t\f]*(?:[%!?]|[,;/]\w|>>>|In \[\d+\]: )|=[ \t]*[%!]|\?[ \t]*$", re.MULTILINE
)

# Enough of Python's lexer to know which lines begin a statement. Possessive, and no alternative can fail
# once it has begun: the time is linear in the cell, whatever is in it.
_LEXEME = re.compile(
    r"""
      (?P<newline>\n)
    | \\\n
    | \#[^\n]*+
    | \"{3}(?:[^"\\]++|\\.|"(?!""))*+(?:\"{3})?
    | '{3}(?:[^'\\]++|\\.|'(?!''))*+(?:'{3})?
    | "(?:[^"\\\n]++|\\.)*+"?
    | '(?:[^'\\\n]++|\\.)*+'?
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | [=!<>]=
    | (?P<assigned>=[ \t]*+(?=%[ \t]*+[^\W\d]|!))
    | [^\n\\\#"'()\[\]{}=!<>]++
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_FIRST = re.compile(r"(?:[ \t]*+(?:#[^\n]*+)?\n)*+([ \t]*+)(?=[^\s#])")
_BEGINS_BLOCK = re.compile(r"(?!(?:else|elif|except|finally)\b)[^\s)\]}]")
_INDENT = re.compile(r"[ \t\f]*+")
_LINE = re.compile(r"(?:[^\n\\]++|\\.)*+", re.DOTALL)  # with the lines that backslashes join to it
_ESCAPE = re.compile(r"!|%{1,2}[^\W\d]|[,;/][^\W\d]")
_HELP = re.compile(r"(?:%{0,2}[\w.*\[\]-]++)?\?\??[ \t]*(?=\n|\Z)|\?[^\n]*+")
_TIMED = re.compile(r"%time[ \t]++(?!-)")


def blocks(source: str) -> list[str]:
    """The source cut where something begins at its left edge below a blank line, strings apart.

    Each block has blank lines in the place of those before it, so that its lines are numbered as they were.
    """
    cuts, last = [0], -1
    for lexeme in _LEXEME.finditer(source):
        if lexeme["newline"]:
            if not source[last + 1 : lexeme.start()].strip() and _BEGINS_BLOCK.match(source, lexeme.end()):
                cuts.append(lexeme.end())
            last = lexeme.start()
    pairs = zip(cuts, [*cuts[1:], len(source)], strict=True)
    return ["\n" * source.count("\n", 0, start) + source[start:end] for start, end in pairs]


def is_dropped(magic: str) -> bool:
    """Whether a cell with `%%magic` at its top leaves nothing behind that later cells could use."""
    return _DROPPED.fullmatch(magic) is not None


def to_python(source: str) -> str:
    """The cell as Python of the same number of lines; other errors in it are left for the compiler."""
    if not _MAYBE.search(source) or (_parses(source) and not source.lstrip().startswith("In [")):
        return source
    start = source.rfind("\n", 0, len(source) - len(source.lstrip())) + 1
    done, body = [source[:start]], source[start:]
    body = _without_prompts(_dedented(body))
    while body.startswith("%%"):  # there may be several, one below the other
        line, newline, body = body.partition("\n")
        name, _, arguments = line[2:].strip().partition(" ")
        if is_dropped(name) or "?" in name:
            return "".join(done) + newline + "\n" * body.count("\n")
        done += [_captured(name, arguments), newline]
        body = _dedented(body)
    return "".join(done) + _lines(body)


def _parses(source: str, mode: Literal["exec", "eval"] = "exec") -> bool:
    try:
        tree = parsed(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return mode == "exec" or (len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr))


def _dedented(body: str) -> str:
    """Without the indentation of its first line that has any code, as an indented cell runs in Jupyter."""
    first = _FIRST.match(body)
    return re.sub(f"^{first[1]}", "", body, flags=re.MULTILINE) if first and first[1] else body


def _without_prompts(body: str) -> str:
    """Without the `>>> ` or `In [1]: ` that came along from a terminal or a documentation page."""
    if body.startswith(">>>"):
        return re.sub(r"^(?:>>>|\.\.\.)(?: |$)", "", body, flags=re.MULTILINE)
    if re.match(r"In \[\d+\]: ", body):
        return re.sub(r"^(?:In \[\d+\]: |[ \t]*\.{3,}: ?)", "", body, flags=re.MULTILINE)
    return body


def _captured(magic: str, arguments: str) -> str:
    """`%%capture out` leaves a name behind, which later cells may show."""
    words = [word for word in arguments.split() if word.isidentifier()]
    return f"{words[0]} = None" if magic == "capture" and words else ""


def _lines(body: str) -> str:
    """`body` with each magic, shell and help line replaced."""
    done, copied = [], 0  # what stands for body[:copied]
    at, depth, begins = 0, 0, True
    while at < len(body):
        if begins:
            begins = False
            first = _end(_INDENT, body, at)
            last = _end(_LINE if _ESCAPE.match(body, first) else _HELP, body, first)
            if last > first:  # a statement that is none of Python's
                done += [body[copied:first], _instead(body[first:last], "exec")]
                at = copied = last
                continue
        lexeme = _LEXEME.match(body, at)
        assert lexeme is not None  # its last alternative matches anything
        at = lexeme.end()
        if lexeme["open"]:
            depth += 1
        elif lexeme["close"]:
            depth = max(depth - 1, 0)
        elif lexeme["newline"]:
            begins = depth == 0
        elif lexeme["assigned"] and depth == 0:
            last = _end(_LINE, body, at)
            done += [body[copied:at], _instead(body[at:last], "eval")]
            at = copied = last
    return "".join([*done, body[copied:]])


def _end(pattern: re.Pattern[str], body: str, at: int) -> int:
    match = pattern.match(body, at)
    return match.end() if match else at


def _instead(line: str, mode: Literal["exec", "eval"]) -> str:
    """What stands for `line`, with as many lines: a statement, or an expression in mode "eval"."""
    if (timed := _TIMED.match(line)) and _parses(line[timed.end() :], mode):
        return line[timed.end() :]
    return ("pass" if mode == "exec" else "None") + "\n" * line.count("\n")
