"""The parts of `run`: plan, warm-up, recording, checkpoints, diagnostics."""
