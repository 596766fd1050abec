"""Lessons: every claim of the notes as an experiment that says whether it holds, with a number.

A lesson is a script of its own, `scripts/lesson_NN_NAME.py`, on top of `torchbasics.lessons.lesson`. `torchbasics
lessons` lists them, runs them, and gathers their verdicts and pictures on one page.
"""
