"""Figures of frames and fits; nothing is fitted here, and on real data no client's own values are drawn.

Every function draws on `ax` (a new one where none is given), with units on the axes, and returns it. Courses are bands
of quantiles, scatters are means of groups, and groups of fewer clients than `min_cell` are left out.
"""
