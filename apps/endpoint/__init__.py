"""The OpenAI-compatible endpoint: a model's name is a blueprint and a policy, and a reply is what the search found."""
