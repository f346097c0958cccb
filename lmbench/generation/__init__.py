"""Text out of models: sampling, one token after the other."""
