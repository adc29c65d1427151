"""Networks: tensors in, tensors out. No paths, no headers, no configuration files."""
