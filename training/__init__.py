"""What turns traces into better models: labels, datasets, the replay buffer and trainers."""
