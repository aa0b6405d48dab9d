"""What nbgrader calls: `plugins`, listed in nbgrader_config.py; `sanitize`, what an answer may put on a page."""
