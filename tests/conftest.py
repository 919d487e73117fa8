"""Every test runs offline, untraced, and with the checkpoint serializer that refuses undeclared types."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# Read at import by langgraph and langsmith: set before any test module is collected.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"

# A runner started in the background ignores Ctrl-C and hands that down: the tests that send it must not inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("reflectree", deadline=None, print_blob=True)
settings.load_profile("reflectree")
