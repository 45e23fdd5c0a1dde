"""Tests of devices run against a platform in memory."""

pytest_plugins = ["launcher.testing"]
