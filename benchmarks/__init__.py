"""What pullback costs beside NumPy by hand, PyTorch, JAX, autograd and micrograd: `python -m benchmarks`."""
