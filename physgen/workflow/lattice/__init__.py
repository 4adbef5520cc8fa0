"""A run over a lattice target: Markov chains, trained models and annealed particles."""
