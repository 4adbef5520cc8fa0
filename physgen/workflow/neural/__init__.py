"""Neural samplers of an unnormalised target over a scan."""
