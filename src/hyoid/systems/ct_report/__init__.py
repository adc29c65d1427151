"""The structured report of a CT (SGRNet, Gupta et al.): organs, tumour and involvement fill the template."""
