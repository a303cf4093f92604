"""Evidence → the GBNF grammar in which only real citations can be written.

An answer is one to a few sentences, each of which ends with one to three markers, each of a
sentence that is there, and a full stop; or it is the refusal, word for word.
"""

from __future__ import annotations

import json

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

_QUOTATION_MARKS = (("«", "»"), ("“", "”"), ('\\"', '\\"'))

# Characters, or a title in their place: a sentence that does not end by itself still gets its marker
# before the answer's tokens are used up.
_LONGEST = 350


def answer_grammar(count: int, refusal: str, longest: int = 4) -> str:
    """Return the grammar of answers that cite sentences 1 to `count` in at most `longest` sentences.

    The format is llama.cpp's: grammars/README.md in its repository.
    """
    numbers = " | ".join(f'"{number}"' for number in range(1, count + 1))
    titles = " | ".join(f'"{abbreviation}. "' for abbreviation in _ABBREVIATIONS)
    quotes = " | ".join(rf'"{left}" [^\[\]\n{left}{right}]{{1,300}} "{right}"' for left, right in _QUOTATION_MARKS)
    return "\n".join(
        (
            f'root ::= {json.dumps(refusal, ensure_ascii=False)} | sentence (" " sentence){{0,{longest - 1}}}',
            f'sentence ::= (title | quote | start) text{{0,{_LONGEST}}} marker{{1,3}} "."',
            r'start ::= [^\[\]\n.!?«»“”"; ]',
            r'text ::= [^\[\]\n.!?«»“”"] | quote | stop',
            f"quote ::= {quotes}",
            # in a number, in an acronym, in a title
            r'stop ::= [0-9] "." [0-9] | [A-Z] ("." [A-Z])+ "."? | " " title',
            f"title ::= {titles}",
            f'marker ::= " "? "[" ({numbers}) "]"',
        )
    )
