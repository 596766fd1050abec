"""NumPy code as autograd sees it: an array type over torch tensors, and stand-ins for the modules that make arrays."""
