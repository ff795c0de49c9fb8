"""State-space models and hidden Markov chains: filters, smoothers and the networks that they are."""
