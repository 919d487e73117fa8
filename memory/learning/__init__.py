"""Learning, the pure half: what may be written, what earns trust, and how lists of lessons are kept."""

from reflectree.memory.learning.duplicates import Twin, twin
from reflectree.memory.learning.gates import Trial, Verdict, judged
from reflectree.memory.learning.learn import Proposal, Taken, operate, rules_of, take
from reflectree.memory.learning.playbook import playbook, tag
from reflectree.memory.learning.settings import Learning
from reflectree.memory.learning.trust import moves, reviewer, standing_of
from reflectree.memory.learning.votes import Operation, Rule, applied, parsed

__all__ = [
    "Learning",
    "Operation",
    "Proposal",
    "Rule",
    "Taken",
    "Trial",
    "Twin",
    "Verdict",
    "applied",
    "judged",
    "moves",
    "operate",
    "parsed",
    "playbook",
    "reviewer",
    "rules_of",
    "standing_of",
    "tag",
    "take",
    "twin",
]
