"""From a fit or a description to a table of checks: each with its value, its limit, why it matters, what to do."""
