"""The service, its client and the web page."""
