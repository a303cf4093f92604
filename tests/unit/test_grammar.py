"""The grammar of a request, read back as the regular expression it is."""

from __future__ import annotations

import re

import pytest

from qa.grammar import answer_grammar


def as_pattern(grammar: str) -> re.Pattern[str]:
    """Turn the grammar, which has no recursion, into a regular expression."""
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines())
    literal = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:\\.|[^\]])*\]|\w+|\S|\s')

    def expand(rule: str) -> str:
        made = ""
        for part in literal.findall(rules[rule]):
            if part.startswith('"'):
                made += re.escape(part[1:-1].replace('\\"', '"'))
            elif part in rules:
                made += f"(?:{expand(part)})"
            elif not part.isspace():
                made += part
        return f"(?:{made})"

    return re.compile(expand("root"))


@pytest.mark.parametrize(
    ("reply", "allowed"),
    [
        pytest.param("Le pont ferme [1].", True, id="one sentence"),
        pytest.param("Le pont ferme [1][3].", True, id="two markers"),
        pytest.param("Il ferme [1]. Il rouvre [2].", True, id="two sentences"),
        pytest.param("M. Dupont paie 3,5 millions, soit 2.5 % [2].", True, id="abbreviation and decimals"),
        pytest.param("L'A.F.P. le dit [2].", True, id="acronym"),
        pytest.param("« Partez ! », dit-il, « tout de suite. » [2].", True, id="stops inside quotation marks"),
        pytest.param("„Geht!“, sagt er. [2].", False, id="a stop behind a German quotation"),
        pytest.param("Er sagt: „Geht! Sofort.“ [2].", True, id="stops inside German quotation marks"),
        pytest.param("Er sagt: „Geht [2].", False, id="a German quotation left open"),
        pytest.param("Il ferme.Puis il rouvre [2].", False, id="a full stop glued to the next sentence"),
        pytest.param("Il ferme.. [2].", False, id="two full stops"),
        pytest.param("Le pont ferme.", False, id="no marker"),
        pytest.param("Le pont ferme [4].", False, id="a sentence that is not there"),
        pytest.param("Le pont ferme [0].", False, id="zero"),
        pytest.param("Le pont ferme [12].", False, id="two digits"),
        pytest.param("Il ferme. Il rouvre [2].", False, id="a sentence before without a marker"),
        pytest.param("Il ferme [1]. Il rouvre.", False, id="a sentence after without a marker"),
        pytest.param("Il ferme [1]. Il [1]. Il [1]. Il [1]. Il [1].", False, id="too long"),
        pytest.param("Il ferme\n[1].", False, id="line break"),
        pytest.param(f"{'a' * 351} [1].", True, id="longest sentence"),
        pytest.param(f"{'a' * 353} [1].", False, id="endless sentence"),
        pytest.param("[1].", False, id="no words"),
        pytest.param("", False, id="empty"),
    ],
)
def test_replies(reply: str, allowed: bool) -> None:
    assert bool(as_pattern(answer_grammar([1, 2, 3])).fullmatch(reply)) is allowed
