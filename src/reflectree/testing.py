"""What your own tests need, offline and deterministic: models, and a check of a strategy.

`ScriptedPolicy` says what a script says, in your process. `LoopbackServer` is a real OpenAI-compatible endpoint on
127.0.0.1 with latency and faults, for code that brings its own client. `check_strategy` plays a strategy of yours
against chance and holds it to the laws that the engine relies on.

>>> import asyncio
>>> from reflectree.models.base import Message, Request
>>> from reflectree.models.resolve import policy
>>> from reflectree.testing import LoopbackServer, ScriptedPolicy
>>> question = Request((Message("user", "Use 3, 5, 7 and 8 to make 24."),))
>>> scripted = ScriptedPolicy(lambda request, index: f"thought {index}")
>>> [choice.text for choice in asyncio.run(scripted.complete(question)).choices]
['thought 0']
>>> async def ask() -> str:
...     async with LoopbackServer(reply="8 * 3 = 24", latency=0.01, faults={"429": 0.1}, seed=1) as server:
...         model = policy(f"{server.base_url}#loopback")
...         reply = await model.complete(question)
...         await model.aclose()
...         return reply.choices[0].text
>>> asyncio.run(ask())
'8 * 3 = 24'
>>> from reflectree.rlm_ops.strategies import SelfConsistency
>>> from reflectree.testing import check_strategy
>>> check_strategy(SelfConsistency(n=3), plays=10).calls
30
"""

from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.models.loopback import FAULTS, Counters, LoopbackServer
from reflectree.rlm_ops.playing import Played, check_strategy

__all__ = ["ABLE", "FAULTS", "Counters", "LoopbackServer", "Played", "ScriptedPolicy", "check_strategy"]
