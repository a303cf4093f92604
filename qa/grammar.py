"""Evidence → the GBNF grammar in which only real citations can be written.

An answer is one to a few sentences, each of which ends with one to three markers, each of a
sentence that is there, and a full stop. Whether to answer at all is decided before (qa/confidence.py):
a small model refuses according to the wording of its prompt, not to what the articles hold.
"""

from __future__ import annotations

from collections.abc import Collection

# After these, a full stop does not end a sentence.
_ABBREVIATIONS = (
    "M",
    "MM",
    "Mme",
    "Mlle",
    "Dr",
    "Pr",
    "Me",
    "Mgr",
    "St",
    "Ste",
    "Mr",
    "Mrs",
    "Ms",
    "z.B",
    "d.h",
    "Sr",
    "Sra",
)

_QUOTATION_MARKS = (("«", "»"), ("“", "”"), ("„", "“"), ('\\"', '\\"'))

# Characters, or a title in their place: a sentence that does not end by itself still gets its marker
# before the answer's tokens are used up.
_LONGEST = 350


_SENTENCE = f"(title | quote | start) text{{0,{_LONGEST}}}"


_TITLES = " | ".join(f'"{abbreviation}. "' for abbreviation in _ABBREVIATIONS)
_QUOTES = " | ".join(rf'"{left}" [^<>\[\]\n{left}{right}]{{1,300}} "{right}"' for left, right in _QUOTATION_MARKS)
_WORDS = (
    # no < and >: markup and control tokens have no place in an answer
    r'start ::= [^<>\[\]\n.!?«»„“”"; ]',
    r'text ::= [^<>\[\]\n.!?«»„“”"] | quote | stop',
    f"quote ::= {_QUOTES}",
    # in a number, in an acronym, in a title
    r'stop ::= [0-9] "." [0-9] | [A-Z] ("." [A-Z])+ "."? | " " title',
    f"title ::= {_TITLES}",
)


def answer_grammar(numbers: Collection[int], longest: int = 4) -> str:
    """Return the grammar of answers of at most `longest` sentences that cite evidence of these numbers.

    The format is llama.cpp's: grammars/README.md in its repository.
    """
    markers = " | ".join(f'"{number}"' for number in numbers)
    return "\n".join(
        (
            f'root ::= sentence (" " sentence){{0,{longest - 1}}}',
            f'sentence ::= {_SENTENCE} marker{{1,3}} "."',
            *_WORDS,
            f'marker ::= " "? "[" ({markers}) "]"',
        )
    )


def sentence_grammar() -> str:
    """Return the grammar of one sentence without a marker."""
    return "\n".join((f'root ::= {_SENTENCE} "."', *_WORDS))
