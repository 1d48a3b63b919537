"""From a notebook that asks one question to a sealed page: what it shows, how it is run, how it is written."""
