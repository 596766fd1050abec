"""Our own layers, losses and networks, and what users derive from them, against their twins and autograd."""
