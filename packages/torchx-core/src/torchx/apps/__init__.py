"""Small programs that built-in components run inside their replicas."""
