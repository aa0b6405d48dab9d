"""What nbgrader calls, as nbgrader_config.py lists it, and what an instructor runs beside it.

  handins    what lies in grading/submitted: found, read, mended where the meaning is clear
  restore    a submission's cells put back as they were released; words that would be lost, kept
  execute    one notebook in a kernel of its own, with limits
  sandbox    that kernel, shut in
  marks      a test cell's output becomes a number or an error
  sanitize   what an answer may put on a page; `pages` for feedback and formgrader
  export     marks and the state of every hand-in, by student and by exercise
"""
