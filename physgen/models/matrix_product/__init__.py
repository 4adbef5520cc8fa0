"""Matrix product Born models: physical states, pure or locally purified, as densities."""
