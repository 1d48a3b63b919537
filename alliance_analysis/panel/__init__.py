"""The prospective model: several series per client that depend on their own and each other's past (panel VAR)."""
