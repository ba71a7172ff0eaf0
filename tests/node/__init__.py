"""Tests on a containerd node: the real kubelet and containerd, real Pods. Need root and some packages; skip loudly else.

Start with `conftest`.
"""
