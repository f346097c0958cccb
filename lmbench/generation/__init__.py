"""Text out of a model: sampling from its next-token distribution."""
