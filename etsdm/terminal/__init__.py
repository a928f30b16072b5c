"""What a person sees while the workflow runs: its jobs, how far they are, what failed and what all of it cost."""
