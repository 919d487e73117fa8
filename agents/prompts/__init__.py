"""The words sent to models, one module an agent.

Text of a task, a model or a tool is data: it stands in user turns, fenced, never in a system prompt.
"""

from reflectree.agents.prompts.common import fence, question
from reflectree.agents.prompts.judging import (
    COMPARE,
    ESTIMATE,
    ESTIMATE_SCHEMA,
    FINISH,
    FINISH_SCHEMA,
    GRADE,
    JUDGE,
    JUDGE_SCHEMA,
    VOTE,
    WEIGH,
    comparing,
    estimating,
    finishing,
    grade_schema,
    grading,
    judging,
    vote_schema,
    voting,
    weigh_schema,
    weighing,
)
from reflectree.agents.prompts.merging import MERGE, merging
from reflectree.agents.prompts.refining import CRITIQUE, REFINE, critiquing, finds_nothing_wrong, rewriting
from reflectree.agents.prompts.solving import ACT, ASKS, SOLVE, begun, described, solving

__all__ = [
    "ACT",
    "ASKS",
    "COMPARE",
    "CRITIQUE",
    "ESTIMATE",
    "ESTIMATE_SCHEMA",
    "FINISH",
    "FINISH_SCHEMA",
    "GRADE",
    "JUDGE",
    "JUDGE_SCHEMA",
    "MERGE",
    "REFINE",
    "SOLVE",
    "VOTE",
    "WEIGH",
    "begun",
    "comparing",
    "critiquing",
    "described",
    "estimating",
    "fence",
    "finds_nothing_wrong",
    "finishing",
    "grade_schema",
    "grading",
    "judging",
    "merging",
    "question",
    "rewriting",
    "solving",
    "vote_schema",
    "voting",
    "weigh_schema",
    "weighing",
]
