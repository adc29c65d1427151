"""hyoid: head-and-neck oncology imaging. A scan goes in; masks, a structured report and its evidence come out."""

__version__ = "0.1.0"
