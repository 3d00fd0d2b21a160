"""Loaded by the fork server before it forks: one turn, so that a life is spent on its act, not on imports."""

from benchmarks.faults_acts.acts import loaded

LOADED = loaded()
