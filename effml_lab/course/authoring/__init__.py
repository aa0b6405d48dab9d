"""From texts to notebooks: `python -m effml_lab build`.

  build          solutions, labs and lectures from their texts, and an edit in JupyterLab back into the text
  percent        the text of a notebook and its cells
  graded_cells   what nbgrader has to know of a cell, and what an author may not write
  first_cells    the links and the start-up that open every notebook
  release        a lab from its solution, by nbgrader itself; no line of the solution in it
  lecture        the outputs of a lecture
  readme         the figures and rows of the front page, and the page of data/results
  results        what was recorded, in words; `highlights` for the front page, `results_page` for all of it
"""
