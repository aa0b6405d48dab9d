"""effml_lab: efficient diffusion models, written from scratch and measured."""
__version__ = "0.2.0"
