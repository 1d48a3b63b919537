"""Exit codes, apart from all else: Ctrl-C has to find them before anything heavy is loaded."""

USER_ERROR = 2
INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended
