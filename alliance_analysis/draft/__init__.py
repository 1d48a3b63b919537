"""Drafts a study file: looks at a researcher's files, guesses what is what, and says on what each guess rests."""
