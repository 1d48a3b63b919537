"""Runs the command as `python -m alliance_analysis.cli`."""

from alliance_analysis.cli import main

if __name__ == "__main__":
    main()
