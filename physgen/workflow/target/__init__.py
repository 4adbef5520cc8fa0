"""What a config says of a target: the section, its axes, its quantities, its exact values."""
