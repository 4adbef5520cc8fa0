"""What `run` is made of: the plan, warm-up, recording, checkpoints, diagnostics."""
