"""The one table of structures, sub-sites and nodal levels: labels, names, codes, colours."""
