"""Log-probabilities to figures: nats per token, bits per byte, perplexity, intervals."""
