"""From measurement outcomes to a model of a quantum state: generate, train, sample, validate."""
