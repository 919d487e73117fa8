"""What scoring is, without torch: what is scored, the card of a trained model, how steps become tokens."""
