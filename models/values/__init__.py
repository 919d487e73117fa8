"""Clients of value models: our server, vLLM, Text Embeddings Inference, decisions, and weights in this process.

`reflectree.models.resolve_values` makes them from names. All score paths (`ValueModel`); those that give a score a step
score steps, too (`RewardModel`). Concurrent calls become one request, and one path that cannot be scored fails alone.
"""
