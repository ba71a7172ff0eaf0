"""Tests of how images are described, without building one."""
