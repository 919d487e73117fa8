"""The torch side of models: modules here import torch at their top, and nothing outside imports them at its own."""
