"""Mixed models for nested groups, computed here because no Python library gets all their standard errors right."""
