"""Written reports whose content is known: what `hyoid structure` is measured on, beside those of `hyoid phantom`."""
