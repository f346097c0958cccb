"""Log-probabilities into figures: nats per token, bits per byte, perplexity, intervals, differences."""
