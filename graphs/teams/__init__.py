"""Teams of agents: run one, read what its members said, and see what self-consistency does with the same tokens."""

from __future__ import annotations

from reflectree.graphs.casting import cast
from reflectree.graphs.teams.convening import aconvene, convene
from reflectree.graphs.teams.messages import Said, messages
from reflectree.graphs.teams.report import Share, TeamReport

__all__ = ["Said", "Share", "TeamReport", "aconvene", "cast", "convene", "messages"]
