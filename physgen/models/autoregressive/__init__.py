"""models/autoregressive."""
