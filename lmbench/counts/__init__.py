"""The sparse structures that counting needs, as torch tensors on any device."""
