"""Text out of a model, by sampling from its next-token distribution; and text guessed, symbol by symbol."""
