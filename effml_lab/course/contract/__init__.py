"""The contract of an exercise: an answer is run once, in one place, and judged from plain data.

  exercise   cases, run, verify: what an exercise is, and what its properties are made of
  codec      what passes between the two sides, as bytes
  attempt    the only place that calls a student's code
  judge      from an answer to a report
  report     points for nbgrader, a table for a notebook, prose for a terminal
"""
