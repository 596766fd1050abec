"""A user's program: its file read, tapped and run, its gradients claimed, judged and traced back."""
