"""Policy clients, value and reward models: everything that talks to a model, and nothing that searches."""
