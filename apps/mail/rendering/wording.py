"""The template library's messages, which are for programmers, in the words of an operator."""

from __future__ import annotations

import re

# The first pattern that matches the whole of a message is said instead. Groups that name a token
# or a type are looked up below.
_WORDINGS: tuple[tuple[str, str], ...] = (
    (
        r"unexpected tag '(include|render)'",
        r"“{% \1 %}” is not available: write the text into this template",
    ),
    (r"unexpected tag '(end\w+|else|elsif|when)'", r"“{% \1 %}” has no matching opening tag"),
    (r"unexpected tag '(\w+)'", r"there is no tag “{% \1 %}”"),
    (r"unknown filter 'safe'", "“safe” is not available: what a person typed is always escaped"),
    (r"unknown filter '(.+)'", r"there is no filter “\1”"),
    (r"expected '}}', found end of file", "a “{{” is never closed with “}}”"),
    (
        r"missing tag name or closing delimiter",
        "a “{%” has no tag name, or is never closed with “%}”",
    ),
    (r"comment tag was never closed", "“{% comment %}” is never closed with “{% endcomment %}”"),
    (r"expected (?:tag )?'?(end\w+)'?, found.*", r"“{% \1 %}” is missing"),
    (r"missing expression", "the tag says nothing to do it with: a name or condition is missing"),
    (r"missing or unexpected path segment", "a name is incomplete, or has a sign too many"),
    (r"expected a primitive expression, found (?:end of expression|eof)", "a value is missing"),
    (r"expected a primitive expression, found (.+)", r"a value is expected before \1"),
    (r"expected a comma separated list of arguments.*", "a comma is missing between two values"),
    (r"disallowed parentheses.*", "conditions have no parentheses: put one “if” into another"),
    (r"disallowed not operator.*", "there is no “not”: use “unless”, or compare with “!=”"),
    (r"disallowed ternary.*", "there is no “if” within an output: use “{% if %}”"),
    (r"unexpected '(break|continue)'", r"“{% \1 %}” stands outside of a loop"),
    (r"unexpected '(.+)'", r"“\1” does not belong here"),
    (r"unexpected \"'\"", "a quotation mark is not closed"),
    (r"(divided_by|modulo): can't divide by (.+)", r"“\1” divides by \2"),
    (
        r"'<' and '>' are not supported between '(\w+)' and '(\w+)'",
        r"a \1 and a \2 cannot be compared with “<” or “>”",
    ),
    (
        r"'in' and 'contains' are not supported between '(\w+)' and '\w+'",
        r"“contains” looks into texts and lists, not into a \1",
    ),
    (r"(\w+) expected an integer(?: start)?, found (\w+)", r"“\1” expects a number, found a \2"),
    (r"(?:(?:\w+: )?\w*?)(\w+?)_?\(\) missing .*", r"“\1” needs one more value, after a colon"),
    (r"(\w+): \w+\(\) takes .*", r"“\1” is given too many values"),
    (r"(\w+?)_?\(\) takes .*", r"“\1” is given too many values"),
    (r"unknown operator '(.+)'", r"there is no comparison “\1”"),
    # These quote the data, which may be somebody's address.
    (r"could not cast string .*", "a text that is no number stands where a number is needed"),
    (r"can't read property '(.+)'.*", r"“\1” cannot be read from an item of the list"),
    # The library fails to make its own message.
    (r"LiquidError\.__init__\(\) missing.*", "“concat” expects a list on both sides"),
    (r"expected (.+), found (.+)", r"expected \1, found \2"),
)

_NAMES = {
    "str": "text",
    "Markup": "text",
    "int": "number",
    "float": "number",
    "bool": "yes/no value",
    "dict": "group of values",
    "NoneType": "missing value",
    "Undefined": "missing value",
    "word": "a name",
    "string": "a text",
    "integer": "a number",
    "pipe": "“|”",
    "assign": "“=”",
    "colon": "“:”",
    "comma": "“,”",
    "dot": "“.”",
    "rparen": "“)”",
    "lparen": "“(”",
    "lbracket": "“[”",
    "rbracket": "“]”",
    "in": "“in”",
    "end of expression": "the end of the tag",
    "eof": "the end of the tag",
}


def in_operators_words(said: str) -> str:
    """The wording for a message; the message itself where there is none."""
    for pattern, wording in _WORDINGS:
        match = re.fullmatch(pattern, said, re.DOTALL)
        if match:
            return _filled(wording, match)
    return said


def _filled(wording: str, match: re.Match[str]) -> str:
    for number, group in enumerate(match.groups(), 1):
        wording = wording.replace(f"\\{number}", _named(group))
    return wording


def type_in_words(value: object) -> str:
    return _named(type(value).__name__)


def _named(group: str | None) -> str:
    quoted = re.fullmatch(r"'(.+)'", group or "")
    return f"“{quoted[1]}”" if quoted else _NAMES.get(group or "", group or "")
