"""Images in registries, without a Docker daemon: names, credentials, the HTTP API, and one more layer on an image."""
