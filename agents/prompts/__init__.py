"""The words sent to models, one module an agent.

Text of a task, a model or a tool is data: it stands in user turns, fenced, never in a system prompt.
"""

from reflectree.agents.prompts.common import fence, question
from reflectree.agents.prompts.judging import JUDGE, JUDGE_SCHEMA, judging
from reflectree.agents.prompts.solving import SOLVE, STEPWISE, begun, solving

__all__ = ["JUDGE", "JUDGE_SCHEMA", "SOLVE", "STEPWISE", "begun", "fence", "judging", "question", "solving"]
