"""Text as bits, by arithmetic coding with a model's probabilities: what a cross-entropy says, made."""
