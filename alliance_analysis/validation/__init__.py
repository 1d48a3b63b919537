"""Holds the package against R and against simulated truth, and writes down what came out."""
