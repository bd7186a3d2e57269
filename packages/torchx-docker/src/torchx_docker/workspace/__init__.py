"""The two builders of images: ``docker`` with a Docker engine, ``oci`` without one."""
