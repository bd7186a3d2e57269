"""What a job's own code uses while it runs."""
