"""Diffusion of real fields: processes, samplers, and score models with exact likelihoods."""
