"""Latent-variable models: a variable z that nobody measures explains the correlations of x."""
