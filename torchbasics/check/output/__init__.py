"""Reports as a reader sees them: in a terminal, as a page, in TensorBoard."""
