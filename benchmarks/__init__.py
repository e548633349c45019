"""Claims of speed, each as one command that measures both sides."""
