"""A question in, a grounded answer out."""

from qa.answer import Answer, Assistant, EvidenceFound, PartialAnswer, Timings, answer, assistant, stream
from qa.conversation import Turn
from qa.evidence import Evidence
from qa.verify import Citation

__all__ = [
    "Answer",
    "Assistant",
    "Citation",
    "Evidence",
    "EvidenceFound",
    "PartialAnswer",
    "Timings",
    "Turn",
    "answer",
    "assistant",
    "stream",
]
